package dev.sojourn.resource

import dev.sojourn.jose.Algorithm
import dev.sojourn.jose.algorithms
import dev.sojourn.jose.fromBase64url
import dev.sojourn.jose.jsonObject
import dev.sojourn.jose.list
import dev.sojourn.jose.text
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.net.URI
import java.net.URLEncoder
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.nio.ByteBuffer
import java.security.GeneralSecurityException
import java.security.PublicKey
import java.time.Duration
import java.util.Base64
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionStage
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ExecutionException
import java.util.concurrent.Flow
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicLong

/** No document of the server is larger. */
internal const val MAX_BODY = 1 shl 20

/** Between two looks for a key that is unknown, or a description that is old; and while there is none at all. */
private const val REST = 10_000L
private const val FIRST_REST = 1_000L
private const val DAY = 86_400_000L

/** Then keys are fetched again: one that leaked is published no more. */
private const val KEYS_LIFE = 300_000L

/** For a request and its whole answer. */
internal const val PATIENCE = 10_000L

private val secure = Regex("^(https://|http://(localhost|127\\.0\\.0\\.1|\\[::1])([:/]|$)).*")

/** Secrets and tokens go over TLS alone, and in clear to this very machine, for developers. */
internal fun requireSecure(url: String) = require(secure.matches(url)) { "$url is no address of https" }

/** A JWS in its compact form (RFC 7515 §7.1), not verified yet. */
internal class Jws private constructor(val head: JsonObject, val claims: JsonObject, val data: ByteArray, val signature: ByteArray) {
    val type get() = head["typ"].text.orEmpty().lowercase().removePrefix("application/")

    companion object {
        /** Null for what is none, or asks for extensions (§4.1.11): we know of none. */
        fun of(text: String): Jws? {
            val end = text.lastIndexOf('.')
            val middle = text.indexOf('.')
            if (middle < 1 || middle == end || text.indexOf('.', middle + 1) != end) return null
            val (head, claims) = listOf(text.substring(0, middle), text.substring(middle + 1, end))
                .map { part -> part.fromBase64url()?.decodeToString()?.let(::jsonObject) ?: return null }
            if ("crit" in head || listOf("alg", "typ", "kid").any { it in head && (head[it] as? JsonPrimitive)?.isString != true }) return null
            return Jws(head, claims, text.substring(0, end).toByteArray(), text.substring(end + 1).fromBase64url() ?: return null)
        }
    }
}

/** The server as this API knows it: its description, its keys, and requests to it. */
internal class Server(private val config: Config) {
    private class Key(val kid: String?, val jwk: JsonObject) {
        private val opened = ConcurrentHashMap<Algorithm, PublicKey>()

        fun verifies(algorithm: Algorithm, jws: Jws): Boolean = try {
            algorithm.fits(jwk) && algorithm.verifies(opened.getOrPut(algorithm) { algorithm.key(jwk) }, jws.data, jws.signature)
        } catch (_: GeneralSecurityException) {
            false // a broken key verifies nothing
        }
    }

    private val clock = config.clock
    private val calls = listOf("discovery", "jwks", "introspection", "feed").associateWith { AtomicLong() }
    private val basic = "Basic " + Base64.getEncoder().encodeToString("${encode(config.clientId)}:${encode(config.clientSecret)}".toByteArray())

    private val discovery = Document(clock) {
        val found = get("discovery", "${config.issuer.removeSuffix("/")}/.well-known/openid-configuration")
        if (found["issuer"].text != config.issuer) throw UnavailableException("${config.issuer} is described as ${found["issuer"]}: the setting issuer is wrong, or somebody else answers there")
        found
    }
    private val keySet = Document(clock) {
        get("jwks", endpoint("jwks_uri")).also { if ("keys" !in it) throw UnavailableException("what came from jwks_uri holds no keys") }
    }

    @Volatile
    private var opened: Pair<JsonObject, List<Key>>? = null

    private val renewing = AtomicBoolean()

    /** Which keys are known, the same as long as they are the same: what others verified is verified anew. */
    val keysHeld: Any? get() = keySet.held

    fun counts(): Map<String, Long> = calls.mapValues { it.value.get() }

    /** An address of the server's description; the description is read again after a day, or where the address is missing. */
    fun endpoint(name: String): String {
        val known = discovery.get { age, document -> age > DAY || (document[name].text == null && age > 3 * REST) }
        val url = known[name].text ?: throw UnavailableException("the server has no $name")
        if (!secure.matches(url)) throw UnavailableException("the server's $name, $url, is no address of https")
        return url
    }

    /** Whether one of the server's keys made a signature, by one of the algorithms. Unknown keys are looked for, seldom. */
    fun signed(jws: Jws, allowed: Collection<String>): Boolean {
        val name = jws.head["alg"].text
        val algorithm = algorithms[name]?.takeIf { name in allowed } ?: return false
        val kid = jws.head["kid"].text
        for (fresh in listOf(false, true)) {
            val mine = keys(fresh).filter { kid == null || it.kid == kid }
            if (mine.any { it.verifies(algorithm, jws) }) return true
            if (mine.isNotEmpty() && kid != null) return false // forged, and no reason to ask
        }
        return false
    }

    private fun keys(fresh: Boolean): List<Key> {
        val document = keySet.get { _, _ -> fresh }
        renew()
        opened?.takeIf { it.first === document }?.let { return it.second }
        return document["keys"].list.filterIsInstance<JsonObject>().filter(::isPublic).map { Key(it["kid"].text, it) }.also { opened = document to it }
    }

