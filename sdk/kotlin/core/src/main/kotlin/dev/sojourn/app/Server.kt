package dev.sojourn.app

import dev.sojourn.jose.list
import dev.sojourn.jose.text
import dev.sojourn.jose.thumbprint
import kotlinx.serialization.json.JsonObject
import okhttp3.Headers
import okhttp3.Request
import java.security.GeneralSecurityException
import java.security.KeyPair
import java.security.ProviderException
import kotlin.math.abs

private const val DAY = 86_400_000L

/** Between two looks for a key that is unknown. */
private const val KEYS_REST = 60_000L

/** The server as this app knows it: its description, its keys, its clock and its nonces; and requests to it. */
internal class Server(private val ctx: Context) {
    private class KeySet(val at: Long, val keys: List<JsonObject>)

    private val config = ctx.config
    private var keySet: KeySet? = null

    /** The server's description of itself: the one in the record, read again after a day, or where an endpoint has moved. */
    suspend fun discovery(): Discovery {
        val kept = (ctx.record ?: ctx.records.load()).discovery
        if (kept != null && !ctx.moved && abs(ctx.clock.wall() - kept.at) < DAY) return kept
        ctx.moved = false // once for each failure, whatever it brings
        val fresh = try {
            describe()
        } catch (e: AppException) {
            return kept ?: throw e // whoever answers there now
        }
        try {
            ctx.records.hold { it.save(it.record.copy(discovery = fresh)) }
        } catch (e: AppException) {
            if (!e.isKind(Kind.STORE)) throw e // it serves unwritten
        }
        return fresh
    }

    private suspend fun describe(): Discovery {
        Discovery.requireSecure(config.issuer)
        val answer = get("${config.issuer.removeSuffix("/")}$WELL_KNOWN")
        if (answer.status != 200 || "issuer" !in answer.body) throw offline("The server does not describe itself (${answer.status}).", after = retryAfter(answer.headers))
        return Discovery.of(answer.body, config.issuer, ctx.clock.wall())
    }

    /** The keys of jwks_uri, or null while they can't be had. They are read once a minute at most. */
    suspend fun keys(discovery: Discovery, fresh: Boolean): List<JsonObject>? {
        val kept = keySet
        if (kept != null && (!fresh || ctx.clock.elapsed() - kept.at < KEYS_REST)) return kept.keys
        val url = discovery.keys ?: return null
        val answer = try {
            get(url)
        } catch (e: AppException) {
            return kept?.keys ?: if (e.isKind(Kind.OFFLINE)) null else throw e
        }
        if ("keys" !in answer.body) return kept?.keys
        return answer.body["keys"].list.filterIsInstance<JsonObject>().also { keySet = KeySet(ctx.clock.elapsed(), it) }
    }

    private suspend fun get(url: String): Answer = send(request(url).build())

    private fun request(url: String): Request.Builder = try {
        Request.Builder().url(url).header("Accept", "application/json")
    } catch (e: IllegalArgumentException) {
        throw AppException(Kind.STOP, "$url is no address.", e, code = "invalid_issuer")
    }

    /** Asks the server, and takes over its time and its nonce. */
    private suspend fun send(request: Request): Answer = ctx.http.ask(request).also { learn(request.url.toString(), it.headers) }

    /** Takes over what every answer teaches: the newest nonce, and the time of day if it is the server's own. */
    fun learn(url: String, headers: Headers) {
        headers["DPoP-Nonce"]?.let { ctx.nonces[originOf(url)] = it }
        val date = dateOf(headers)?.takeIf { originOf(url) == originOf(config.issuer) } ?: return
        // A Date of whole seconds: nothing is learnt from less than two.
        if (abs(date - ctx.serverTime) > 2000) ctx.skew = date - ctx.clock.wall()
    }

    /** Makes proofs of a key for requests: with the access token, if they carry one. */
    fun prover(key: KeyPair, token: String? = null) = Prover { request ->
        val url = request.url.toString()
        try {
            key.proof(ProofOf(request.method, url, ctx.serverTime / 1000, ctx.nonces[originOf(url)], token))
        } catch (e: GeneralSecurityException) {
            throw storeTrouble("used", e)
        } catch (e: ProviderException) {
            throw storeTrouble("used", e)
        }
    }

    /**
     * Sends a form to an endpoint, with a proof of the key if there is one. A new nonce is taken over at once, three times; where the server
     * does not like the proof it is sent once more, by the server's time and without a nonce.
     */
    suspend fun post(url: String, form: Map<String, String?>, key: KeyPair?): Answer {
        val body = mapOf<String, String?>("client_id" to config.clientId) + form
        var nonces = 0
        var disliked = false
        while (true) {
            val request = request(url).post(Form(body))
            if (key != null) request.tag(Prover::class.java, prover(key))
            val answer = send(request.build())
            if (key == null) return answer
            val dislikes = answer.verdict == Verdict.RETRY && answer.body["error"].text == "invalid_dpop_proof"
            when {
                answer.verdict == Verdict.NONCE && nonces < 3 -> nonces++
                dislikes && !disliked -> {
                    disliked = true
                    ctx.nonces.remove(originOf(url))
                }
                else -> return answer
            }
        }
    }

    /** The key that tokens are bound to: null where it is gone, or is another one. */
    suspend fun boundKey(jkt: String): KeyPair? = ctx.records.key()?.takeIf { it.thumbprint() == jkt }

    /** The key that a new session is bound to, made if there is none; null where tokens are bound to none. */
    suspend fun newestKey(discovery: Discovery): KeyPair? =
        if (config.bound && discovery.takesProofs) ctx.records.key() ?: ctx.records.makeKey() else null

    /** The device as people find it in their list (docs/mobile.md). Only Sojourn is told. */
    fun device(discovery: Discovery, install: String?): Map<String, String?> = config.device.run {
        if (discovery.signOut == null) emptyMap() else mapOf("device_name" to name, "device_model" to model, "app_version" to appVersion, "install_id" to install)
    }
}
