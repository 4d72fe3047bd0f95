package dev.sojourn.app

import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import java.math.BigInteger
import java.security.AlgorithmParameters
import java.security.GeneralSecurityException
import java.security.KeyFactory
import java.security.NoSuchAlgorithmException
import java.security.PublicKey
import java.security.Signature
import java.security.spec.ECGenParameterSpec
import java.security.spec.ECParameterSpec
import java.security.spec.ECPoint
import java.security.spec.ECPublicKeySpec
import java.security.spec.RSAPublicKeySpec
import java.security.spec.X509EncodedKeySpec

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

/** Claims, and whether the signature was checked: not while the server's keys can't be had. */
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
    val algorithm = algorithms[head["alg"].text] ?: throw wrong("an unknown algorithm")
    val signature = parts[2].fromBase64url() ?: throw wrong("no signature")
    return Checked(claims, Signed(algorithm, head["kid"].text, "${parts[0]}.${parts[1]}".toByteArray(), signature).isBy(want.keys))
}

private fun checkClaims(c: JsonObject, want: Expected) {
    val audience = (c["aud"] as? JsonPrimitive)?.let { listOf(it.text) } ?: c["aud"].list.map { it.text }
    val over = c["exp"].number?.let { it * 1000 <= want.now - LEEWAY } ?: true
    when {
        c["iss"].text != want.issuer -> throw wrong("another issuer")
        want.clientId !in audience -> throw wrong("another audience")
        ("azp" in c || audience.size > 1) && c["azp"].text != want.clientId -> throw wrong("another authorized party")
        c["sub"].text == null -> throw wrong("no subject")
        over -> throw wrong("over")
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

    private fun fits(key: JsonObject): Boolean =
        key["kty"].text == algorithm.kty && (key["crv"].text ?: "") == algorithm.crv && (key["use"].text ?: "sig") == "sig" &&
            (kid == null || key["kid"].text.let { it == null || it == kid })

    private fun isBy(key: JsonObject): Boolean = try {
        val verifier = Signature.getInstance(algorithm.jca)
        verifier.initVerify(algorithm.open(key))
        verifier.update(data)
        algorithm.written(signature)?.let(verifier::verify) ?: false
    } catch (_: NoSuchAlgorithmException) {
        // Android before 13 has no Ed25519: TLS to the token endpoint stands for the signature, as §3.1.3.7 point 6 allows.
        algorithm.crv == "Ed25519"
    } catch (_: GeneralSecurityException) {
        false // a broken key verifies nothing
    }
}

/** A signature of JOSE's in the words of JCA. */
private class Algorithm(
    val kty: String,
    val crv: String,
    val jca: String,
    val open: (JsonObject) -> PublicKey,
    val written: (ByteArray) -> ByteArray? = { it },
)

private val algorithms = mapOf(
    "ES256" to Algorithm("EC", "P-256", "SHA256withECDSA", ::ecKey, ::derSignature),
    "RS256" to Algorithm("RSA", "", "SHA256withRSA", ::rsaKey),
    "RS384" to Algorithm("RSA", "", "SHA384withRSA", ::rsaKey),
    "RS512" to Algorithm("RSA", "", "SHA512withRSA", ::rsaKey),
    "EdDSA" to Algorithm("OKP", "Ed25519", "Ed25519", ::edKey),
)

private fun JsonObject.bytes(name: String): ByteArray = this[name].text?.fromBase64url() ?: throw GeneralSecurityException("$name is missing")

private fun JsonObject.positive(name: String) = BigInteger(1, bytes(name))

/** The curve P-256, by the name that JCA has for it. */
internal fun p256(): ECParameterSpec = AlgorithmParameters.getInstance("EC").run {
    init(ECGenParameterSpec("secp256r1"))
    getParameterSpec(ECParameterSpec::class.java)
}

internal fun ecKey(jwk: JsonObject): PublicKey =
    KeyFactory.getInstance("EC").generatePublic(ECPublicKeySpec(ECPoint(jwk.positive("x"), jwk.positive("y")), p256()))

private fun rsaKey(jwk: JsonObject): PublicKey = KeyFactory.getInstance("RSA").generatePublic(RSAPublicKeySpec(jwk.positive("n"), jwk.positive("e")))

/** The 32 bytes of the key behind the head of its X.509 form (RFC 8410 §4). */
private fun edKey(jwk: JsonObject): PublicKey {
    val head = byteArrayOf(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0)
    return KeyFactory.getInstance("Ed25519").generatePublic(X509EncodedKeySpec(head + jwk.bytes("x")))
}
