package dev.sojourn.resource

import dev.sojourn.jose.algorithms
import dev.sojourn.jose.digest
import dev.sojourn.jose.number
import dev.sojourn.jose.text
import dev.sojourn.jose.thumbprint
import kotlinx.serialization.json.JsonObject
import java.net.URI
import java.net.URISyntaxException
import java.security.GeneralSecurityException
import kotlin.math.abs

/** No proof is longer. */
private const val MAX_PROOF = 8 shl 10

/** No name of a proof (`jti`) is longer. */
private const val MAX_ID = 1 shl 10

/** How far a proof's time may be from ours, in seconds. */
private const val APART = 60

/** For how long, in milliseconds, a proof can be repeated at all. */
private const val REMEMBERED = 2L * APART * 1000

/** As many proofs are remembered of one such time; beyond it none is taken. */
private const val MOST = 1_000_000

private fun bad(what: String) = InvalidException(what, "DPoP", "invalid_dpop_proof")

/** Judges proofs of possession (RFC 9449 §4.3), and lets none be used twice by this process. */
internal class Proofs(private val config: Config) {
    private val clock = config.clock
    private val seen = Marks(clock, MOST).apply { window = REMEMBERED }

    /** Returns if the one proof of a request proves the key of its token. */
    fun check(request: Incoming, address: String, token: String, key: String) {
        val proof = request.headers("DPoP").singleOrNull()?.trim() ?: throw bad("Send one DPoP proof.")
        val jws = (if (proof.length <= MAX_PROOF) Jws.of(proof) else null) ?: throw bad("The proof is no JWT.")
        val c = jws.claims
        val jti = c["jti"].text?.takeIf { it.length <= MAX_ID } ?: throw bad("The proof has no jti, or one that is too long.")
        val iat = c["iat"].number ?: throw bad("The proof has no iat.")
        when {
            jws.type != "dpop+jwt" -> throw bad("The proof's typ is not dpop+jwt.")
            c["htm"].text != request.method -> throw bad("The proof is for another method.")
            c["htu"].text?.let(::normal).let { it == null || it != normal(address) } -> throw bad("The proof is for another address.")
            c["ath"].text != digest(token) -> throw bad("The proof is for another token.")
            abs(iat - clock.wall() / 1000.0) > APART -> throw bad("The proof is of another time.")
            !signedBy(key, jws) -> throw bad("The proof is not by the token's key.")
        }
        remember("$key $jti")
    }

    private fun signedBy(key: String, jws: Jws): Boolean {
        val name = jws.head["alg"].text
        val algorithm = algorithms[name]?.takeIf { name in config.algorithms } ?: return false
        val jwk = jws.head["jwk"] as? JsonObject ?: return false
        if (!algorithm.fits(jwk) || !isPublic(jwk) || thumbprint(jwk) != key) return false
        return try {
            algorithm.verifies(algorithm.key(jwk), jws.data, jws.signature)
        } catch (_: GeneralSecurityException) {
            false
        }
    }

    /** Of two at once one is the first. */
    @Synchronized
    private fun remember(proof: String) {
        val mark = Mark(Hash.of('d', proof), Mark.Kind.ONE)
        seen.age()
        if (mark.hash in seen) throw bad("The proof was used before.")
        seen.add(listOf(mark))
        if (mark.hash !in seen) throw UnavailableException("more proofs came than can be remembered", REMEMBERED / 1000)
    }
}

/** Members that a public key has not (RFC 7518 §6). */
private val secrets = listOf("d", "p", "q", "dp", "dq", "qi", "oth", "k")

internal fun isPublic(jwk: JsonObject): Boolean = secrets.none { it in jwk }

/** An address as it is compared (RFC 3986 §6.2.2, RFC 9449 §4.3): without query and fragment. Null where it is none. */
internal fun normal(address: String): String? = try {
    val uri = URI(address.substringBefore('#').substringBefore('?'))
    val scheme = uri.scheme?.lowercase()
    val host = uri.rawAuthority?.lowercase()?.takeUnless { '@' in it } ?: return null // getHost knows no names with an underscore
    val usual = mapOf("https" to ":443", "http" to ":80")[scheme].orEmpty()
    val path = triplet.replace(uri.rawPath.ifEmpty { "/" }) { it.value.uppercase() }
    "$scheme://${host.removeSuffix(usual)}$path"
} catch (_: URISyntaxException) {
    null
}

private val triplet = Regex("%[0-9a-fA-F]{2}")
