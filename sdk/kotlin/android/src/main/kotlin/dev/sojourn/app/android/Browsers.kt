package dev.sojourn.app.android

import android.content.Context
import android.content.Intent
import android.content.pm.ApplicationInfo
import android.content.pm.PackageManager
import android.content.pm.ResolveInfo
import android.net.Uri
import android.os.Bundle

/** What a browser and an app say to each other, as androidx.browser has it (`CustomTabsService`, `CustomTabsIntent`, `AuthTabIntent` 1.9). */
private const val TABS_SERVICE = "android.support.customtabs.action.CustomTabsService"
private const val TABS_SESSION = "android.support.customtabs.extra.SESSION"
private const val AUTH_TAB = "androidx.browser.auth.category.AuthTab"
private const val LAUNCH_AUTH_TAB = "androidx.browser.auth.extra.LAUNCH_AUTH_TAB"
private const val REDIRECT_SCHEME = "androidx.browser.auth.extra.REDIRECT_SCHEME"
private const val REDIRECT_HOST = "androidx.browser.auth.extra.HTTPS_REDIRECT_HOST"
private const val REDIRECT_PATH = "androidx.browser.auth.extra.HTTPS_REDIRECT_PATH"

/**
 * The browser that a sign-in is shown in: the one that the person made their default, or else one that came with the phone; no other
 * app that calls itself a browser gets to see a password unless the person picks it. Never a WebView, which the app could read (RFC 8252 §8.12).
 */
internal class Browsers(private val context: Context) {
    private val packages: PackageManager get() = context.packageManager

    /** How an address is opened: an Auth Tab where the browser has it, else a Custom Tab, else just the browser. */
    fun intent(url: Uri, redirect: Uri): Intent {
        val intent = Intent(Intent.ACTION_VIEW, url).addCategory(Intent.CATEGORY_BROWSABLE)
        val browser = chosen() ?: return intent // the person is asked which
        intent.setPackage(browser)
        val service = packages.queryIntentServices(Intent(TABS_SERVICE).setPackage(browser), PackageManager.GET_RESOLVED_FILTER)
        if (service.isEmpty()) return intent
        intent.putExtras(Bundle().apply { putBinder(TABS_SESSION, null) })
        return if (service.any { it.filter?.hasCategory(AUTH_TAB) == true }) intent.authTab(redirect) else intent
    }

    private fun Intent.authTab(redirect: Uri): Intent {
        putExtra(LAUNCH_AUTH_TAB, true)
        if (redirect.scheme == "https") {
            putExtra(REDIRECT_HOST, redirect.host)
            putExtra(REDIRECT_PATH, redirect.path)
        } else {
            putExtra(REDIRECT_SCHEME, redirect.scheme)
        }
        return this
    }

    private fun chosen(): String? {
        val all = packages.queryIntentActivities(probe, PackageManager.MATCH_ALL or PackageManager.GET_RESOLVED_FILTER).filter(::isBrowser)
        val theirs = packages.resolveActivity(probe, PackageManager.MATCH_DEFAULT_ONLY)?.name
        return (all.find { it.name == theirs } ?: all.find(::cameWithPhone))?.name
    }

    /** Whether it opens every address, and not one of an app's own. */
    private fun isBrowser(found: ResolveInfo): Boolean =
        found.name != context.packageName && (found.filter?.countDataAuthorities() ?: 0) == 0

    private fun cameWithPhone(found: ResolveInfo): Boolean =
        (found.activityInfo.applicationInfo?.flags ?: 0) and (ApplicationInfo.FLAG_SYSTEM or ApplicationInfo.FLAG_UPDATED_SYSTEM_APP) != 0

    private val ResolveInfo.name: String get() = activityInfo.packageName

    private companion object {
        /** Of no app but browsers; `queries` in the manifest makes them visible. */
        val probe: Intent = Intent(Intent.ACTION_VIEW, Uri.parse("http://")).addCategory(Intent.CATEGORY_BROWSABLE)
    }
}
