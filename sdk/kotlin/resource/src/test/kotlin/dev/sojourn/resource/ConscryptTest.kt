package dev.sojourn.resource

import dev.sojourn.jose.base64url
import dev.sojourn.jose.digest
import dev.sojourn.jose.fromBase64url
import dev.sojourn.jose.json
import dev.sojourn.jose.random
import org.conscrypt.Conscrypt
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.security.Security
import java.security.Signature

/** Does something as a program that has put Conscrypt before the JDK's own providers. */
internal fun <T> withConscrypt(task: () -> T): T {
    val provider = Conscrypt.newProvider()
    Security.insertProviderAt(provider, 1)
    try {
        assertEquals(provider.name, Signature.getInstance("SHA256withECDSA").provider.name)
        return task()
    } finally {
        Security.removeProvider(provider.name)
    }
}

/** What is said to APIs in which most requests have a proof: another provider verifies them faster, and judges them the same. */
class ConscryptTest {
    @Test
    fun `another provider of signatures judges tokens and proofs the same`() = withConscrypt {
        Authority().use { authority ->
            Guard(authority.config(Stale.ACCEPT)).use { guard -> judges(authority, guard) }
        }
    }

    private fun judges(authority: Authority, guard: Guard) {
        val key = Authority.keyPair()
        val bound = authority.bound(key)
        fun asks(token: String, proof: String? = null): Claims {
            val scheme = if (proof == null) "Bearer" else "DPoP"
            return guard.check(Asked(URL, "GET", *listOfNotNull("Authorization" to "$scheme $token", proof?.let { "DPoP" to it }).toTypedArray()), Operation("notes.read"))
        }
        fun refuses(code: String, token: String, proof: String? = null) = assertEquals(code, assertThrows<RefusedException> { asks(token, proof) }.code)

        assertEquals("ada", asks(authority.token()).subject)
        assertEquals("ada", asks(bound, Authority.proof(key, "GET", URL, bound)).subject)
        refuses("invalid_token", changed(authority.token()))
        refuses("invalid_token", authority.token().substringBeforeLast('.') + "." + ByteArray(64).base64url()) // r = s = 0
        refuses("invalid_token", authority.token().substringBeforeLast('.') + ".AAAA")
        refuses("invalid_dpop_proof", bound, changed(Authority.proof(key, "GET", URL, bound)))
        refuses("invalid_dpop_proof", bound, Authority.proof(Authority.keyPair(), "GET", URL, bound))
        val (token, proof) = offTheCurve(authority)
        refuses("invalid_dpop_proof", token, proof)
    }

    /** A JWS with one bit of its signature changed. */
    private fun changed(jws: String): String {
        val signature = jws.substringAfterLast('.').fromBase64url()!!
        signature[40] = (signature[40].toInt() xor 1).toByte()
        return jws.substringBeforeLast('.') + "." + signature.base64url()
    }

    /** A token that is bound to what is no point of the curve, and a proof that names it. */
    private fun offTheCurve(authority: Authority): Pair<String, String> {
        val coordinate = ByteArray(32) { 1 }.base64url()
        val jwk = json("crv" to "P-256", "kty" to "EC", "x" to coordinate, "y" to coordinate)
        val token = authority.token("cnf" to json("jkt" to digest(jwk.toString())))
        val parts = listOf(
            json("typ" to "dpop+jwt", "alg" to "ES256", "jwk" to jwk),
            json("jti" to random(), "htm" to "GET", "htu" to URL, "iat" to Authority.now(), "ath" to digest(token)),
        )
        return token to (parts.map { it.toString().toByteArray().base64url() } + ByteArray(64) { 1 }.base64url()).joinToString(".")
    }

    private companion object {
        const val URL = "http://a/notes"
    }
}
