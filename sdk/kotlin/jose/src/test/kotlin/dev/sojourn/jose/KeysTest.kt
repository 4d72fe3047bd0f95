package dev.sojourn.jose

import kotlinx.serialization.json.JsonObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.math.BigInteger
import java.security.GeneralSecurityException
import java.security.KeyPairGenerator
import java.security.Signature
import java.security.interfaces.RSAPublicKey
import java.security.spec.ECGenParameterSpec
import java.security.spec.MGF1ParameterSpec
import java.security.spec.PSSParameterSpec

class KeysTest {
    private val ec = KeyPairGenerator.getInstance("EC").apply { initialize(ECGenParameterSpec("secp256r1")) }.generateKeyPair()

    @Test
    fun `signatures are r and s of 32 bytes each, however long their integers were`() {
        repeat(600) { n -> // so that some begin with zeros
            val data = byteArrayOf(n.toByte(), (n shr 8).toByte())
            val der = Signature.getInstance("SHA256withECDSA").run { initSign(ec.private); update(data); sign() }
            val jose = joseSignature(der)
            assertEquals(64, jose.size)
            assertEquals(BigInteger(1, der), BigInteger(1, derSignature(jose)))
        }
    }

    @Test
    fun `what a key signed verifies by its JWK, and nothing else does`() {
        val data = "data".toByteArray()
        val rsa = KeyPairGenerator.getInstance("RSA").apply { initialize(2048) }.generateKeyPair()
        val public = rsa.public as RSAPublicKey
        val rsaJwk = json("kty" to "RSA", "n" to public.modulus.toByteArray().base64url(), "e" to public.publicExponent.toByteArray().base64url())
        val ed = KeyPairGenerator.getInstance("Ed25519").generateKeyPair()
        val edJwk = json("kty" to "OKP", "crv" to "Ed25519", "x" to ed.public.encoded.takeLast(32).toByteArray().base64url())
        val pss = Signature.getInstance("RSASSA-PSS").run {
            setParameter(PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, 1))
            initSign(rsa.private); update(data); sign()
        }
        val made = mapOf<String, Pair<JsonObject, ByteArray>>(
            "ES256" to (ec.jwk() to ec.sign(data)),
            "RS256" to (rsaJwk to Signature.getInstance("SHA256withRSA").run { initSign(rsa.private); update(data); sign() }),
            "PS256" to (rsaJwk to pss),
            "EdDSA" to (edJwk to Signature.getInstance("Ed25519").run { initSign(ed.private); update(data); sign() }),
        )
        made.forEach { (name, of) ->
            val (jwk, signature) = of
            val algorithm = algorithms.getValue(name)
            assertTrue(algorithm.fits(jwk), name)
            val key = algorithm.key(jwk)
            assertTrue(algorithm.verifies(key, data, signature), name)
            assertFalse(algorithm.verifies(key, "date".toByteArray(), signature), name)
        }
    }

    @Test
    fun `signatures of nothing but zeros, and keys that are no point of the curve, verify nothing`() {
        val algorithm = algorithms.getValue("ES256")
        val zeros = runCatching { algorithm.verifies(algorithm.key(ec.jwk()), ByteArray(3), ByteArray(64)) }
        assertFalse(zeros.getOrDefault(false))
        assertFalse(algorithm.verifies(algorithm.key(ec.jwk()), ByteArray(3), ByteArray(63)))
        val off = json("kty" to "EC", "crv" to "P-256", "x" to "AQ", "y" to "AQ")
        assertFalse(runCatching { algorithm.verifies(algorithm.key(off), ByteArray(3), ec.sign(ByteArray(3))) }.getOrDefault(false))
        assertThrows(GeneralSecurityException::class.java) { algorithm.key(json("kty" to "EC", "crv" to "P-256")) }
    }
}
