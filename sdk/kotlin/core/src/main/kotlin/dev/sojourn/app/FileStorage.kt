package dev.sojourn.app

import dev.sojourn.jose.json
import dev.sojourn.jose.jsonObject
import dev.sojourn.jose.text
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.delay
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.NoSuchFileException
import java.nio.file.Path
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardCopyOption.REPLACE_EXISTING
import java.nio.file.StandardOpenOption.CREATE
import java.nio.file.StandardOpenOption.READ
import java.nio.file.StandardOpenOption.TRUNCATE_EXISTING
import java.nio.file.StandardOpenOption.WRITE
import java.nio.file.attribute.PosixFilePermissions
import java.security.KeyFactory
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.spec.ECGenParameterSpec
import java.security.spec.InvalidKeySpecException
import java.security.spec.PKCS8EncodedKeySpec
import java.security.spec.X509EncodedKeySpec
import java.util.Base64
import java.util.concurrent.ConcurrentHashMap

/**
 * Keeps everything in a folder of mode 0700: the record, the one before it, and the key, in files of mode 0600. The key is as safe
 * as the tokens beside it; where the platform keeps keys that can't be copied, use those (`AndroidStorage`).
 */
open class FileStorage @JvmOverloads constructor(private val folder: Path, private val clock: Clock = SystemClock) : Storage {
    private val newest = folder.resolve("record.json")
    private val before = folder.resolve("record.old.json")
    private val fresh = folder.resolve("record.new.json")
    private val keyFile = folder.resolve("key.json")

    /** What is written for a text, and the text of what was written, which throws [DamagedException] where it is not whole. */
    protected open fun seal(text: String): ByteArray = text.toByteArray()

    protected open fun open(kept: ByteArray): String =
        kept.decodeToString().also { if (jsonObject(it) == null) throw DamagedException("A file in $folder is damaged.") }

    override fun load(): String? = try {
        read(newest) ?: read(before)
    } catch (e: DamagedException) {
        read(before) ?: throw e // the token before is good: an honest retry (docs/refresh.md)
    }

    override fun check() = write(fresh, ByteArray(16_384), durable = false)

    override fun save(record: String, alone: Boolean) {
        write(fresh, seal(record), durable = true)
        if (alone) Files.deleteIfExists(before) else if (Files.exists(newest)) move(newest, before)
        move(fresh, newest)
        flush()
    }

    override suspend fun <T> hold(task: suspend () -> T): T = mutex().withLock {
        var channel: FileChannel? = null // not what withContext returns: who is cancelled meanwhile would never see it, nor give it back
        try {
            withContext(Dispatchers.IO) { channel = FileChannel.open(folder.resolve("lock"), CREATE, WRITE) }
            channel!!.await()
            task()
        } finally {
            channel?.let { withContext(NonCancellable + Dispatchers.IO) { it.close() } }
        }
    }

    /** By the folder's real name: it may have several. */
    private suspend fun mutex(): Mutex = withContext(Dispatchers.IO) {
        make()
        mutexes.getOrPut(folder.toRealPath()) { Mutex() }
    }

    /** The lock goes with the channel, and that with the process. One that stands still keeps it: nobody waits for that for ever. */
    private suspend fun FileChannel.await() {
        val began = clock.elapsed()
        while (withContext(Dispatchers.IO) { tryLock() } == null) {
            if (clock.elapsed() - began > PATIENCE) throw offline("Another process is busy with the store.")
            delay(10)
        }
    }

    override fun key(): KeyPair? = try {
        read(keyFile)?.let { text -> jsonObject(text)?.let { pair(it["private"].text!!, it["public"].text!!) } }
    } catch (_: DamagedException) {
        null // a key that is damaged is lost
    } catch (_: InvalidKeySpecException) {
        null
    }

    override fun makeKey(): KeyPair {
        val pair = KeyPairGenerator.getInstance("EC").apply { initialize(ECGenParameterSpec("secp256r1")) }.generateKeyPair()
        val (private, public) = listOf(pair.private, pair.public).map { Base64.getEncoder().encodeToString(it.encoded) }
        write(fresh, seal(json("private" to private, "public" to public).toString()), durable = true)
        move(fresh, keyFile)
        flush()
        return pair
    }

    private fun pair(private: String, public: String): KeyPair = KeyFactory.getInstance("EC").run {
        val (first, second) = listOf(private, public).map { Base64.getDecoder().decode(it) }
        KeyPair(generatePublic(X509EncodedKeySpec(second)), generatePrivate(PKCS8EncodedKeySpec(first)))
    }

    private fun read(file: Path): String? {
        val kept = try {
            if (Files.getOwner(file) != Files.getOwner(folder)) throw IOException("$file belongs to another user")
            Files.readAllBytes(file)
        } catch (_: NoSuchFileException) {
            return null
        }
        return open(kept)
    }

    private fun make() {
        if (Files.isDirectory(folder)) return
        if (posix) Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")))
        else Files.createDirectories(folder)
    }

    private val posix get() = "posix" in folder.fileSystem.supportedFileAttributeViews()

    private fun write(file: Path, bytes: ByteArray, durable: Boolean) {
        make()
        FileChannel.open(file, CREATE, WRITE, TRUNCATE_EXISTING).use { channel ->
            if (posix) Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"))
            val all = ByteBuffer.wrap(bytes)
            while (all.hasRemaining()) channel.write(all)
            if (durable) channel.force(true)
        }
    }

    private fun move(from: Path, to: Path) {
        Files.move(from, to, ATOMIC_MOVE, REPLACE_EXISTING)
    }

    /** Makes a rename survive a power cut. Windows can't open folders, and needs none of it. */
    private fun flush() {
        if (posix) FileChannel.open(folder, READ).use { it.force(true) }
    }

    private companion object {
        /** Of all storages of this process, for a file's lock is the process's. */
        val mutexes = ConcurrentHashMap<Path, Mutex>()
    }
}
