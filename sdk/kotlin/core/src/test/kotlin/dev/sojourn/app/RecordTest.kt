package dev.sojourn.app

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import java.math.BigInteger
import java.security.KeyPairGenerator
import java.security.Signature
import java.security.spec.ECGenParameterSpec
import java.time.Instant

class RecordTest {
    @Test
    fun `a record is read as it was written`() {
        val record = Record(
            install = "i", learnt = Learnt(-7_200_000, mapOf("https://id.example" to "n")),
            session = Session("s", "sid", "a", "DPoP", "r", "id", "jkt", 1_795_908_749_123, 600_000, "nonce", 2),
            identity = Identity("ada", "Ada", null, json("sub" to "ada"), Instant.ofEpochMilli(3), null),
            ended = Ending("s", "idle", 4), pending = listOf(Pending("st", "no", "ve", "a:/b", 5, null, "code", 6)),
            signOuts = listOf(SignOut("r", null, "ada", true)),
        )
        assertEquals(record, recordOf(record.toString()))
    }

    @Test
    fun `signatures are r and s of 32 bytes each, however long their integers were`() {
        val pair = KeyPairGenerator.getInstance("EC").apply { initialize(ECGenParameterSpec("secp256r1")) }.generateKeyPair()
        repeat(600) { n -> // so that some begin with zeros
            val data = byteArrayOf(n.toByte(), (n shr 8).toByte())
            val der = Signature.getInstance("SHA256withECDSA").run { initSign(pair.private); update(data); sign() }
            val jose = joseSignature(der)
            assertEquals(64, jose.size)
            assertEquals(BigInteger(1, der), BigInteger(1, derSignature(jose)))
        }
    }
}
