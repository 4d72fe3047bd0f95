package dev.sojourn.app

import dev.sojourn.jose.digest
import dev.sojourn.jose.random
import dev.sojourn.jose.text
import dev.sojourn.jose.thumbprint
import kotlin.math.abs
import okhttp3.HttpUrl.Companion.toHttpUrlOrNull
import java.util.UUID

/** How a sign-in differs from the usual one. */
class Asked @JvmOverloads constructor(
    /** `login`: the password again; `none`: without a word to the person, which brings an error where that is not possible. */
    val prompt: String? = null,
    val scope: String? = null,
    /** More parameters of the authorization request. */
    val extra: Map<String, String> = emptyMap(),
)

private const val HOUR = 3_600_000L

/** So long the same code may be sent again (docs/mobile.md). */
private const val CODE_LIFE = 20_000L
private const val MOST_PENDING = 4

/**
 * Signing in: what is asked is written down before the browser opens, so that a process that was killed meanwhile finishes with
 * the next one; and a redirect counts only if it answers something that was asked (RFC 6749 §10.12, RFC 9207).
 */
internal class SignIn(private val ctx: Context, private val server: Server, private val tokens: Tokens, private val refresh: Refresh) {
    private val config = ctx.config
    private val clock = ctx.clock

    /** Writes down what is asked, and returns the address that the browser is to open. */
    suspend fun begin(asked: Asked, redirectUri: String): String {
        val discovery = insist(clock) { server.discovery() }
        return ctx.records.hold { held ->
            held.check()
            val key = server.newestKey(discovery)
            val next = Pending(random(), random(), random(), redirectUri, clock.wall(), key?.thumbprint())
            val install = held.record.install ?: UUID.randomUUID().toString()
            held.save(held.record.copy(pending = (waiting(held.record) + next).takeLast(MOST_PENDING), install = install))
            ctx.begun[next.state] = clock.elapsed()
            address(discovery, asked, next, install)
        }
    }

    private fun address(discovery: Discovery, asked: Asked, mine: Pending, install: String): String {
        val scope = asked.scope ?: config.scope
        val query = mapOf(
            "response_type" to "code", "client_id" to config.clientId, "redirect_uri" to mine.redirectUri, "scope" to scope,
            "state" to mine.state, "nonce" to mine.nonce, "code_challenge" to digest(mine.verifier), "code_challenge_method" to "S256",
            "dpop_jkt" to mine.jkt, "prompt" to (asked.prompt ?: promptAt(discovery, scope)), "resource" to config.resource,
        )
        val endpoint = discovery.authorizationEndpoint
        return endpoint + (if ('?' in endpoint) "&" else "?") + encode(query + server.device(discovery, install) + asked.extra)
    }

    /** What the person has to be asked for a server to take note of offline_access (OpenID Connect Core §11). Sojourn takes it without. */
    private fun promptAt(discovery: Discovery, scope: String): String? =
        if (discovery.signOut == null && "offline_access" in scope.split(' ')) "consent" else null

    /**
     * Whether a sign-out goes on waiting now that somebody has signed in: at a server that knows only revocation it may end their new
     * session with the old one (RFC 7009 §2.1).
     */
    private fun Discovery.hears(one: SignOut, who: Identity?): Boolean = signOut != null || (revocation != null && one.subject != who?.subject)

    /** The sign-ins that a redirect may still answer. */
    fun waiting(record: Record): List<Pending> = record.pending.filter { abs(since(it.state, it.began)) < HOUR }

    /** How long ago that was: by the clock that nobody sets, where it was here. */
    private fun since(name: String, wall: Long): Long = ctx.begun[name]?.let { clock.elapsed() - it } ?: (clock.wall() - wall)

    /** Finishes the sign-in that a redirect answers. Delivered again, it is answered again and nothing is sent. */
    suspend fun redirected(url: String): Identity {
        val answer = parametersOf(url)
        val state = answer["state"] ?: throw notMine()
        val record = ctx.records.load()
        if (record.session?.id != state) {
            if (waiting(record).none { it.state == state }) throw notMine()
            checkIssuer(insist(clock) { server.discovery() }, answer["iss"])
            ctx.records.hold { take(it, state, answer) }
        }
        return resume(state)
    }

    private fun notMine() = AppException(Kind.NOT_MINE, "This redirect answers nothing that this app asked.")

    private fun checkIssuer(discovery: Discovery, iss: String?) {
        val right = if (iss == null) !discovery.saysIssuer else iss == config.issuer
        if (!right) throw AppException(Kind.WRONG_ISSUER, "This redirect was not sent by the server that was asked.")
    }

