package dev.sojourn.resource

import dev.sojourn.jose.algorithms
import dev.sojourn.jose.base64url
import dev.sojourn.jose.json
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.security.GeneralSecurityException
import java.security.KeyPairGenerator
import java.security.interfaces.RSAPublicKey

class ProofsTest {
    @Test
    fun `addresses are compared in one form`() {
        assertEquals("http://my_api/notes", normal("HTTP://My_API:80/notes?x#y")) // as services in a compose file are named
        assertEquals("https://api.example.com/", normal("https://api.example.com:443"))
        assertEquals("https://[::1]:8443/a%2F", normal("https://[::1]:8443/a%2f"))
        listOf("https://ada@api.example.com/", "/notes", "https:/notes", "https://api.example.com/a b", "").forEach { assertNull(normal(it), it) }
    }

    @Test
    fun `an RSA key of less than 2048 bits is none`() {
        val short = KeyPairGenerator.getInstance("RSA").apply { initialize(1024) }.generateKeyPair().public as RSAPublicKey
        val jwk = json("kty" to "RSA", "n" to short.modulus.toByteArray().base64url(), "e" to short.publicExponent.toByteArray().base64url())
        assertThrows<GeneralSecurityException> { algorithms.getValue("RS256").key(jwk) }
    }
}
