package dev.sojourn.app

import dev.sojourn.jose.over
import dev.sojourn.jose.text
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import okhttp3.Request
import java.io.IOException
import java.time.Instant

/** What the server says of the person now (OpenID Connect Core 1.0 §5.3). */
internal class UserInfo(private val ctx: Context, private val server: Server, private val calls: Calls) {
    /** Asks, and keeps what it hears as the identity. */
    suspend fun ask(): Identity {
        val url = ctx.run { server.discovery() }.userInfo ?: throw offline("The server has no userinfo.")
        val answer = try {
            val response = calls.call(Request.Builder().url(url).header("Accept", "application/json").build()) { ctx.http.endpoints.newCall(it).await() }
            withContext(Dispatchers.IO) { response.use(::judge) } // whoever asks may be Android's main thread
        } catch (e: AppException) {
            throw e
        } catch (e: IOException) {
            throw offline("The server did not answer.", e)
        }
        if (answer.status != 200) throw offline("There is no userinfo (${answer.status}).", after = retryAfter(answer.headers))
        return ctx.run { ctx.records.hold { keep(it, answer) } }
    }

    private suspend fun keep(held: Records.Held, answer: Answer): Identity {
        val before = held.record.identity
        if (before == null || held.record.session == null) throw AppException(Kind.SIGNED_OUT, "Nobody is signed in.")
        if (answer.body["sub"].text != before.subject) throw AppException(Kind.INVALID, "userinfo tells of another person.") // §5.3.2
        val next = before.copy(
            name = answer.body["name"].text ?: before.name, email = answer.body["email"].text ?: before.email,
            claims = answer.body.over(before.claims), since = Instant.ofEpochMilli(ctx.serverTime),
        )
        held.save(held.record.copy(identity = next))
        return next
    }
}
