package dev.sojourn.app

import dev.sojourn.jose.text
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import java.time.Instant

/** What a good answer of the token endpoint becomes in the record. */
internal class Tokens(private val ctx: Context, private val server: Server) {
    /** A session with the members that every answer brings anew (RFC 6749 §5.1, draft-ietf-oauth-refresh-token-expiration). */
    fun renewed(session: Session, answer: Answer): Session {
        val body = answer.body
        val end = seconds(body["session_expires_in"]) ?: seconds(body["authorization_expires_in"])
        val life = seconds(body["expires_in"]) ?: if (body["refresh_token"].text != null) DEFAULT_LIFE else A_CENTURY // the server's 401 tells
        return session.copy(
            access = body["access_token"].text!!,
            type = if (body["token_type"].text.equals("DPoP", ignoreCase = true)) "DPoP" else "Bearer",
            came = ctx.clock.wall(),
            life = life * 1000,
            refresh = body["refresh_token"].text ?: session.refresh,
            idToken = body["id_token"].text ?: session.idToken,
            endsAt = end?.let { ctx.serverTime + it * 1000 } ?: session.endsAt,
        )
    }

    /** A number above zero, or a text that spells one, as some servers have it. All else: nobody said. */
    private fun seconds(element: JsonElement?): Long? =
        (element as? JsonPrimitive)?.content?.toDoubleOrNull()?.takeIf { it >= 1 }?.toLong()?.coerceAtMost(A_CENTURY)

    /** Verifies an ID token that came at a time of this device's: however late that is, it had to be good then. */
    suspend fun check(
        discovery: Discovery, idToken: String, nonce: String? = null, subject: String? = null, came: Long = ctx.clock.wall(),
    ): Checked {
        val then = ctx.serverTime - (ctx.clock.wall() - came).coerceAtLeast(0)
        return checkIdToken(idToken, Expected(ctx.config.issuer, ctx.config.clientId, then, nonce, subject) { server.keys(discovery, it) })
    }

    /** Whom claims name, confirmed now. */
    fun identity(claims: JsonObject, session: Session) = Identity(
        claims["sub"].text!!, claims["name"].text, claims["email"].text, claims, Instant.ofEpochMilli(ctx.serverTime),
        session.endsAt?.let(Instant::ofEpochMilli),
    )

    private companion object {
        /** Seconds, where an answer has no expires_in. */
        const val DEFAULT_LIFE = 300L
        const val A_CENTURY = 3_000_000_000L
    }
}
