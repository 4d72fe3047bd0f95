package dev.sojourn.app

import dev.sojourn.jose.base64url
import dev.sojourn.jose.digest
import dev.sojourn.jose.json
import dev.sojourn.jose.jwk
import dev.sojourn.jose.random
import dev.sojourn.jose.sign
import java.security.KeyPair

/** What a proof is about (RFC 9449 §4.2). */
internal class ProofOf(
    val method: String,
    val url: String,
    /** Seconds since 1970, by the server's clock. */
    val iat: Long,
    val nonce: String?,
    /** The access token that the request carries; none at the token endpoint. */
    val token: String?,
    val jti: String = random(),
)

/** Signs a proof. */
internal fun KeyPair.proof(of: ProofOf): String {
    val head = json("typ" to "dpop+jwt", "alg" to "ES256", "jwk" to jwk())
    val claims = json(
        "jti" to of.jti, "htm" to of.method, "htu" to of.url.substringBefore('#').substringBefore('?'), "iat" to of.iat,
        "ath" to of.token?.let(::digest), "nonce" to of.nonce,
    )
    val text = listOf(head, claims).joinToString(".") { it.toString().toByteArray().base64url() }
    return "$text.${sign(text.toByteArray()).base64url()}"
}
