package dev.sojourn.resource

import dev.sojourn.jose.flag
import dev.sojourn.jose.jsonObject
import dev.sojourn.jose.list
import dev.sojourn.jose.random
import dev.sojourn.jose.text
import java.io.BufferedInputStream
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.io.InputStream
import java.net.http.HttpResponse
import kotlin.concurrent.thread
import kotlin.random.Random

/** Without a byte for so long a stream is dead; and it is none that can be used if the first one takes longer. */
private const val SILENCE = 6_000L
private const val FIRST_BYTE = 3_000L

/** Of one message: 500 people who keep 100 sessions each are nearly 3 MB. */
private const val MAX_EVENT = 4 shl 20

/** Of what one poll brings. */
private const val MAX_POLLED = 16 shl 20

/** How long is polled where streams don't come through. */
private const val POLLING = 600_000L

/** Between two tries where the server refuses this client. */
private const val REFUSED_REST = 30_000L
private val log = System.getLogger("dev.sojourn.resource")

/** The endpoint answered, and not with the feed. */
private class NoFeedException(val status: Int, val retryAfter: Long?) : Exception(
    if (status == 401 || status == 403) "the server refuses this client the feed ($status): it must be confidential, and added by the operator" else "the feed answers $status",
    null, false, false,
)

/** Follows the feed for as long as the API lives, on a thread of its own: by server-sent events, or by long polls where those don't come through. */
internal class Follower(private val config: Config, private val server: Server, private val feed: Feed) : AutoCloseable {
    private val clock = config.clock
    private var misses = 0
    private var pollUntil = Long.MIN_VALUE

    @Volatile
    private var closed = false

    /** The stream that is read, when a byte of it came last, and whether any did; false where there can be none. */
    @Volatile
    private var open: InputStream? = null

    @Volatile
    private var streams: Boolean? = null

    @Volatile
    private var heard = 0L

    /** Why the feed is not followed, if it isn't. */
    @Volatile
    var problem: String? = "the feed was not reached yet"
        private set

    private val reader = thread(isDaemon = true, name = "sojourn-endings") { follow() }
    private val watch = thread(isDaemon = true, name = "sojourn-endings-watch") { watch() }

    private fun follow() {
        while (!closed) {
            val wait = try {
                connect()
                pause()
            } catch (e: InterruptedException) {
                return
            } catch (e: Exception) {
                if (closed) return
                missed(e)
            }
            try {
                clock.sleep(wait)
            } catch (_: InterruptedException) {
                return
            }
        }
    }

    /** Says once what is wrong, and how long to wait. */
    private fun missed(e: Exception): Long {
        val why = e.message ?: e.toString()
        if (why != problem) log.log(System.Logger.Level.WARNING, "endings are not followed: $why")
        problem = why
        if (e is NoFeedException && e.status == 400) feed.forget() // whose cursor that was
        return when {
            e is NoFeedException && e.status in listOf(401, 403, 404) -> REFUSED_REST
            e is NoFeedException -> maxOf(pause(), (e.retryAfter ?: 0) * 1000)
            e is UnavailableException -> maxOf(pause(), (e.retryAfter ?: 0) * 1000)
            else -> pause()
        }
    }

    /** 0.1, 0.2 … 5 seconds, each between half and the whole of that. */
    private fun pause(): Long {
        val most = 100L shl minOf(misses++, 6)
        return Random.nextLong(minOf(most, 5000) / 2, minOf(most, 5000) + 1)
    }

    private fun connect() {
        val url = server.endpoint("endings_endpoint")
        if (clock.elapsed() < pollUntil) return poll(url)
        val connection = Connection(random(), Moment(clock))
        streams = null
        heard = connection.sent.elapsed
        try {
            stream(url, connection)
        } finally {
            if (streams == false || (streams == null && clock.elapsed() - connection.sent.elapsed >= FIRST_BYTE)) pollUntil = clock.elapsed() + POLLING
        }
    }

    private fun stream(url: String, on: Connection) {
        val answer = server.send("feed", request(url, on, "text/event-stream", null), FIRST_BYTE) { HttpResponse.BodySubscribers.ofInputStream() }
        answer.body().use { body ->
            if (answer.statusCode() != 200) throw refused(answer)
            if (!answer.headers().firstValue("Content-Type").orElse("").startsWith("text/event-stream", ignoreCase = true)) {
                streams = false
                throw IOException("the feed is no stream")
            }
            open = body
            try {
                read(BufferedInputStream(body), on)
            } finally {
                open = null
            }
        }
    }

    private fun request(url: String, on: Connection, accept: String, wait: Int?) = server.post(
        url, listOfNotNull("nonce" to on.nonce, feed.cursor()?.let { "after" to it }, wait?.let { "wait" to "$it" }).toMap(),
    ).header("Accept", accept).header("Cache-Control", "no-store").build()

    private fun refused(answer: HttpResponse<*>) = NoFeedException(answer.statusCode(), retryAfter(answer))

    /** Reads server-sent events (HTML standard §9.2.6) until the stream ends. */
    private fun read(source: InputStream, on: Connection) {
        var data = ""
        var name = ""
        while (true) {
            val line = line(source) ?: return
            when {
                line.startsWith("data:") -> data += line.substring(5).trim()
                line.startsWith("event:") -> name = line.substring(6).trim()
                line.isEmpty() -> {
                    if (data.isNotEmpty()) take(name, data, on)
                    data = ""
                    name = ""
                }
            }
        }
    }

    private fun take(name: String, text: String, on: Connection, more: Boolean = false) {
        when (name) {
            "endings" -> feed.endings(text)
            "beat" -> feed.beat(text, on, more)
        }
        if (!feed.current) return
        misses = 0
        if (problem != null) log.log(System.Logger.Level.INFO, "endings are followed")
        problem = null
    }

    private fun line(source: InputStream): String? {
        val line = ByteArrayOutputStream(128)
        while (true) {
            val byte = source.read()
            if (byte < 0) return null
            streams = true
            heard = clock.elapsed()
            if (byte == '\n'.code) return line.toString(Charsets.UTF_8).removeSuffix("\r")
            if (line.size() >= MAX_EVENT) throw IOException("a line of the feed is far too long")
            line.write(byte)
        }
    }

    /** Ends a stream that nothing comes of: a read waits for ever. */
    private fun watch() {
        while (!closed) {
            Thread.sleep(200)
            val most = if (streams == true) SILENCE else FIRST_BYTE
            if (clock.elapsed() - heard > most) open?.close()
        }
    }

    private fun poll(url: String) {
        val connection = Connection(random(), Moment(clock))
        val answer = server.send("feed", request(url, connection, "application/json", 2), PATIENCE) { Limited(MAX_POLLED) }
        if (answer.statusCode() != 200) throw refused(answer)
        val body = jsonObject(answer.body()) ?: throw IOException("the feed is no JSON")
        body["endings"].list.forEach { take("endings", it.text.orEmpty(), connection) }
        body["beat"].text?.let { take("beat", it, connection, body["more"].flag) }
    }

    override fun close() {
        closed = true
        reader.interrupt()
        open?.close()
    }
}
