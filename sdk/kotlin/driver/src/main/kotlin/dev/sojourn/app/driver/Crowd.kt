/**
 * Many devices in one process, for sdk/contract's weather (sdk/contract/README.md, "A crowd"): each with a folder, an app and a
 * person's session of its own. It speaks the driver's lines of JSON.
 */
@file:JvmName("Crowd")

package dev.sojourn.app.driver

import dev.sojourn.app.App
import dev.sojourn.app.AppException
import dev.sojourn.app.Clock
import dev.sojourn.app.Config
import dev.sojourn.app.FileStorage
import dev.sojourn.app.Kind
import dev.sojourn.app.Status
import dev.sojourn.app.Storage
import dev.sojourn.jose.json
import dev.sojourn.jose.jsonObject
import dev.sojourn.jose.long
import dev.sojourn.jose.number
import dev.sojourn.jose.text
import kotlin.random.Random
import kotlin.system.exitProcess
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.selects.select
import kotlinx.serialization.json.JsonObject
import okhttp3.OkHttpClient
import okhttp3.Request
import java.io.IOException
import java.nio.file.Path
import java.util.concurrent.ConcurrentHashMap

/** As fast as the weather, once that is there: signing in takes the time that it takes. */
private object FastClock : Clock {
    private class Pace(val hurry: Long, val since: Long, val passed: Long)

    private val began = System.currentTimeMillis()

    @Volatile
    private var pace = Pace(1, now(), 0)

    val hurry get() = pace.hurry

    private fun now() = System.nanoTime() / 1_000_000

    fun hasten(to: Long) {
        pace = Pace(to, now(), elapsed())
    }

    override fun wall() = began + elapsed()

    override fun elapsed() = pace.run { passed + (now() - since) * hurry }

    override suspend fun wait(millis: Long) = delay(millis / hurry)
}

/**
 * What a process has until it is killed. Afterwards its network and its store refuse everything, so that nothing it still does can be
 * seen: a process that is gone, as far as the server and the files know.
 */
private class Life(device: String, base: OkHttpClient, private val files: FileStorage) : Storage by files {
    val over = CompletableDeferred<Unit>()

    /** Kills it at the next save: before, or after it. */
    @Volatile
    var dieAt = ""

    val http: OkHttpClient = base.newBuilder().addNetworkInterceptor { chain ->
        alive()
        over.invokeOnCompletion { chain.call().cancel() }
        chain.proceed(chain.request().newBuilder().header("Weather-Device", device).build())
    }.build()

    fun kill() {
        over.complete(Unit)
    }

    private fun alive() {
        if (over.isCompleted) throw IOException("this process is gone")
    }

    override fun load(): String? = alive().let { files.load() }

    override fun check() = alive().let { files.check() }

    override fun save(record: String, alone: Boolean) {
        if (dieAt == "received") kill()
        alive()
        files.save(record, alone)
        if (dieAt == "written") kill()
        alive()
    }
}

private class Seen {
    var forced = 0
    var asked = 0
    var kills = 0
}

@OptIn(DelicateCoroutinesApi::class)
private class Phone(private val c: JsonObject, private val base: OkHttpClient) {
    private val device = c["device"].long!!
    private val dice = Random(device)
    private var life = born()
    var app = opened()
    val seen = Seen()

    private fun born() = Life("$device", base, FileStorage(Path.of(c["store"].text!!)))

    private fun opened() = App(
        Config(
            issuer = c["issuer"].text!!, clientId = c["client_id"].text!!, redirectUri = c["redirect_uri"].text!!, storage = life,
            clock = FastClock, http = life.http,
        ),
    )

    /** Uses the app about once a minute, and is killed about every fourth time: at a save, or wherever it is. */
    suspend fun live(url: String, seconds: Double) = coroutineScope {
        val until = System.nanoTime() + (seconds * 1e9 / FastClock.hurry).toLong()
        while (System.nanoTime() < until) {
            delay((30_000 + dice.nextLong(60_000)) / FastClock.hurry)
            val mine = life
            val fate = dice.nextInt(12)
            if (fate < 2) mine.dieAt = if (fate == 0) "received" else "written"
            if (fate == 2) launch { delay(dice.nextLong(300)); mine.kill() }
            val using = GlobalScope.async { // a death comes in the middle of a refresh
                use { if (fate < 3) app.token(fresh = true) else app.call(Request.Builder().url(url).build()).use { it.body.string() } }
            }
            select<Unit> { using.onAwait { }; mine.over.onAwait { } }
            if (fate < 3) restart()
        }
    }

    /** A new process on the same store. */
    private suspend fun restart() {
        life.kill()
        app.close()
        seen.kills++
        delay(1000) // a process takes a moment to start
        life = born()
        app = opened()
        if (app.state().status != Status.SIGNED_IN) seen.forced++
    }

    private suspend fun use(task: suspend () -> Unit): Boolean {
        seen.asked++
        try {
            task()
            return true
        } catch (e: AppException) {
            if (e.kind in listOf(Kind.ENDED, Kind.SIGNED_OUT, Kind.INVALID)) seen.forced++
        } catch (_: IOException) {
            // the body broke off
        }
        return false
    }

    /** Refreshes in good weather; a wait that a server asked for in the storm may not be over. */
    suspend fun settle(): Boolean {
        repeat(50) {
            if (use { app.token(fresh = true) }) return true
            delay(100)
        }
        return false
    }
}

private val phones = ConcurrentHashMap<Long, Phone>()
private val base = network()

private suspend fun <T> all(task: suspend (Phone) -> T): List<T> =
    coroutineScope { phones.values.map { async(Dispatchers.Default) { task(it) } }.awaitAll() }

private suspend fun reply(c: JsonObject): JsonObject {
    val phone = c["device"].long?.let { phones[it] }
    when (c["do"].text) {
        "open" -> phones[c["device"].long!!] = Phone(c, base)
        "begin" -> return json("url" to phone!!.app.begin())
        "redirect" -> phone!!.app.finish(c["url"].text!!)
        "live" -> {
            FastClock.hasten(c["hurry"].long!!)
            all { it.live(c["url"].text!!, c["seconds"].number!!) }
        }
        "settle" -> {
            val well = all { it.settle() }.count { it }
            val seen = phones.values.map { it.seen }
            return json("well" to well, "forced" to seen.sumOf { it.forced }, "asked" to seen.sumOf { it.asked }, "kills" to seen.sumOf { it.kills })
        }
    }
    return json()
}


@OptIn(DelicateCoroutinesApi::class)
fun main() {
    generateSequence(::readlnOrNull).forEach { line ->
        val c = jsonObject(line)!!
        GlobalScope.launch {
            val said = runCatching { reply(c) }
            val error = said.exceptionOrNull()?.let { json("kind" to "internal", "message" to it.stackTraceToString()) }
            say(json("id" to c["id"], if (error == null) "ok" to said.getOrNull() else "error" to error))
        }
    }
    exitProcess(0)
}
