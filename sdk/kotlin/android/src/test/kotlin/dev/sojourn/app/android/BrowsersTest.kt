package dev.sojourn.app.android

import android.content.ComponentName
import android.content.Intent
import android.content.IntentFilter
import android.content.pm.ActivityInfo
import android.content.pm.ApplicationInfo
import android.content.pm.ServiceInfo
import android.net.Uri
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf

private const val AUTH_TAB = "androidx.browser.auth.extra.LAUNCH_AUTH_TAB"
private const val CUSTOM_TAB = "android.support.customtabs.extra.SESSION"

@RunWith(RobolectricTestRunner::class)
class BrowsersTest {
    private val context = RuntimeEnvironment.getApplication()
    private val packages = shadowOf(context.packageManager)
    private val url = Uri.parse("https://id.example.com/oauth2/authorize?state=a")
    private val scheme = Uri.parse("com.example.notes:/callback")

    private fun browser(name: String, vararg categories: String, system: Boolean = true, tabs: Boolean = true, host: String? = null) {
        val component = ComponentName(name, "$name.Main")
        val app = ApplicationInfo().apply { packageName = name; flags = if (system) ApplicationInfo.FLAG_SYSTEM else 0 }
        packages.addOrUpdateActivity(ActivityInfo().apply { packageName = name; this.name = component.className; applicationInfo = app; exported = true })
        val filter = IntentFilter(Intent.ACTION_VIEW).apply {
            addCategory(Intent.CATEGORY_BROWSABLE); addCategory(Intent.CATEGORY_DEFAULT); addDataScheme("http"); addDataScheme("https")
            host?.let { addDataAuthority(it, null) }
        }
        packages.addIntentFilterForActivity(component, filter)
        if (!tabs) return
        val service = ComponentName(name, "$name.Tabs")
        packages.addOrUpdateService(ServiceInfo().apply { packageName = name; this.name = service.className; applicationInfo = app; exported = true })
        val offered = IntentFilter("android.support.customtabs.action.CustomTabsService").apply { categories.forEach(::addCategory) }
        packages.addIntentFilterForService(service, offered)
    }

    private fun shown(redirect: Uri = scheme) = Browsers(context).intent(url, redirect)

    @Test
    fun `a browser that has the Auth Tab is asked for it, by the redirect's scheme or its claimed address`() {
        browser("org.chromium", "androidx.browser.auth.category.AuthTab")
        val intent = shown()
        assertEquals("org.chromium", intent.`package`)
        assertTrue(intent.getBooleanExtra(AUTH_TAB, false))
        assertTrue("the session is the null one", intent.hasExtra(CUSTOM_TAB) && intent.extras!!.getBinder(CUSTOM_TAB) == null)
        assertEquals("com.example.notes", intent.getStringExtra("androidx.browser.auth.extra.REDIRECT_SCHEME"))
        val claimed = shown(Uri.parse("https://notes.example.com/callback"))
        assertEquals("notes.example.com", claimed.getStringExtra("androidx.browser.auth.extra.HTTPS_REDIRECT_HOST"))
        assertEquals("/callback", claimed.getStringExtra("androidx.browser.auth.extra.HTTPS_REDIRECT_PATH"))
        assertFalse(claimed.hasExtra("androidx.browser.auth.extra.REDIRECT_SCHEME"))
    }

    @Test
    fun `one that has not gets a Custom Tab`() {
        browser("org.mozilla")
        assertTrue(shown().hasExtra(CUSTOM_TAB))
        assertFalse(shown().hasExtra(AUTH_TAB))
    }

    @Test
    fun `one that has neither gets just the address`() {
        browser("org.plain", tabs = false)
        assertEquals("org.plain", shown().`package`)
        assertNull(shown().extras)
    }

    @Test
    fun `an app that calls itself a browser sees no password unless the person made it their own`() {
        packages.setShouldShowActivityChooser(true)
        browser("com.hostile", "androidx.browser.auth.category.AuthTab", system = false)
        browser("com.other", system = false)
        assertNull(shown().`package`)
        browser("org.chromium")
        assertEquals("org.chromium", shown().`package`)
        @Suppress("DEPRECATION")
        context.packageManager.addPreferredActivity(
            IntentFilter(Intent.ACTION_VIEW).apply { addCategory(Intent.CATEGORY_BROWSABLE); addCategory(Intent.CATEGORY_DEFAULT); addDataScheme("http") },
            0, null, ComponentName("com.hostile", "com.hostile.Main"),
        )
        assertEquals("com.hostile", shown().`package`)
    }

    @Test
    fun `an app for the addresses of one host is no browser`() {
        browser("com.shop", host = "shop.example")
        assertNull(shown().`package`)
    }
}
