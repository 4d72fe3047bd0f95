package dev.sojourn.app

import dev.sojourn.jose.text
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch

private const val MOST_SIGN_OUTS = 8
private const val HOUR = 3_600_000L

/** The sign-outs that wait, with that of the session that there is. */
internal fun Record.leaving(device: Boolean = false): List<SignOut> =
    (signOuts + listOfNotNull(session?.refresh?.let { SignOut(it, session.jkt, identity?.subject, device) })).takeLast(MOST_SIGN_OUTS)

/**
 * Signing out: here at once, at the server as soon as it hears of it. Until then the refresh token waits on a list of the record,
 * used for nothing else, over restarts too (docs/mobile.md, rule 9; RFC 7009 where a server has no endpoint of ours).
 */
internal class SignOuts(private val ctx: Context, private val server: Server) {
    private var flushing: Job? = null

    /** Forgets who is signed in, and says whether the server has heard of it. If not, it is told later. */
    suspend fun signOut(device: Boolean): Boolean {
        ctx.records.hold { held ->
            val before = held.record
            held.save(before.copy(session = null, identity = null, ended = null, pending = emptyList(), signOuts = before.leaving(device)))
            before.session?.let(ctx::refused)
        }
        return (drain(ctx.clock.elapsed() + PATIENCE) != null).also { heard -> if (!heard) flush() }
    }

    /** Tells the server of the sign-outs that it has not heard, for as long as it takes. */
    fun flush() {
        if (ctx.record?.signOuts.isNullOrEmpty() || flushing?.isActive == true) return
        flushing = ctx.scope.launch {
            if (drain(null) != 0) ctx.tell(Event.SignedOut) // a sign-in may have taken them off the list meanwhile
        }
    }

    /** Sends what waits, and says how many the server heard of once nothing waits any more; null: that was not before the deadline. */
    private suspend fun drain(deadline: Long?): Int? {
        var misses = 0
        var told = 0
        while (true) {
            try {
                while (tellOne()) {
                    misses = 0
                    told++
                }
                return told
            } catch (e: AppException) {
                val wait = maxOf(pause(misses++, HOUR), e.least)
                if (deadline != null && wait > deadline - ctx.clock.elapsed()) return null
                ctx.clock.wait(wait)
            }
        }
    }

    /** Tells the server of the oldest sign-out, and takes it off the list once it was heard. False: there is none. */
    private suspend fun tellOne(): Boolean {
        val one = ctx.records.load().signOuts.firstOrNull() ?: return false
        hear(server.discovery(), one)
        ctx.records.hold { held -> held.save(held.record.copy(signOuts = held.record.signOuts.filter { it.refresh != one.refresh })) }
        return true
    }

    /** Returns once the server has heard of it, or nobody is there to hear. */
    private suspend fun hear(discovery: Discovery, one: SignOut) {
        val url = discovery.signOut ?: discovery.revocation ?: return
        val key = one.jkt?.let { server.boundKey(it) ?: return } // a key that is lost: nobody can use that token, we neither
        val form = if (discovery.signOut != null) mapOf("refresh_token" to one.refresh, "device" to "true".takeIf { one.device })
        else mapOf("token" to one.refresh, "token_type_hint" to "refresh_token")
        val answer = server.post(url, form, key)
        when {
            answer.good || answer.verdict == Verdict.LOGIN -> return
            one.device && answer.body["error"].text == "unauthorized_client" -> hear(discovery, one.copy(device = false))
            answer.verdict == Verdict.STOP -> return
            else -> throw offline("The sign-out was not heard.", answer.refusal(), retryAfter(answer.headers))
        }
    }
}
