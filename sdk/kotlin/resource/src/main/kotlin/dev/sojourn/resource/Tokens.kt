package dev.sojourn.resource

import dev.sojourn.jose.number
import dev.sojourn.jose.text
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import java.security.MessageDigest
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ExecutionException
import java.util.concurrent.Semaphore
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

/** No token is longer. */
private const val MAX_TOKEN = 8 shl 10

/** As many tokens, and as many answers about tokens, are remembered; then any goes. */
private const val MOST = 10_000

/** How far ahead `iat` and `nbf` may be: seconds by which clocks differ. */
private const val AHEAD = 60

/** As many are asked for at once. */
private const val ASKING = 32

/** For how long an answer about a token is kept, in milliseconds: active ones while the feed is current, and all others. */
private const val KEPT = 60_000L
private const val KEPT_BRIEFLY = 10_000L

/** The SHA-256 of a token, as what it is remembered by. */
private class Key(token: String) {
    private val sum = MessageDigest.getInstance("SHA-256").digest(token.toByteArray(Charsets.ISO_8859_1))

    override fun equals(other: Any?) = other is Key && MessageDigest.isEqual(sum, other.sum)

    override fun hashCode() = (sum[0].toInt() shl 24) or (sum[1].toInt() and 255 shl 16) or (sum[2].toInt() and 255 shl 8) or (sum[3].toInt() and 255)
}

/** A token whose word is good, but for its end and for marks. */
internal class Judged(val claims: Claims, val marked: Marked, val keys: Any? = null)

private fun judged(claims: JsonObject, keys: Any? = null): Judged =
    Claims(claims).let { Judged(it, Marked(it, epoch(claims, "sub_epoch"), epoch(claims, "client_epoch")), keys) }

private fun epoch(claims: JsonObject, name: String): Long = claims[name].number?.toLong() ?: 0

/** Beyond it a number may be another one that reads the same (RFC 8259 §6). */
private const val MAX_NUMBER = 9007199254740991.0

/** A number that is none below nothing, and none that is read as another. */
private fun whole(c: JsonObject, name: String): Double? = c[name].number?.takeIf { it in 0.0..MAX_NUMBER }

/** Names the claim that is not of its type, or confirms in a way that is not known here: what can't be read is not nothing. */
private fun unreadable(c: JsonObject): String? = listOf("scope", "sid", "acr").find { it in c && (c[it] as? JsonPrimitive)?.isString != true }
    ?: listOf("exp", "auth_time", "sub_epoch", "client_epoch").find { it in c && whole(c, it) == null }
    ?: "cnf".takeIf { it in c && (c[it] as? JsonObject).let { cnf -> cnf == null || cnf.keys != setOf("jkt") || cnf["jkt"].text == null } }

/** Judges access tokens: RFC 9068's by their signature, all others by asking. Both by the marks that the feed brought, at each use. */
internal class Tokens(private val config: Config, private val server: Server, private val feed: Feed) {
    private val verified = ConcurrentHashMap<Key, Judged>()
    private val answers = Answers(config.clock, server)

    val remembered: Int get() = verified.size

    /** The claims of a token that is good now. It throws [InvalidException] for any other, and [UnavailableException] where that can't be told. */
    fun judge(token: String): Claims {
        if (token.length > MAX_TOKEN) throw InvalidException("The token is too long.")
        val key = Key(token)
        val jwt = token.count { it == '.' } == 2
        val good = if (jwt) signed(key, token) else asked(key, token)
        if (feed.marks.ended(good.marked)) throw InvalidException("The session is over.")
        if (jwt && !feed.current) stale(key, token)
        return good.claims
    }

    private fun signed(key: Key, token: String): Judged {
        val keys = server.keysHeld
        verified[key]?.takeIf { it.keys === keys }?.let { known ->
            if (lives(known.claims)) return known
            verified.remove(key, known)
            throw InvalidException("The token has expired.")
        }
        val jws = Jws.of(token) ?: throw InvalidException("The token is no JWT.")
        check(jws)
        if (!server.signed(jws, config.algorithms)) throw InvalidException("The token is not signed by ${config.issuer}.")
        return judged(jws.claims, keys).also {
            makeRoom(verified)
            verified[key] = it
        }
    }

    private fun lives(claims: Claims) = claims.expires * 1000 > config.clock.wall()

