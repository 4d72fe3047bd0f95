package dev.sojourn.app

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.withContext
import okhttp3.Call
import okhttp3.Callback
import okhttp3.Request
import okhttp3.Response
import java.io.IOException
import kotlin.coroutines.resumeWithException

/** How a request is sent: by a client of ours, or on along a chain of the app's. */
internal typealias Way = suspend (Request) -> Response

/** Requests to the app's own servers, with the access token and, where it is bound to a key, a proof (RFC 6750, RFC 9449 §7). */
internal class Calls(private val ctx: Context, private val server: Server, private val refresh: Refresh) {
    /** Sends a request by a client of ours. */
    suspend fun call(request: Request): Response = call(request) { ctx.http.calls.newCall(it).await() }

    /** Sends a request with the access token, for the addresses that the app named. Others get it as it is. */
    suspend fun call(request: Request, way: Way): Response {
        if (!trusted(request.url.toString())) return way(request)
        val session = ctx.run { refresh.usable() }
        val response = shown(session, request, way)
        if (response.code != 401) return response
        val next = try {
            ctx.run { refresh.usable(session.access) }
        } catch (e: Exception) { // the caller may have gone, too
            response.drop()
            throw e
        }
        if (!again(request)) return response
        response.drop()
        return shown(next, request, way)
    }

    /** Sends a request with the token of a session, and remembers a token that was refused. A nonce that is asked for is taken over at once. */
    private suspend fun shown(session: Session, request: Request, way: Way): Response {
        var nonces = 0
        while (true) {
            val response = way(authorized(session, request))
            server.learn(request.url.toString(), response.headers)
            if (response.code != 401) return response
            val wanted = session.jkt != null && "use_dpop_nonce" in response.header("WWW-Authenticate").orEmpty()
            if (!wanted || nonces++ == 3 || !again(request)) return response.also { ctx.start { ctx.refused(session) } }
            response.drop()
        }
    }

    /** A request with the token of a session. */
    suspend fun authorized(session: Session, request: Request): Request {
        val all = request.newBuilder().header("Authorization", "${session.type} ${session.access}")
        if (session.jkt == null) return all.build()
        val key = server.boundKey(session.jkt) ?: throw AppException(Kind.STORE, "The key of this sign-in can’t be had now.")
        return all.tag(Prover::class.java, server.prover(key, session.access)).build()
    }

    /** Whether the body can be sent a second time. */
    private fun again(request: Request): Boolean = request.body?.run { !isOneShot() && !isDuplex() } ?: true

    /** Whether the token may go there: to what the app named, and to the server's own endpoints for apps. */
    private fun trusted(url: String): Boolean {
        val discovery = ctx.record?.discovery
        return (ctx.config.apis + listOfNotNull(discovery?.userInfo, discovery?.me)).any { under(it, url) }
    }
}

/** Whether an address, whose path OkHttp has made straight, lies under another. */
private fun under(base: String, url: String): Boolean {
    val origin = originOf(base)
    if (origin.isEmpty() || origin != originOf(url)) return false
    val path = base.drop(origin.length).trimEnd('/')
    val rest = url.drop(origin.length)
    return rest.startsWith(path) && (rest.length == path.length || rest[path.length] in "/?#")
}

/** Closes a response that nobody will read. That reads on for a moment, which Android forbids on its main thread. */
private suspend fun Response.drop() = withContext(NonCancellable + Dispatchers.IO) { close() }

/** Sends a request, and hands its answer over unread. */
internal suspend fun Call.await(): Response = suspendCancellableCoroutine { waiting ->
    waiting.invokeOnCancellation { cancel() }
    enqueue(object : Callback {
        override fun onFailure(call: Call, e: IOException) = waiting.resumeWithException(e)

        override fun onResponse(call: Call, response: Response) = waiting.resume(response) { _, unread, _ -> unread.close() }
    })
}