    /** Writes down what the redirect brought, before anything is done with it. */
    private suspend fun take(held: Records.Held, state: String, answer: Map<String, String>) {
        if (held.record.session?.id == state) return
        val pending = waiting(held.record)
        val asked = pending.find { it.state == state } ?: throw notMine()
        answer["error"]?.let { drop(held, state, AppException(Kind.REFUSED, "The sign-in came back with $it.", code = it)) }
        val code = answer["code"] ?: throw notMine()
        if (asked.code != null) return
        held.check()
        held.save(held.record.copy(pending = pending.map { if (it === asked) it.copy(code = code, came = clock.wall()) else it }))
        ctx.begun[code] = clock.elapsed()
    }

    /** Sends the code of a pending sign-in until it was answered, for twenty seconds from when it came. */
    suspend fun resume(state: String): Identity {
        val began = clock.elapsed()
        try {
            insist(clock, CODE_LIFE) {
                val discovery = server.discovery()
                ctx.records.hold { exchange(it, state, discovery, clock.elapsed() - began) }
            }
        } catch (e: AppException) {
            if (!e.isKind(Kind.OFFLINE)) throw e
            ctx.records.hold { drop(it, state, startAgain(e)) }
        }
        if (ctx.record?.session?.unverified != null) refresh.usable()
        return ctx.records.load().identity ?: throw notMine()
    }

    private fun startAgain(cause: Throwable?) = AppException(Kind.START_AGAIN, "This sign-in took too long. Begin another.", cause)

    private suspend fun drop(held: Records.Held, state: String, error: AppException): Nothing {
        held.save(held.record.copy(pending = held.record.pending.filter { it.state != state }))
        throw error
    }

    /** Sends the code once. `spent`: the milliseconds that this process has tried for. */
    private suspend fun exchange(held: Records.Held, state: String, discovery: Discovery, spent: Long) {
        if (held.record.session?.id == state) return
        val asked = held.record.pending.find { it.state == state }
        val code = asked?.code ?: throw notMine()
        if (maxOf(spent, since(code, asked.came)) > CODE_LIFE) drop(held, state, startAgain(null))
        held.check()
        val key = asked.jkt?.let { server.boundKey(it) ?: drop(held, state, startAgain(null)) }
        val form = mapOf(
            "grant_type" to "authorization_code", "code" to code, "redirect_uri" to asked.redirectUri, "code_verifier" to asked.verifier,
            "resource" to config.resource,
        )
        val answer = server.post(discovery.tokenEndpoint, form + server.device(discovery, held.record.install), key)
        when (answer.verdict) {
            Verdict.TOKENS -> keep(held, asked, answer, discovery)
            Verdict.LOGIN -> drop(held, state, startAgain(answer.refusal()))
            Verdict.STOP -> drop(held, state, answer.refusal())
            else -> throw answer.refusal()
        }
    }

    /** Writes the new session down. What was signed in before stays until then, and is signed out after. */
    private suspend fun keep(held: Records.Held, asked: Pending, answer: Answer, discovery: Discovery) {
        val blank = Session(asked.state, null, "", "", null, null, asked.jkt, 0, 0)
        var session = tokens.renewed(blank, answer).let { if (it.type == "DPoP") it else it.copy(jkt = null) }
        val idToken = session.idToken
        val checked = try {
            idToken?.let { tokens.check(discovery, it, asked.nonce) } ?: throw AppException(Kind.INVALID, "There is no ID token: ask for the scope openid.")
        } catch (e: AppException) {
            drop(held, asked.state, e)
        }
        session = session.copy(sid = checked.claims["sid"].text, unverified = asked.nonce.takeIf { !checked.verified })
        val before = held.record
        val who = if (checked.verified) tokens.identity(checked.claims, session) else before.identity
        held.save(before.copy(session = session, identity = who, ended = null, pending = emptyList(), signOuts = before.leaving().filter { discovery.hears(it, who) }))
        ctx.backoff.clear()
    }
}

/** The parameters of a redirect, whatever its scheme. */
internal fun parametersOf(url: String): Map<String, String> {
    val query = url.substringBefore('#').substringAfter('?', "")
    val parsed = "https://redirect/?$query".toHttpUrlOrNull() ?: return emptyMap()
    return parsed.queryParameterNames.associateWith { parsed.queryParameter(it).orEmpty() }.filterValues { it.isNotEmpty() }
}
