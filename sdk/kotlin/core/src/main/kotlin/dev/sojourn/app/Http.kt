package dev.sojourn.app

import dev.sojourn.jose.jsonObject
import kotlin.coroutines.resumeWithException
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.serialization.json.JsonObject
import okhttp3.Call
import okhttp3.Callback
import okhttp3.Dispatcher
import okhttp3.Headers
import okhttp3.Interceptor
import okhttp3.MediaType
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody
import okhttp3.Response
import okio.BufferedSink
import java.io.IOException
import java.net.URLEncoder
import java.time.Duration
import java.util.concurrent.SynchronousQueue
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit

/** Where a server describes itself (OpenID Connect Discovery 1.0 §4). */
internal const val WELL_KNOWN = "/.well-known/openid-configuration"

/** No answer of the server is larger, decoded. */
internal const val MAX_BODY = 1L shl 20

/** What a request of this package's own brought. */
internal class Answer(val status: Int, val headers: Headers, val body: JsonObject) {
    val good get() = status in 200..299
}

/** Puts a new proof on each try of a request. */
internal fun interface Prover {
    fun header(request: Request): String
}

/** Whether a status says that no endpoint is at that address (any more). */
internal fun notHere(status: Int) = status == 404 || status == 405 || status == 410

/** The app's connections. No redirect is followed. `lost` is told of each request to an endpoint of the server's that found nothing there. */
internal class Http(base: OkHttpClient, private val lost: () -> Unit) {
    /** For requests of the app's developer: with their time limits. */
    val calls: OkHttpClient = base.newBuilder().dispatcher(Dispatcher(threads())).followRedirects(false).followSslRedirects(false)
        .addNetworkInterceptor(::prove).build()

    /** For what the discovery document names: the same, with an eye on whether it is there. */
    val endpoints: OkHttpClient = calls.newBuilder().addInterceptor(::look).build()

    /**
     * For requests of our own: ten seconds to the header, thirty for all, and nothing is sent again behind our back. They have a queue of
     * their own, since OkHttp sends five at once to a host, and calls of the app may take long there.
     */
    private val own = endpoints.newBuilder().dispatcher(Dispatcher(threads())).retryOnConnectionFailure(false).cache(null).addNetworkInterceptor(::once)
        .connectTimeout(Duration.ofSeconds(10)).readTimeout(Duration.ofSeconds(10)).callTimeout(Duration.ofSeconds(30)).build()

    /** For streams: as long as they last. */
    val streams: OkHttpClient = own.newBuilder().readTimeout(Duration.ofSeconds(40)).callTimeout(Duration.ZERO).build()

    private fun look(chain: Interceptor.Chain): Response {
        var found = chain.request().url.encodedPath.endsWith(WELL_KNOWN) // it names the others
        try {
            return chain.proceed(chain.request()).also { found = found || !notHere(it.code) }
        } finally {
            if (!found) lost()
        }
    }

    /** Sends a request and reads its answer. It throws `OFFLINE` for everything that is not the server's own JSON. */
    suspend fun ask(request: Request): Answer = try {
        own.newCall(request).read(::judge)
    } catch (e: AppException) {
        throw e
    } catch (e: IOException) {
        throw offline("The server did not answer.", e)
    }
}

/** Threads of our own, so that calls that wait for a refresh can't keep it from being sent; they don't keep a program from ending. */
private fun threads() = ThreadPoolExecutor(0, Int.MAX_VALUE, 5, TimeUnit.SECONDS, SynchronousQueue()) { task ->
    Thread(task, "sojourn").apply { isDaemon = true }
}

internal fun prove(chain: Interceptor.Chain): Response {
    val request = chain.request()
    val prover = request.tag(Prover::class.java) ?: return chain.proceed(request)
    return chain.proceed(request.newBuilder().header("DPoP", prover.header(request)).build())
}

/** OkHttp repeats what was answered with 503 and `Retry-After: 0`; when to ask again is for [Backoff] to say. */
private fun once(chain: Interceptor.Chain): Response {
    val response = chain.proceed(chain.request())
    return if (response.code == 503 && response.header("Retry-After") == "0") response.newBuilder().removeHeader("Retry-After").build() else response
}

/** A form (application/x-www-form-urlencoded), that is sent once. */
internal class Form(members: Map<String, String?>) : RequestBody() {
    private val text = encode(members).toByteArray()

    override fun contentType(): MediaType = "application/x-www-form-urlencoded".toMediaType()

    override fun contentLength(): Long = text.size.toLong()

    override fun isOneShot(): Boolean = true

    override fun writeTo(sink: BufferedSink) {
        sink.write(text)
    }
}

/** Writes a form or a query, without what is null. */
internal fun encode(members: Map<String, String?>): String = members.entries.filter { it.value != null }
    .joinToString("&") { (name, value) -> "${URLEncoder.encode(name, "UTF-8")}=${URLEncoder.encode(value, "UTF-8")}" }

/** Sends a request, and takes its answer on the thread that it comes on. */
internal suspend fun <T> Call.read(take: (Response) -> T): T = suspendCancellableCoroutine { waiting ->
    waiting.invokeOnCancellation { cancel() }
    enqueue(object : Callback {
        override fun onFailure(call: Call, e: IOException) = waiting.resumeWithException(e)

        override fun onResponse(call: Call, response: Response) = waiting.resumeWith(runCatching { response.use(take) })
    })
}

private val json = Regex("[/+]json\\s*(;|$)", RegexOption.IGNORE_CASE)

internal fun judge(response: Response): Answer {
    // No endpoint of ours redirects, so someone in between does.
    if (response.code in 300..399) throw offline("The request was led elsewhere; a captive portal does that.")
    val source = response.body.source()
    if (source.request(MAX_BODY + 1)) throw offline("The answer is far too large.")
    val text = source.readUtf8()
    val kind = response.header("Content-Type") ?: ""
    val body = when {
        json.containsMatchIn(kind) || !response.isSuccessful -> jsonObject(text)
        // Where nothing was asked a good answer may hold anything (RFC 7009 §2.2), but not the page of a captive portal.
        response.isSuccessful && "html" !in kind && !text.startsWith("<") -> JsonObject(emptyMap())
        else -> null
    }
    return Answer(response.code, response.headers, body ?: throw noAnswer(response))
}

private fun noAnswer(response: Response) =
    offline("What came back (${response.code}) is not the server's answer.", after = retryAfter(response.headers))

/** The server's time of day, in milliseconds; null where it says none, or a cache answers. */
internal fun dateOf(headers: Headers): Long? = if (headers["Age"] == null) headers.getDate("Date")?.time else null

/** Retry-After (RFC 9110 §10.2.3), a date too; a day at most. */
internal fun retryAfter(headers: Headers): Duration? {
    val text = headers["Retry-After"]?.trim() ?: return null
    val millis = if (text.isNotEmpty() && text.all(Char::isDigit)) (text.toLongOrNull() ?: LONGEST).coerceAtMost(LONGEST) * 1000
    else (headers.getDate("Retry-After")?.time ?: return null) - (headers.getDate("Date")?.time ?: System.currentTimeMillis())
    return Duration.ofMillis(millis.coerceIn(0, LONGEST * 1000))
}

/** The most seconds that a server may ask an app to wait. */
private const val LONGEST = 86_400L

/** Scheme, host and port of an address, as they are written. */
internal fun originOf(url: String): String = Regex("^[a-z][a-z0-9+.-]*://[^/?#]*", RegexOption.IGNORE_CASE).find(url)?.value?.lowercase().orEmpty()
