package dev.sojourn.app

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.IOException
import java.net.HttpURLConnection
import java.net.Socket
import java.net.URI

class LoopbackBrowserTest {
    private class Page(val status: Int, val text: String)

    private fun get(address: String): Page = (URI(address).toURL().openConnection() as HttpURLConnection).run {
        Page(responseCode, (if (responseCode < 400) inputStream else errorStream).readBytes().decodeToString())
    }

    @Test
    fun `the browser that was opened comes back, and nobody else counts`() = runBlocking {
        val opened = CompletableDeferred<String>()
        val browser = LoopbackBrowser { opened.complete(it) }
        val home = browser.ready("http://127.0.0.1/callback")
        assertTrue(Regex("http://127\\.0\\.0\\.1:\\d+/callback").matches(home), home)
        val back = async(Dispatchers.IO) { browser.open("https://id.example/authorize?state=mine", home) }
        assertEquals("https://id.example/authorize?state=mine", opened.await())
        Socket("127.0.0.1", URI(home).port).use { // a connection that a browser opens in advance, and does not use
            assertEquals(400, get("$home?code=evil&state=other").status)
            assertEquals(400, get("$home?code=evil").status)
            assertEquals(404, get(home.replace("callback", "favicon.ico")).status)
            assertFalse(back.isCompleted)
            val page = get("$home?code=c%20d&state=mine&iss=https%3A%2F%2Fid.example")
            assertEquals(200, page.status)
            assertTrue("Go back to the app" in page.text)
        }
        assertEquals("$home?code=c%20d&state=mine&iss=https%3A%2F%2Fid.example", back.await())
        while (runCatching { get(home) }.isSuccess) Thread.sleep(5) // until nobody listens
    }

    @Test
    fun `an error comes back too`() = runBlocking {
        val browser = LoopbackBrowser { }
        val home = browser.ready("http://localhost:0/")
        val back = async(Dispatchers.IO) { browser.open("https://id.example/authorize?state=mine", home) }
        var page = get("$home?error=access_denied&state=mine")
        while (page.status != 200) page = get("$home?error=access_denied&state=mine") // until it is open
        assertTrue("Not signed in" in page.text)
        assertEquals("$home?error=access_denied&state=mine", back.await())
    }

    @Test
    fun `a second sign-in goes on at the port of the first, whose redirect still counts`() = runBlocking {
        val browser = LoopbackBrowser { }
        val home = browser.ready("http://127.0.0.1/callback")
        val first = async(Dispatchers.Unconfined) { browser.open("https://id.example/authorize?state=first", home) }
        assertEquals(home, browser.ready("http://127.0.0.1/callback"))
        val second = async(Dispatchers.Unconfined) { browser.open("https://id.example/authorize?state=second", home) }
        first.cancelAndJoin()
        assertEquals(200, get("$home?code=c&state=first").status)
        assertEquals("$home?code=c&state=first", second.await())
        assertFalse(home == browser.ready("http://127.0.0.1/callback"), "a port is for the sign-ins that are open")
    }

    @Test
    fun `what can't be is said`() = runBlocking {
        for (uri in listOf("com.example:/callback", "http://192.0.2.1/callback", "https://127.0.0.1/")) {
            assertEquals(Kind.STOP, (runCatching { LoopbackBrowser().ready(uri) }.exceptionOrNull() as AppException).kind, uri)
        }
        val browser = LoopbackBrowser { throw IOException("no display") }
        val home = browser.ready("http://127.0.0.1/callback")
        val failure = runCatching { browser.open("https://id.example/authorize?state=mine", home) }.exceptionOrNull()
        assertEquals("no_browser", (failure as AppException).code)
    }
}
