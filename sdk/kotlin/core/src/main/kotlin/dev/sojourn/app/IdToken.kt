package dev.sojourn.app

import dev.sojourn.jose.Algorithm
import dev.sojourn.jose.algorithms
import dev.sojourn.jose.fromBase64url
import dev.sojourn.jose.jsonObject
import dev.sojourn.jose.list
import dev.sojourn.jose.number
import dev.sojourn.jose.text
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import java.security.GeneralSecurityException
import java.security.NoSuchAlgorithmException

/** What an ID token must say (OpenID Connect Core 1.0 §3.1.3.7, §12.2). Time is the server's: phones are hours off. */
internal class Expected(
    val issuer: String,
    val clientId: String,
    val now: Long,
    val nonce: String? = null,
    /** At a refresh: who is signed in. */
    val subject: String? = null,
    /** The keys of jwks_uri, or null while they can't be had. The argument asks past every cache. */
    val keys: suspend (Boolean) -> List<JsonObject>?,
)

/** Claims, and whether the signature was checked: not while the server's keys can't be had, and at a refresh not where no key made it. */
internal class Checked(val claims: JsonObject, val verified: Boolean)

/** Date counts whole seconds, and answers take a while. */
private const val LEEWAY = 60_000L

private fun wrong(what: String) = AppException(Kind.INVALID, "The ID token is not for this app: $what.")

/** Returns the claims of an ID token that the server made for this app. It throws `INVALID` for any other. */
internal suspend fun checkIdToken(token: String, want: Expected): Checked {
    val parts = token.split('.')
    if (parts.size != 3) throw wrong("no JWT")
    val (head, claims) = parts.take(2).map { part -> part.fromBase64url()?.decodeToString()?.let(::jsonObject) ?: throw wrong("no JSON") }
    checkClaims(claims, want)
    val signed = algorithms[head["alg"].text]?.let { algorithm ->
        val signature = parts[2].fromBase64url() ?: throw wrong("no signature")
        Signed(algorithm, head["kid"].text, "${parts[0]}.${parts[1]}".toByteArray(), signature)
    }
    val verified = try {
        (signed ?: throw wrong("an unknown algorithm")).isBy(want.keys)
    } catch (e: AppException) {
        // At a refresh it costs no tokens: TLS stands for it (§3.1.3.7 point 6), and the claims are left.
        if (want.subject != null && e.isKind(Kind.INVALID)) false else throw e
    }
    return Checked(claims, verified)
}

private fun checkClaims(c: JsonObject, want: Expected) {
    val audience = (c["aud"] as? JsonPrimitive)?.let { listOf(it.text) } ?: c["aud"].list.map { it.text }
    val over = c["exp"].number?.let { it * 1000 <= want.now - LEEWAY } ?: true
    when {
        c["iss"].text != want.issuer -> throw wrong("another issuer")
        want.clientId !in audience -> throw wrong("another audience")
        ("azp" in c || audience.size > 1) && c["azp"].text != want.clientId -> throw wrong("another authorized party")
        c["sub"].text == null -> throw wrong("no subject")
        over && want.subject == null -> throw wrong("over")
        want.nonce != null && c["nonce"].text != want.nonce -> throw wrong("another nonce")
        want.subject != null && c["sub"].text != want.subject -> throw wrong("another person")
    }
}

/** What was signed, and how. */
private class Signed(val algorithm: Algorithm, val kid: String?, val data: ByteArray, val signature: ByteArray) {
    /** Whether one of the keys made the signature; false while they can't be had. It throws where none of them did. */
    suspend fun isBy(keys: suspend (Boolean) -> List<JsonObject>?): Boolean {
        for (fresh in listOf(false, true)) {
            val all = keys(fresh) ?: return false
            if (all.filter(::fits).any(::isBy)) return true
        }
        throw wrong("its signature is of none of the server’s keys")
    }

    private fun fits(key: JsonObject): Boolean = algorithm.fits(key) && (kid == null || key["kid"].text.let { it == null || it == kid })

    private fun isBy(key: JsonObject): Boolean = try {
        algorithm.verifies(algorithm.key(key), data, signature)
    } catch (_: NoSuchAlgorithmException) {
        // Android before 13 has no Ed25519: TLS to the token endpoint stands for the signature, as §3.1.3.7 point 6 allows.
        algorithm.crv == "Ed25519"
    } catch (_: GeneralSecurityException) {
        false // a broken key verifies nothing
    }
}