    /** RFC 9068 §4. */
    private fun check(jws: Jws) {
        val c = jws.claims
        val now = config.clock.wall() / 1000.0
        val typed = jws.type == "at+jwt" || (config.typJwt && jws.type in listOf("", "jwt"))
        val expires = whole(c, "exp") ?: throw InvalidException("The token never ends.")
        val issued = whole(c, "iat") ?: throw InvalidException("The token does not say when it was issued.")
        when {
            !typed -> throw InvalidException("This is no access token: its typ is not at+jwt.")
            c["iss"].text != config.issuer -> throw InvalidException("The token is of another issuer.")
            config.audience !in Claims.audience(c) -> throw InvalidException("The token is for another API.")
            expires <= now -> throw InvalidException("The token has expired.")
            issued > now + AHEAD || ("nbf" in c && (whole(c, "nbf") ?: Double.MAX_VALUE) > now + AHEAD) -> throw InvalidException("The token is not valid yet.")
        }
        listOf("sub", "client_id", "jti").forEach { c[it].text ?: throw InvalidException("The token has no $it.") }
        unreadable(c)?.let { throw InvalidException("The token's $it can't be judged.") }
    }

    /** What the server says of a token that nobody else can read. */
    private fun asked(key: Key, token: String): Judged {
        if (!feed.current && config.stale == Stale.REFUSE) throw UnavailableException("the feed is stale")
        val answer = answers.of(key, token, feed.current)
        if (!usable(answer) || !(answer.good!!.claims.expires == 0L || lives(answer.good.claims))) throw InvalidException("The token is not active.")
        return answer.good
    }

    private fun usable(answer: Answer): Boolean {
        val c = answer.good?.claims?.json ?: return false
        return (c["iss"].text ?: config.issuer) == config.issuer && config.audience in Claims.audience(c) &&
            (c["token_type"].text?.lowercase() ?: "bearer") in listOf("bearer", "dpop") && c["sub"].text != null && c["client_id"].text != null &&
            unreadable(c) == null
    }

    /** While endings may be unknown the operator says how a JWT is judged. */
    private fun stale(key: Key, token: String) = when (config.stale) {
        Stale.ACCEPT -> Unit
        Stale.REFUSE -> throw UnavailableException("the feed is stale")
        Stale.INTROSPECT -> if (!usable(answers.of(key, token, false))) throw InvalidException("The token is not active.") else Unit
    }
}

private fun <T> makeRoom(memory: ConcurrentHashMap<Key, T>) {
    if (memory.mappingCount() >= MOST) memory.keys.firstOrNull()?.let(memory::remove)
}

/** What the server said of a token: nothing where it is not active. */
private class Answer(val at: Moment, val good: Judged?, val current: Boolean)

/** Answers of introspection: one request per token, however many wait for it, and [ASKING] at once. */
private class Answers(private val clock: Clock, private val server: Server) {
    private val all = ConcurrentHashMap<Key, CompletableFuture<Answer>>()

    /** Apart, so that garbage drives nobody out. */
    private val inactive = ConcurrentHashMap<Key, Answer>()
    private val asking = Semaphore(ASKING)

    fun of(key: Key, token: String, current: Boolean): Answer {
        inactive[key]?.let { if (serves(it, current)) return it }
        while (true) {
            val held = all[key]
            if (held != null && (!held.isDone || (!held.isCompletedExceptionally && serves(held.join(), current)))) return wait(held)
            val mine = CompletableFuture<Answer>()
            if (held == null) makeRoom(all)
            val won = if (held == null) all.putIfAbsent(key, mine) == null else all.replace(key, held, mine)
            if (won) return ask(key, token, current, mine)
        }
    }

    /** Active answers are kept for a minute while marks judge them, others and those of worse times for ten seconds. */
    private fun serves(answer: Answer, current: Boolean): Boolean {
        val age = answer.at.age
        if (answer.good == null) return age < KEPT_BRIEFLY
        return if (current) answer.current && age < KEPT else age < KEPT_BRIEFLY
    }

    private fun ask(key: Key, token: String, current: Boolean, mine: CompletableFuture<Answer>): Answer = try {
        answer(token, current).also { answer ->
            if (answer.good == null) {
                makeRoom(inactive)
                inactive[key] = answer
                all.remove(key, mine)
            }
            mine.complete(answer)
        }
    } catch (e: Throwable) {
        all.remove(key, mine)
        mine.completeExceptionally(e)
        throw e
    }

    private fun answer(token: String, current: Boolean): Answer {
        if (!asking.tryAcquire(PATIENCE, TimeUnit.MILLISECONDS)) throw UnavailableException("too many tokens are asked for at once")
        try {
            val at = Moment(clock)
            val said = server.introspect(token)
            val active = (said["active"] as? JsonPrimitive)?.takeUnless { it.isString }?.booleanOrNull ?: throw UnavailableException("introspection says not whether a token is active")
            return Answer(at, if (active) judged(said) else null, current)
        } finally {
            asking.release()
        }
    }

    private fun wait(flight: CompletableFuture<Answer>): Answer = try {
        flight.get(2 * PATIENCE, TimeUnit.MILLISECONDS)
    } catch (e: ExecutionException) {
        throw e.cause as? UnavailableException ?: e
    } catch (e: TimeoutException) {
        throw UnavailableException("the server took too long", cause = e)
    }
}
