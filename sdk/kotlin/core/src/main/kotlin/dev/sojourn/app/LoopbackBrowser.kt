package dev.sojourn.app

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.io.IOException
import java.io.InputStream
import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket
import java.net.URI
import java.util.concurrent.Semaphore
import kotlin.concurrent.thread

/** As many callers are listened to at once, so long, and so many bytes each. Browsers open connections that they don't use. */
private const val CALLERS = 16
private const val PATIENCE_MILLIS = 5_000
private const val MAX_HEAD = 16 shl 10

/** As many sign-ins of one port may still come back. */
private const val MOST_STATES = 4

/**
 * Signs in by the system's browser, on desktops (RFC 8252 §7.3): it comes back to this process, on a port of 127.0.0.1 that is free. Register
 * the redirect URI `http://127.0.0.1/callback`, without a port, and give it to [Config]; one with a port is listened to on that port.
 */
class LoopbackBrowser @JvmOverloads constructor(
    /** Opens an address in a browser. */
    private val launch: (String) -> Unit = ::openSystemBrowser,
) : Browser {
    /** Where the browser comes back to. */
    private class Home(val socket: ServerSocket, val uri: String, val path: String) {
        val came = CompletableDeferred<String>()
        val states = ArrayDeque<String>()
        val callers = Semaphore(CALLERS)
    }

    private var home: Home? = null
    private var asked = 0

    /** Listens, and returns the redirect URI with the port. A sign-in that is open goes on at the same port. */
    override suspend fun ready(redirectUri: String): String = withContext(Dispatchers.IO) {
        synchronized(this@LoopbackBrowser) {
            asked++
            val open = home?.takeIf { !it.came.isCompleted && !it.socket.isClosed }
            (open ?: listen(URI(redirectUri)).also { home = it }).uri
        }
    }

    private fun listen(uri: URI): Home {
        val host = uri.host?.takeIf { uri.scheme == "http" && it in setOf("127.0.0.1", "[::1]", "localhost") }
            ?: throw AppException(Kind.STOP, "$uri is not on loopback: take http://127.0.0.1/callback.", code = "invalid_request")
        home?.socket?.close()
        val socket = try {
            ServerSocket(maxOf(uri.port, 0), CALLERS, InetAddress.getByName(if (host == "localhost") "127.0.0.1" else host))
        } catch (e: IOException) {
            throw AppException(Kind.STOP, "Nothing can listen at $uri: ${e.message}", e, code = "no_port")
        }
        val path = uri.rawPath.ifEmpty { "/" }
        return Home(socket, "http://$host:${socket.localPort}$path", path).also { at -> thread(isDaemon = true, name = "sojourn-loopback") { accept(at) } }
    }

    override suspend fun open(url: String, redirectUri: String): String {
        val (at, mine) = synchronized(this) {
            val at = home?.takeIf { it.uri == redirectUri } ?: error("open comes after ready")
            at.states.addLast(parametersOf(url)["state"].orEmpty())
            if (at.states.size > MOST_STATES) at.states.removeFirst()
            at to asked
        }
        try {
            withContext(Dispatchers.IO) { start(url) }
            return at.came.await()
        } finally {
            synchronized(this) { if (mine == asked) at.socket.close() } // nobody else waits at this port
        }
    }

    private fun start(url: String) = try {
        launch(url)
    } catch (e: IOException) {
        throw AppException(Kind.STOP, "No browser could be opened: ${e.message}", e, code = "no_browser")
    }

    private fun accept(at: Home) {
        while (true) {
            val caller = try {
                at.socket.accept()
            } catch (_: IOException) {
                return // it was closed
            }
            if (!at.callers.tryAcquire()) {
                caller.close()
                continue
            }
            thread(isDaemon = true, name = "sojourn-loopback-caller") {
                try {
                    caller.use { serve(it, at) }
                } catch (_: IOException) {
                    // it hung up, or said nothing
                } finally {
                    at.callers.release()
                }
            }
        }
    }

    /** Takes the answer to a sign-in of ours. Whatever else calls is turned away and changes nothing: any program and any page on this machine can. */
    private fun serve(caller: Socket, at: Home) {
        caller.soTimeout = PATIENCE_MILLIS
        val line = head(caller.getInputStream())?.substringBefore("\r\n")?.split(' ') ?: return
        val target = line.getOrNull(1).orEmpty()
        val query = target.substringAfter('?', "")
        val answer = parametersOf("${at.uri}?$query")
        val status = when {
            line.size != 3 || line[0] != "GET" || target.substringBefore('?') != at.path -> "404 Not Found"
            synchronized(this) { answer["state"] !in at.states } -> "400 Bad Request"
            else -> "200 OK"
        }
        caller.getOutputStream().run {
            write(page(status, "error" !in answer).toByteArray())
            flush()
        }
        if (status == "200 OK") at.came.complete("${at.uri}?$query")
    }

    /** A request as far as its empty line, read to the end: who is cut off while it sends shows an error instead of the page. */
    private fun head(source: InputStream): String? {
        val text = StringBuilder()
        while (!text.endsWith("\r\n\r\n")) {
            val byte = source.read()
            if (byte < 0 || text.length >= MAX_HEAD) return null
            text.append(byte.toChar())
        }
        return text.toString()
    }
}

/** The last page of a sign-in. Its icon is none, or browsers would ask for one. */
private fun page(status: String, good: Boolean): String {
    val (title, text) = when {
        status != "200 OK" -> "Nothing here" to "That answers no sign-in that is open."
        good -> "Almost done" to "Go back to the app."
        else -> "Not signed in" to "That did not work. Go back to the app."
    }
    val html = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <link rel="icon" href="data:,">
        <title>$title</title>
        <style>body { font: 1.125rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 30rem; padding: 0 1rem }</style>
        <main><h1>$title</h1><p>$text</p></main>
    """.trimIndent()
    val headers = listOf(
        "HTTP/1.1 $status", "Content-Type: text/html; charset=utf-8", "Content-Length: ${html.toByteArray().size}", "Connection: close",
        "Cache-Control: no-store", "Referrer-Policy: no-referrer",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    )
    return headers.joinToString("\r\n", postfix = "\r\n\r\n") + html
}

/** Opens the system's browser. No shell sees the address. */
fun openSystemBrowser(url: String) {
    val system = System.getProperty("os.name").lowercase()
    val command = when {
        "mac" in system -> listOf("open", url)
        "windows" in system -> listOf("rundll32", "url.dll,FileProtocolHandler", url)
        else -> listOf("xdg-open", url)
    }
    ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD).redirectError(ProcessBuilder.Redirect.DISCARD).start()
}
