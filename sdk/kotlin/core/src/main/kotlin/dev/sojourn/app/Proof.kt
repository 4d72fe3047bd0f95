package dev.sojourn.app

import kotlinx.serialization.json.JsonObject
import java.math.BigInteger
import java.security.KeyPair
import java.security.Signature
import java.security.interfaces.ECPublicKey

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
    val signature = Signature.getInstance("SHA256withECDSA").run {
        initSign(private)
        update(text.toByteArray())
        sign()
    }
    return "$text.${joseSignature(signature).base64url()}"
}

private const val COORDINATE = 32

/** The public half as a JWK (RFC 7518 §6.2). */
internal fun KeyPair.jwk(): JsonObject {
    val point = (public as ECPublicKey).w
    return json("kty" to "EC", "crv" to "P-256", "x" to point.affineX.fixed().base64url(), "y" to point.affineY.fixed().base64url())
}

/** The thumbprint of the public half (RFC 7638 §3.2). */
internal fun KeyPair.thumbprint(): String = thumbprint(jwk())

/** The members that make each kind of key, in the order of their names (§3.2; RFC 8037 §2). */
private val members = mapOf("EC" to listOf("crv", "kty", "x", "y"), "RSA" to listOf("e", "kty", "n"), "OKP" to listOf("crv", "kty", "x"))

internal fun thumbprint(jwk: JsonObject): String =
    digest(json(*members.getValue(jwk["kty"].text!!).map { it to jwk[it] }.toTypedArray()).toString())

private fun BigInteger.fixed(): ByteArray {
    val bytes = toByteArray()
    return ByteArray(COORDINATE).also { all ->
        val kept = minOf(bytes.size, COORDINATE)
        bytes.copyInto(all, COORDINATE - kept, bytes.size - kept)
    }
}

/** r ‖ s of a signature that is a DER sequence of two integers: what JCA makes everywhere (RFC 7518 §3.4). */
internal fun joseSignature(der: ByteArray): ByteArray {
    val first = 3 + (if (der[1] < 0) 1 else 0) // the sequence's length has one byte, or two
    val r = der.integerAt(first)
    val s = der.integerAt(first + 1 + der[first].toInt() + 1)
    return r.fixed() + s.fixed()
}

private fun ByteArray.integerAt(length: Int) = BigInteger(1, copyOfRange(length + 1, length + 1 + this[length]))

/** The DER of r ‖ s, for signatures that are verified. Null where that has no such length. */
internal fun derSignature(jose: ByteArray): ByteArray? {
    if (jose.size != 2 * COORDINATE) return null
    val both = listOf(jose.copyOf(COORDINATE), jose.copyOfRange(COORDINATE, jose.size)).map { BigInteger(1, it).toByteArray() }
    val integers = both.fold(ByteArray(0)) { all, n -> all + byteArrayOf(2, n.size.toByte()) + n }
    return byteArrayOf(0x30, integers.size.toByte()) + integers // never more than 72 bytes
}
