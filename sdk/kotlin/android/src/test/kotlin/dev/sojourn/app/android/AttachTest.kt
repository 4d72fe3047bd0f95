package dev.sojourn.app.android

import android.app.Activity
import android.app.Application
import android.net.ConnectivityManager
import android.os.Looper
import dev.sojourn.app.App
import dev.sojourn.app.AppException
import dev.sojourn.app.Config
import dev.sojourn.app.Kind
import dev.sojourn.app.android.testing.TestKeystore
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.time.Duration

@RunWith(RobolectricTestRunner::class)
class AttachTest {
    private val application: Application get() = RuntimeEnvironment.getApplication()
    private val networks get() = shadowOf(application.getSystemService(ConnectivityManager::class.java))
    private val config by lazy { Config("https://id.example", "notes", "com.example.notes:/callback", AndroidStorage(application), clock = AndroidClock) }

    @Before
    fun aNewPhone() = TestKeystore.reset()

    @Test
    fun `networks are watched while an activity can be seen, and not a moment longer`() {
        App(config).use { app ->
            app.attachTo(application)
            assertEquals(0, networks.networkCallbacks.size)
            val first = Robolectric.buildActivity(Activity::class.java).create().start()
            val second = Robolectric.buildActivity(Activity::class.java).create().start()
            assertEquals(1, networks.networkCallbacks.size)
            networks.networkCallbacks.single().onAvailable(application.getSystemService(ConnectivityManager::class.java).activeNetwork!!)
            first.stop()
            assertEquals(1, networks.networkCallbacks.size)
            second.stop()
            assertEquals(0, networks.networkCallbacks.size)
        }
    }

    @Test
    fun `what came back before there was an app waits for it, the newest four`() {
        val answers = Answers()
        (1..6).forEach { answers.came("a:/?state=$it") }
        val told = mutableListOf<String>()
        answers.attach { told += it }
        answers.came("a:/?state=7")
        assertEquals((3..7).map { "a:/?state=$it" }, told)
    }

    @Test
    fun `how a sign-in ended that nobody waits for is told on the main thread`() {
        App(config).use { app ->
            val told = mutableListOf<AppException>()
            app.attachTo(application) { _, error -> told += error!! }
            Returns.came("com.example.notes:/callback?code=c&state=a")
            val until = System.nanoTime() + 60_000_000_000
            while (told.isEmpty()) {
                assertTrue("nothing was told", System.nanoTime() < until)
                shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(1))
                Thread.sleep(5)
            }
            assertEquals(listOf(Kind.NOT_MINE), told.map { it.kind })
        }
    }

    @Test
    fun `people know their phone by its model`() {
        assertTrue(androidDevice(application).model!!.isNotBlank())
    }
}
