package dev.sojourn.app

import dev.sojourn.jose.over
import dev.sojourn.jose.text
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.async
import java.security.KeyPair
import java.time.Instant

/**
 * A token that can be used: the one in the record while it lives, else a new one. One refresh at a time, for all tasks and
 * processes that share the store; what is not written down is not used (docs/mobile.md, rules 2 to 5).
 */
internal class Refresh(private val ctx: Context, private val server: Server, private val tokens: Tokens) {
    private val clock = ctx.clock

    /** The attempt to refresh that is under way. */
    private var flight: Deferred<Session>? = null

    /** Returns a session whose access token lives. `spent` is one that must not be used any more though it seems to. */
    suspend fun usable(spent: String? = null): Session {
        val session = current()
        val serves = session.unverified == null && session.access != spent
        if (serves && !due(session)) return session
        val lives = serves && ctx.left(session) > 0
        if (lives && !ctx.backoff.ready) return session
        val deadline = clock.elapsed() + if (lives) 0 else PATIENCE
        try {
            return renew(spent ?: session.access.takeIf { lives }, deadline)
        } catch (e: AppException) {
            if (lives && e.isKind(Kind.OFFLINE, Kind.STOP, Kind.STORE, Kind.INVALID) && ctx.left(session) > 0) return session
            throw e
        }
    }

    /** The session of a record, or the error that stands for there being none. */
    private fun sessionIn(record: Record): Session {
        record.session?.let { session -> return ctx.over[session.id]?.let { throw ctx.endedError(it) } ?: session }
        throw record.ended?.let(ctx::endedError) ?: AppException(Kind.SIGNED_OUT, "Nobody is signed in.")
    }

    /** Ahead of its end: with a tenth of its life left, or a minute. */
    private fun due(session: Session): Boolean = ctx.left(session).let { it <= 0 || it < minOf(60_000, session.life / 10) }

    /** The session in the store; while that can't be read, the one that was read last. */
    private suspend fun current(): Session = try {
        sessionIn(ctx.records.load())
    } catch (e: AppException) {
        val last = ctx.record
        val serves = e.isKind(Kind.STORE) && last?.session?.let { it.unverified == null && ctx.left(it) > 0 } == true
        if (serves) sessionIn(last) else throw e
    }

    /** Joins the attempt that is waited for or under way, or begins one, until one succeeds or the deadline (elapsed) has passed. */
    private suspend fun renew(spent: String?, deadline: Long): Session {
        if (flight == null && deadline > clock.elapsed()) ctx.backoff.restart()
        while (true) {
            try {
                return (flight ?: takeOff(spent, deadline)).await()
            } catch (e: AppException) {
                val left = deadline - clock.elapsed()
                if (e.kind != Kind.OFFLINE || left <= 0 || e.least > left) throw e
            }
        }
    }

    private fun takeOff(spent: String?, deadline: Long): Deferred<Session> = ctx.scope.async {
        try {
            ctx.backoff.turn(deadline)
            attempt(spent)
        } finally {
            flight = null
        }
    }.also { flight = it }

    /** Refreshes once, under the lock, unless another process has done it meanwhile. */
    private suspend fun attempt(spent: String?): Session = try {
        val discovery = server.discovery()
        ctx.records.hold { held ->
            var session = sessionIn(held.record)
            if (session.unverified != null) session = verifyKept(held, session, discovery)
            if (session.access != spent && !due(session)) session else refresh(held, session, discovery).also { ctx.backoff.clear() }
        }
    } catch (e: AppException) {
        ctx.backoff.note(e)
        throw e
    }

    private suspend fun refresh(held: Records.Held, session: Session, discovery: Discovery): Session {
        val key = keyOf(held, session)
        val token = session.refresh ?: end(held, session, "expired")
        held.check()
        val form = mapOf("grant_type" to "refresh_token", "refresh_token" to token, "resource" to ctx.config.resource)
        val answer = server.post(discovery.tokenEndpoint, form + server.device(discovery, held.record.install), key)
        return when (answer.verdict) {
            Verdict.TOKENS -> keep(held, session, answer, discovery)
            Verdict.LOGIN -> end(held, session, answer.body["reason"].text ?: "unknown")
            else -> throw answer.refusal()
        }
    }

    /** The key that the session is bound to. Losing it is losing the session; nothing is sent with another. */
    private suspend fun keyOf(held: Records.Held, session: Session): KeyPair? =
        session.jkt?.let { server.boundKey(it) ?: end(held, session, "key_lost") }

    /** Writes the new tokens down, and only then hands them out. What can't be written is dropped, and the old ones stay. */
    private suspend fun keep(held: Records.Held, session: Session, answer: Answer, discovery: Discovery): Session {
        val next = tokens.renewed(session, answer)
        val before = held.record.identity
        val fresh = answer.body["id_token"].text?.let { tokens.check(discovery, it, subject = before?.subject) }
        val who = when {
            before == null -> null
            fresh != null && fresh.verified -> tokens.identity(fresh.claims.over(before.claims), next)
            else -> before.copy(since = Instant.ofEpochMilli(ctx.serverTime), endsAt = next.endsAt?.let(Instant::ofEpochMilli))
        }
        held.save(held.record.copy(session = next, identity = who))
        return next
    }

    /** Forgets the tokens of a session that is over, and says why. Who was signed in stays known, for the sign-in page. */
    suspend fun end(held: Records.Held, session: Session, reason: String, at: Long = ctx.serverTime): Nothing {
        val ending = Ending(session.id, reason, at)
        ctx.refused(session)
        ctx.over[session.id] = ending
        try {
            held.save(held.record.copy(session = null, ended = ending))
        } catch (_: AppException) { // it is over, whether or not that could be written
            ctx.tell(Event.SessionEnded(ctx.spoken(ending)))
        }
        throw ctx.endedError(ending)
    }

    /** Checks an ID token that could not be checked when it came, since the server's keys were not to be had. */
    private suspend fun verifyKept(held: Records.Held, session: Session, discovery: Discovery): Session {
        val checked = try {
            tokens.check(discovery, session.idToken!!, session.unverified, came = session.came)
        } catch (e: AppException) {
            if (e.isKind(Kind.INVALID)) held.save(held.record.copy(session = null))
            throw e
        }
        if (!checked.verified) throw offline("The server’s keys can’t be had yet.")
        val verified = session.copy(unverified = null)
        held.save(held.record.copy(session = verified, identity = tokens.identity(checked.claims, verified)))
        return verified
    }
}
