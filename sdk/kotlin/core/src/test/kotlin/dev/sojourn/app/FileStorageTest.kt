package dev.sojourn.app

import dev.sojourn.jose.thumbprint
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.attribute.PosixFilePermissions

class FileStorageTest {
    @TempDir
    lateinit var folder: Path

    private val storage get() = FileStorage(folder.resolve("app"))
    private val newest get() = folder.resolve("app/record.json")

    @Test
    fun `what is kept is the user's alone`() {
        storage.save("""{"v":1}""", alone = false)
        storage.makeKey()
        for (file in listOf("record.json", "key.json")) {
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder.resolve("app/$file"))))
        }
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder.resolve("app"))))
    }

    @Test
    fun `a damaged record gives way to the one before it`() {
        storage.save("""{"v":1,"install":"one"}""", alone = false)
        storage.save("""{"v":1,"install":"two"}""", alone = false)
        Files.writeString(newest, """{"v":1,"inst""")
        assertEquals("one", recordOf(storage.load()!!).install)
    }

    @Test
    fun `what was forgotten does not come back`() {
        storage.save("""{"v":1,"install":"one"}""", alone = false)
        storage.save("""{"v":1,"install":"two"}""", alone = true)
        Files.writeString(newest, "")
        assertThrows(DamagedException::class.java) { storage.load() }
    }

    @Test
    fun `who is cancelled while waiting for the lock does not keep it`() = runBlocking {
        repeat(500) {
            val waiting = launch(Dispatchers.Default) { storage.hold { } }
            yield()
            waiting.cancelAndJoin()
        }
        assertEquals("held", storage.hold { "held" })
    }

    @Test
    fun `a folder that has two names lets one in at a time`() = runBlocking {
        val again = FileStorage(Files.createSymbolicLink(folder.resolve("again"), Files.createDirectory(folder.resolve("app"))))
        val entered = CompletableDeferred<Unit>()
        storage.hold {
            launch { again.hold { entered.complete(Unit) } }
            delay(200)
            assertFalse(entered.isCompleted)
        }
        entered.await()
    }

    @Test
    fun `the key is the one that was made, and a damaged one is lost`() {
        val made = storage.makeKey()
        assertEquals(made.thumbprint(), storage.key()!!.thumbprint())
        Files.writeString(folder.resolve("app/key.json"), "{")
        assertNull(storage.key())
    }
}