    /** Has keys fetched that were read a while ago. Nobody waits for it, and they serve on while the server is away. */
    private fun renew() {
        if (!keySet.isOld(KEYS_LIFE) || !renewing.compareAndSet(false, true)) return
        CompletableFuture.runAsync { keySet.get { age, _ -> age > KEYS_LIFE } }.whenComplete { _, _ -> renewing.set(false) }
    }

    /** What the server says of a token (RFC 7662 §2.2). */
    fun introspect(token: String): JsonObject =
        json("introspection", post(endpoint("introspection_endpoint"), mapOf("token" to token, "token_type_hint" to "access_token")).header("Accept", "application/json").build())

    /** A form that this client sends, authenticated (RFC 6749 §2.3.1). */
    fun post(url: String, form: Map<String, String>): HttpRequest.Builder = request(url).header("Authorization", basic)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .POST(HttpRequest.BodyPublishers.ofString(form.entries.joinToString("&") { "${it.key}=${encode(it.value)}" }))

    fun <T> send(counted: String, request: HttpRequest, patience: Long, taker: HttpResponse.BodyHandler<T>): HttpResponse<T> {
        calls.getValue(counted).incrementAndGet()
        val sent = config.http.sendAsync(request, taker)
        try {
            return sent.get(patience, TimeUnit.MILLISECONDS)
        } catch (e: ExecutionException) {
            throw UnavailableException("the server did not answer: ${e.cause?.message ?: e.cause}", cause = e.cause)
        } catch (e: TimeoutException) {
            throw UnavailableException("the server took too long", cause = e)
        } finally {
            sent.cancel(true)
        }
    }

    private fun get(counted: String, url: String): JsonObject = json(counted, request(url).header("Accept", "application/json").build())

    private fun json(counted: String, request: HttpRequest): JsonObject {
        val answer = send(counted, request, PATIENCE) { Limited(MAX_BODY) }
        if (answer.statusCode() != 200) throw UnavailableException("${request.uri()} answers ${answer.statusCode()}", retryAfter(answer))
        return jsonObject(answer.body()) ?: throw UnavailableException("${request.uri()} answers no JSON object")
    }

    private fun request(url: String): HttpRequest.Builder = HttpRequest.newBuilder(URI(url)).version(HttpClient.Version.HTTP_1_1).timeout(Duration.ofMillis(PATIENCE))
}

internal fun encode(text: String): String = URLEncoder.encode(text, "UTF-8")

/** Retry-After in seconds (RFC 9110 §10.2.3); an hour at most, and nothing for a date. */
internal fun retryAfter(answer: HttpResponse<*>): Long? = answer.headers().firstValue("Retry-After").orElse(null)?.trim()?.toLongOrNull()?.coerceIn(0, 3600)

/** A document of the server: one look at a time, and the last good one serves while none better is to be had. */
private class Document(private val clock: Clock, private val read: () -> JsonObject) {
    private class Good(val at: Moment, val document: JsonObject)

    /** The last look: when the next one may be, what is good, and why this one was not. */
    private class Look(val next: Long, val good: Good?, val failure: UnavailableException?)

    @Volatile
    private var last: Look? = null

    /** What is good; the same object as long as it says the same. */
    val held: JsonObject? get() = last?.good?.document

    fun isOld(life: Long): Boolean = last?.good?.let { it.at.age > life } ?: false

    /** `old` says of a document and its age whether a newer one is wanted. It is looked for once per [REST], whoever asks. */
    fun get(old: (Long, JsonObject) -> Boolean): JsonObject = serving(old) ?: synchronized(this) {
        serving(old) ?: run {
            last = look()
            serving(old)!!
        }
    }

    private fun look(): Look {
        val before = last?.good
        return try {
            val at = Moment(clock)
            val document = read()
            val good = Good(at, before?.document?.takeIf { it == document } ?: document)
            Look(if (before == null) at.elapsed else at.elapsed + REST, good, null) // who asks for a newer one than the very first gets it at once
        } catch (e: UnavailableException) {
            Look(clock.elapsed() + if (before == null) FIRST_REST else REST, before, e)
        }
    }

    /** What serves without a look; null where one is due. It throws why there is none at all. */
    private fun serving(old: (Long, JsonObject) -> Boolean): JsonObject? {
        val look = last ?: return null
        val now = clock.elapsed()
        val good = look.good
        if (good != null && !old(good.at.age, good.document)) return good.document
        if (now > look.next) return null
        return good?.document ?: throw look.failure!!
    }
}

/** Takes a body of so many bytes at most. */
internal class Limited(private val most: Int) : HttpResponse.BodySubscriber<String> {
    private val whole = CompletableFuture<String>()
    private val bytes = ByteArrayOutputStream()
    private lateinit var source: Flow.Subscription

    override fun getBody(): CompletionStage<String> = whole

    override fun onSubscribe(subscription: Flow.Subscription) {
        source = subscription
        subscription.request(Long.MAX_VALUE)
    }

    override fun onNext(item: List<ByteBuffer>) {
        item.forEach { buffer ->
            if (bytes.size() + buffer.remaining() > most) {
                source.cancel()
                whole.completeExceptionally(IOException("the answer is far too large"))
                return
            }
            ByteArray(buffer.remaining()).also(buffer::get).let(bytes::writeBytes)
        }
    }

    override fun onError(throwable: Throwable) {
        whole.completeExceptionally(throwable)
    }

    override fun onComplete() {
        whole.complete(bytes.toString(Charsets.UTF_8))
    }
}
