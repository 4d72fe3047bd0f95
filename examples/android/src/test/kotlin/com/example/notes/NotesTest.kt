package com.example.notes

import android.app.Activity
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.os.Looper
import android.view.ViewGroup
import android.widget.Button
import android.widget.TextView
import dev.sojourn.app.Status
import dev.sojourn.app.android.RedirectActivity
import dev.sojourn.app.android.SignInActivity
import dev.sojourn.app.android.testing.TestKeystore
import kotlinx.coroutines.runBlocking
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config
import java.net.URI
import java.net.URLEncoder

/** Plays the app against a server that runs; whoever starts it gives the address of a person who signs in (`notes.person`). */
@RunWith(RobolectricTestRunner::class)
@Config(application = Notes::class)
class NotesTest {
    private val notes get() = RuntimeEnvironment.getApplication() as Notes
    private val person = System.getProperty("notes.person")!!

    private fun ask(path: String): String = URI(person + path).toURL().readText().trim()

    private fun eventually(what: String, true_: () -> Boolean) {
        val until = System.nanoTime() + 120_000_000_000
        while (!true_()) {
            check(System.nanoTime() < until) { what }
            shadowOf(Looper.getMainLooper()).idle()
            Thread.sleep(10)
        }
    }

    private fun open() = Robolectric.buildActivity(MainActivity::class.java).setup()

    private val ActivityController<MainActivity>.views get() = get().findViewById<ViewGroup>(android.R.id.content).getChildAt(0) as ViewGroup

    private fun ActivityController<MainActivity>.says(part: String) =
        eventually("the page says ${(views.getChildAt(0) as TextView).text}, not $part") { part in (views.getChildAt(0) as TextView).text }

    private fun ActivityController<MainActivity>.press(name: String) {
        val button = views.getChildAt(1) as Button
        eventually("there is no button $name") { button.text.toString() == name }
        button.performClick()
    }

    /** The next activity of a kind that was started. */
    private fun started(kind: Class<out Activity>): Intent {
        var found: Intent? = null
        eventually("$kind was not started") {
            found = generateSequence { shadowOf(notes).nextStartedActivity }.find { it.component?.className == kind.name }
            found != null
        }
        return found!!
    }

    /** What lies under the browser, and what the browser was opened with. */
    private fun browser(): Pair<ActivityController<SignInActivity>, Intent> {
        val under = Robolectric.buildActivity(SignInActivity::class.java, started(SignInActivity::class.java)).setup()
        return under to shadowOf(under.get()).nextStartedActivityForResult.intent
    }

    private fun redirect(address: String): Intent {
        val deep = Intent(Intent.ACTION_VIEW, Uri.parse(address))
        assertTrue(Robolectric.buildActivity(RedirectActivity::class.java, deep).create().get().isFinishing)
        return started(SignInActivity::class.java)
    }

    /** What the person's browser comes back with. */
    private fun visit(opened: Intent) = ask("/visit?url=" + URLEncoder.encode(opened.dataString!!, "UTF-8"))

    @Before
    fun nobodyIsSignedIn() {
        TestKeystore.reset()
        notes.onCreate()
    }

    private fun ActivityController<MainActivity>.signIn() {
        press("Sign in")
        val (under, opened) = browser()
        under.pause().newIntent(redirect(visit(opened)))
        assertTrue(under.get().isFinishing)
        says("Hello, Ada Lovelace. /me: 200")
    }

    @Test
    fun `signed in, renewed, signed out`() {
        val page = open()
        page.signIn()
        runBlocking { assertNotEquals(notes.session.token().accessToken, notes.session.token(fresh = true).accessToken) }
        page.press("Sign out")
        page.says("Nobody is signed in.")
        eventually("the server did not hear of it") { runBlocking { notes.session.state().unheard } == 0 }
    }

    @Test
    fun `an Auth Tab's result signs in, and back signs nobody in`() {
        val page = open()
        page.press("Sign in")
        val (given, _) = browser()
        given.pause().resume()
        assertTrue(given.get().isFinishing)
        page.says("Not signed in.")
        page.press("Sign in")
        val (under, opened) = browser()
        under.pause()
        shadowOf(under.get()).receiveResult(opened, Activity.RESULT_OK, Intent().setData(Uri.parse(visit(opened))))
        page.says("Hello, Ada Lovelace.")
    }

    @Test
    fun `a process that was killed under the browser finishes with the next one, once`() {
        val page = open()
        page.press("Sign in")
        val (under, opened) = browser()
        val kept = Bundle().also { under.pause().stop().saveInstanceState(it) }
        page.pause().stop().destroy()
        notes.session.close()
        notes.onCreate()
        val address = visit(opened)
        val again = Robolectric.buildActivity(SignInActivity::class.java, under.get().intent).create(kept)
        again.newIntent(redirect("com.example.notes:/callback?code=a&state=strange")).newIntent(redirect(address)).newIntent(redirect(address))
        val next = open()
        next.says("Hello, Ada Lovelace. /me: 200")
    }

    @Test
    fun `a session that ends while the app is in front is over on its page, with a reason`() {
        val page = open()
        page.signIn()
        ask("/end")
        eventually("it goes on") { runBlocking { notes.session.state().status } == Status.ENDED }
        page.press("Sign in")
    }

    @Test
    fun `on another phone a backup is a session that is over`() {
        open().signIn()
        notes.session.close()
        TestKeystore.loseKeys()
        notes.onCreate()
        assertEquals("key_lost", runBlocking { notes.session.state() }.ended?.reason)
        open().signIn()
    }
}
