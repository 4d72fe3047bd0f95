package dev.sojourn.app

import dev.sojourn.jose.jsonObject
import dev.sojourn.jose.long
import dev.sojourn.jose.text
import kotlinx.coroutines.channels.awaitClose
import kotlinx.coroutines.channels.trySendBlocking
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.callbackFlow
import kotlinx.coroutines.flow.firstOrNull
import kotlinx.coroutines.launch
import kotlinx.serialization.json.JsonObject
import okhttp3.Request
import okhttp3.Response
import okio.BufferedSource
import java.io.IOException
import java.util.concurrent.atomic.AtomicLong

/** A line comes every 15 seconds; without one for so long the connection is dead. */
private const val SILENCE = 40_000L

/**
 * What the server tells while the app is in front (docs/mobile.md, “Hear of it at once”): a stream that is opened again and again,
 * for a closed one is no verdict.
 */
internal class Events(private val ctx: Context, private val server: Server, private val refresh: Refresh, private val calls: Calls) {
    private class Told(val name: String, val data: JsonObject, val id: String?)

    /** The id of the last event of a session, with which the stream is opened again. */
    private var last: String? = null
    private var lastOf: String? = null
    private var misses = 0

    /** Asks for what the server knows of the person, when that changed. */
    var profile: suspend () -> Unit = {}

    /** Listens until nobody is signed in any more, the server has no events, or another stream has replaced this one. */
    suspend fun hear() {
        misses = 0
        while (true) {
            var wait = 0L
            try {
                val me = server.discovery().me ?: return
                if (!hearOnce("$me/events")) return
            } catch (e: AppException) {
                if (e.isKind(Kind.ENDED, Kind.SIGNED_OUT)) return
                wait = e.least
            } catch (_: IOException) {
                // opened again
            }
            ctx.clock.wait(maxOf(wait, pause(misses++)))
        }
    }

    /** Opens the stream and reads it to its end. False: it must not be opened again. */
    private suspend fun hearOnce(url: String): Boolean {
        val session = refresh.usable()
        if (lastOf != session.id) last = null
        lastOf = session.id
        val request = Request.Builder().url(url).header("Accept", "text/event-stream").header("Cache-Control", "no-store")
        last?.let { request.header("Last-Event-ID", it) }
        return stream(calls.authorized(session, request.build()), session).firstOrNull { !take(session, it) } == null
    }

    /** The events of one stream, until it ends or nothing has come for too long. */
    private fun stream(request: Request, session: Session): Flow<Told> = callbackFlow {
        val heard = AtomicLong(ctx.clock.elapsed())
        val alive = { heard.set(ctx.clock.elapsed()) }
        val call = ctx.http.streams.newCall(request)
        val watch = launch {
            while (ctx.clock.elapsed() - heard.get() <= SILENCE) delay(1000)
            call.cancel()
        }
        launch {
            val refused = call.read { response ->
                server.learn(request.url.toString(), response.headers)
                (response.code == 401).also { if (!it) lines(response, alive) { told -> trySendBlocking(told) } }
            }
            if (refused) ctx.refused(session)
            close(if (refused) offline("The access token is over.") else null)
        }
        awaitClose {
            call.cancel()
            watch.cancel()
        }
    }.buffer(16)

    /** Does what an event says, and passes it on. False: the stream must not be opened again. */
    private suspend fun take(session: Session, told: Told): Boolean {
        misses = 0
        last = told.id ?: last
        when (told.name) {
            "session.ended" -> if (told.data["sid"].text == session.sid) return ended(session, told.data)
            "token.expired" -> ctx.refused(session)
            "profile.changed" -> profile()
        }
        ctx.tell(Event.Heard(told.name, told.data))
        return told.name != "replaced"
    }

    /** Ends the session that the server told is over, unless it is another one by now. */
    private suspend fun ended(session: Session, data: JsonObject): Boolean {
        ctx.records.hold { held ->
            if (held.record.session?.id == session.id) {
                refresh.end(held, session, data["reason"].text ?: "unknown", data["at"].long?.times(1000) ?: ctx.serverTime)
            }
        }
        return false
    }

    /** Reads server-sent events (HTML standard §9.2.6). `alive` is called for everything that comes. */
    private fun lines(response: Response, alive: () -> Unit, say: (Told) -> Unit) {
        if (response.code != 200 || response.header("Content-Type")?.startsWith("text/event-stream", ignoreCase = true) != true) {
            throw offline("This is no stream.", after = retryAfter(response.headers))
        }
        val source = response.body.source()
        val fields = mutableMapOf<String, StringBuilder>()
        var left = MAX_BODY // of one event
        while (true) {
            val line = source.line(left) ?: return
            alive()
            if (line.isEmpty()) {
                told(fields)?.let(say)
                fields.clear()
                left = MAX_BODY
            }
            val name = line.substringBefore(':')
            if (name.isEmpty()) continue
            left -= line.length + 1
            if (left < 0) throw offline("This event is far too large.")
            val field = fields.getOrPut(name, ::StringBuilder)
            if (name != "data") field.clear() else if (field.isNotEmpty()) field.append('\n')
            field.append(line.substringAfter(':', "").removePrefix(" "))
        }
    }

    /** The next line, or null at the end. A longer one than `most` throws. */
    private fun BufferedSource.line(most: Long): String? = if (exhausted()) null else readUtf8LineStrict(most)

    private fun told(fields: Map<String, CharSequence>): Told? =
        fields["data"]?.toString()?.let(::jsonObject)?.let { Told(fields["event"]?.toString() ?: "message", it, fields["id"]?.toString()) }
}
