package dev.sojourn.app.android

import android.app.Activity
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController

private const val REDIRECT_URI = "com.example.notes:/callback"
private const val ANSWER = "com.example.notes:/callback?code=c&state=a"

@RunWith(RobolectricTestRunner::class)
class SignInActivityTest {
    private val application = RuntimeEnvironment.getApplication()

    /** What reached the app itself, since nobody waited for it. */
    private val alone = mutableListOf<String>()

    @Before
    fun anApp() = Returns.attach { alone += it }

    private fun asks(state: String): Deferred<String?> = CoroutineScope(Dispatchers.Unconfined).async(start = CoroutineStart.UNDISPATCHED) {
        AndroidBrowser(application).open("https://id.example.com/authorize?state=$state", REDIRECT_URI)
    }

    private fun under(): ActivityController<SignInActivity> =
        Robolectric.buildActivity(SignInActivity::class.java, shadowOf(application).nextStartedActivity).setup()

    /** A deep link, from whoever sends one, as far as it gets. */
    private fun link(address: String): Intent {
        val sent = Intent(Intent.ACTION_VIEW, Uri.parse(address)).putExtra("dev.sojourn.app.URL", "https://evil.example/")
        Robolectric.buildActivity(RedirectActivity::class.java, sent).create()
        return shadowOf(application).nextStartedActivity
    }

    /** What browsers were opened with since this was asked last. */
    private fun ActivityController<SignInActivity>.opened(): List<Intent> =
        generateSequence { shadowOf(get()).nextStartedActivityForResult?.intent }.filter { it.action == Intent.ACTION_VIEW }.toList()

    private fun Deferred<String?>.answer() = runBlocking { await() }

    @Test
    fun `a deep link brings the answer to who waits, and a second one reaches the app itself`() {
        val waits = asks("a")
        val under = under().pause()
        under.newIntent(link(ANSWER))
        assertEquals(ANSWER, waits.answer())
        assertTrue(under.get().isFinishing)
        Robolectric.buildActivity(SignInActivity::class.java, link(ANSWER)).create()
        assertEquals(listOf(ANSWER), alone)
    }

    @Test
    fun `an Auth Tab's result brings it too`() {
        val waits = asks("a")
        val under = under()
        val opened = under.opened().single()
        under.pause()
        shadowOf(under.get()).receiveResult(opened, Activity.RESULT_OK, Intent().setData(Uri.parse(ANSWER)))
        assertEquals(ANSWER, waits.answer())
    }

    @Test
    fun `back, and an Auth Tab that could not verify the app, are no answer`() {
        for (result in listOf(Activity.RESULT_CANCELED, 2, 3)) {
            val waits = asks("a")
            val under = under()
            val opened = under.opened().single()
            under.pause()
            shadowOf(under.get()).receiveResult(opened, result, null)
            under.resume()
            assertNull(waits.answer())
            assertTrue(under.get().isFinishing)
        }
        assertEquals(emptyList<String>(), alone)
    }

    @Test
    fun `what a stranger sends neither answers nor cancels, and opens nothing`() {
        val waits = asks("a")
        under().pause()
        val onward = link("com.example.notes:/callback?code=x&state=b")
        assertFalse(onward.hasExtra("dev.sojourn.app.URL"))
        Robolectric.buildActivity(SignInActivity::class.java, onward).create()
        link("com.example.notes:opaque").let { Robolectric.buildActivity(SignInActivity::class.java, it).create() }
        assertFalse(waits.isCompleted)
        assertEquals(2, alone.size)
        Returns.came(ANSWER)
        assertEquals(ANSWER, waits.answer())
    }

    @Test
    fun `another sign-in gets the browser, and the first one hears that it has lost it`() {
        val first = asks("a")
        val under = under().pause()
        val second = asks("b")
        assertNull(first.answer())
        val again = generateSequence { shadowOf(application).nextStartedActivity }.last { it.component?.className == SignInActivity::class.java.name }
        under.newIntent(again).resume()
        assertEquals("https://id.example.com/authorize?state=b", generateSequence { shadowOf(application).nextStartedActivity }.last().dataString)
        assertFalse(second.isCompleted)
        under.pause().resume()
        assertNull(second.answer())
    }

    @Test
    fun `a process that was killed under the browser opens no second one`() {
        asks("a").cancel()
        val started = shadowOf(application).nextStartedActivity
        val before = Robolectric.buildActivity(SignInActivity::class.java, started).setup().pause().stop()
        assertEquals(1, before.opened().size)
        val kept = Bundle().also(before::saveInstanceState)
        val after = Robolectric.buildActivity(SignInActivity::class.java, started).create(kept).start().newIntent(link(ANSWER)).resume()
        assertEquals(emptyList<Intent>(), after.opened())
        val back = Robolectric.buildActivity(SignInActivity::class.java, started).create(kept).start().resume()
        assertEquals(emptyList<Intent>(), back.opened())
        assertEquals(listOf(ANSWER), alone)
    }
}
