package dev.sojourn.app

import dev.sojourn.jose.json
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
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
    fun `a record that lacks a part, or has another in its place, is damaged and brings nothing down`() {
        for (text in listOf("""{"v":1,"session":{"id":"s"}}""", """{"v":1,"pending":["none"]}""", """{"v":1,"identity":{"sub":"ada","claims":[]}}""")) {
            assertThrows(DamagedException::class.java) { recordOf(text) }
        }
    }
}
