package dev.sojourn.jose

import kotlinx.serialization.json.JsonObject
import java.math.BigInteger
import java.security.AlgorithmParameters
import java.security.GeneralSecurityException
import java.security.KeyFactory
import java.security.KeyPair
import java.security.MessageDigest
import java.security.PublicKey
import java.security.SecureRandom
import java.security.Signature
import java.security.interfaces.ECPublicKey
import java.security.spec.ECGenParameterSpec
import java.security.spec.ECParameterSpec
import java.security.spec.ECPoint
import java.security.spec.ECPublicKeySpec
import java.security.spec.MGF1ParameterSpec
import java.security.spec.PSSParameterSpec
import java.security.spec.RSAPublicKeySpec
import java.security.spec.X509EncodedKeySpec
import java.util.Base64

private val secure = SecureRandom()

/** base64url without padding (RFC 7515 §2). */
internal fun ByteArray.base64url(): String = Base64.getUrlEncoder().withoutPadding().encodeToString(this)

/** The bytes of base64url; null where it is none, or not the one text for these bytes. */
internal fun String.fromBase64url(): ByteArray? = try {
    Base64.getUrlDecoder().decode(this).takeIf { it.base64url() == this }
} catch (_: IllegalArgumentException) {
    null
}

/** 32 random bytes as 43 characters: a verifier, a state, a nonce, a jti. */
internal fun random(): String = ByteArray(32).also(secure::nextBytes).base64url()

/** The S256 challenge of a verifier (RFC 7636 §4.2), and `ath` of an access token (RFC 9449 §4.2): the same sum. */
internal fun digest(text: String): String = MessageDigest.getInstance("SHA-256").digest(text.toByteArray()).base64url()

/** A signature of JOSE's (RFC 7518 §3.1) in the words of JCA. */
internal class Algorithm(
    val name: String,
    private val kty: String,
    val crv: String,
    private val jca: String,
    private val open: (JsonObject) -> PublicKey,
    private val written: (ByteArray) -> ByteArray? = { it },
    private val set: (Signature) -> Unit = {},
) {
    /** Whether a JWK is of the kind that signs so, and not for something else (RFC 8725 §3.1). */
    fun fits(jwk: JsonObject): Boolean =
        jwk["kty"].text == kty && (jwk["crv"].text ?: "") == crv && (jwk["use"].text ?: "sig") == "sig" && (jwk["alg"].text ?: name) == name

    /** It throws [GeneralSecurityException] for a key that is broken. */
    fun key(jwk: JsonObject): PublicKey = open(jwk)

    /** It throws [java.security.NoSuchAlgorithmException] where the platform has no such signatures. */
    fun verifies(key: PublicKey, data: ByteArray, signature: ByteArray): Boolean {
        val verifier = Signature.getInstance(jca).also(set)
        verifier.initVerify(key)
        verifier.update(data)
        return written(signature)?.let(verifier::verify) ?: false
    }
}

internal val algorithms = listOf(
    Algorithm("ES256", "EC", "P-256", "SHA256withECDSA", ::ecKey, ::derSignature),
    Algorithm("RS256", "RSA", "", "SHA256withRSA", ::rsaKey),
    Algorithm("RS384", "RSA", "", "SHA384withRSA", ::rsaKey),
    Algorithm("RS512", "RSA", "", "SHA512withRSA", ::rsaKey),
    Algorithm("PS256", "RSA", "", "RSASSA-PSS", ::rsaKey) { it.setParameter(PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, 1)) },
    Algorithm("EdDSA", "OKP", "Ed25519", "Ed25519", ::edKey),
).associateBy { it.name }

private fun JsonObject.bytes(name: String): ByteArray = this[name].text?.fromBase64url() ?: throw GeneralSecurityException("$name is missing")

private fun JsonObject.positive(name: String) = BigInteger(1, bytes(name))

/** The curve P-256, by the name that JCA has for it. */
internal fun p256(): ECParameterSpec = curve

private val curve: ECParameterSpec by lazy(LazyThreadSafetyMode.PUBLICATION) { namedCurve() }

private fun namedCurve(): ECParameterSpec = AlgorithmParameters.getInstance("EC").run {
    init(ECGenParameterSpec("secp256r1"))
    getParameterSpec(ECParameterSpec::class.java)
}

internal fun ecKey(jwk: JsonObject): PublicKey =
    KeyFactory.getInstance("EC").generatePublic(ECPublicKeySpec(ECPoint(jwk.positive("x"), jwk.positive("y")), p256()))

private const val MODULUS = 2048

private fun rsaKey(jwk: JsonObject): PublicKey {
    val modulus = jwk.positive("n")
    if (modulus.bitLength() < MODULUS) throw GeneralSecurityException("the key is too short") // RFC 7518 §3.3
    return KeyFactory.getInstance("RSA").generatePublic(RSAPublicKeySpec(modulus, jwk.positive("e")))
}

/** The 32 bytes of the key behind the head of its X.509 form (RFC 8410 §4). */
private fun edKey(jwk: JsonObject): PublicKey {
    val head = byteArrayOf(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0)
    return KeyFactory.getInstance("Ed25519").generatePublic(X509EncodedKeySpec(head + jwk.bytes("x")))
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

/** A key pair's signature in JOSE's form: ES256. */
internal fun KeyPair.sign(data: ByteArray): ByteArray = joseSignature(
    Signature.getInstance("SHA256withECDSA").run {
        initSign(private)
        update(data)
        sign()
    },
)
