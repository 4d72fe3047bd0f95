package dev.sojourn.app.driver

import dev.sojourn.app.Clock
import dev.sojourn.app.FileStorage
import dev.sojourn.app.Storage
import dev.sojourn.jose.json
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.serialization.json.JsonObject
import java.io.IOException
import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardOpenOption.WRITE

/** The real clocks, and what `clock` added. A wait is over when the elapsed one has got there. */
class DriverClock(private val say: (JsonObject) -> Unit) : Clock {
    @Volatile
    private var wall = 0L
    private val elapsed = MutableStateFlow(0L)

    override fun wall() = System.currentTimeMillis() + wall

    override fun elapsed() = System.nanoTime() / 1_000_000 + elapsed.value

    override suspend fun wait(millis: Long) {
        say(json("event" to "waiting", "seconds" to millis / 1000.0))
        val until = elapsed() + millis
        while (elapsed() < until) withTimeoutOrNull(until - elapsed()) { elapsed.first { elapsed() >= until } }
    }

    fun change(wall: Long, pass: Long) {
        this.wall += wall + pass
        elapsed.value += pass
    }
}

/** A store that can be out of order, and in which a task can stand still for ever: the player kills this process then. */
class DriverStorage(private val folder: Path, private val say: (JsonObject) -> Unit, private val files: FileStorage = FileStorage(folder)) :
    Storage by files {
    @Volatile
    private var mode = "ok"
    private var pauseAt = ""
    private var pauseIn = 0

    override fun load(): String? = unless("locked") { files.load() }

    override fun check() = unless("locked", "readonly") { files.check() }

    override fun key() = unless("locked") { files.key() }

    override fun save(record: String, alone: Boolean) {
        stand("received")
        unless("locked", "readonly", "full") { if (mode != "lying") files.save(record, alone) }
        stand("written")
    }

    private fun <T> unless(vararg modes: String, task: () -> T): T =
        if (mode in modes) throw IOException("the store is $mode") else task()

    private fun stand(at: String) {
        if (pauseAt != at || --pauseIn > 0) return
        say(json("event" to "paused", "at" to at))
        Thread.sleep(Long.MAX_VALUE)
    }

    fun pause(at: String, nth: Int) {
        pauseAt = at
        pauseIn = nth
    }

    fun become(mode: String) = when (mode) {
        "truncated" -> FileChannel.open(folder.resolve("record.json"), WRITE).use { it.truncate(it.size() / 2) }
        "keyless" -> Files.deleteIfExists(folder.resolve("key.json"))
        else -> this.mode = mode
    }
}
