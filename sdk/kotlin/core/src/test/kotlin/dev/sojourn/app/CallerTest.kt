package dev.sojourn.app

import com.sun.net.httpserver.HttpExchange
import com.sun.net.httpserver.HttpServer
import dev.sojourn.jose.json
import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import okhttp3.OkHttpClient
import okhttp3.Request
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.FilterInputStream
import java.io.InputStream
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.Socket
import java.nio.file.Path
import java.time.Instant
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger
import javax.net.SocketFactory

/** What becomes of who calls: their thread, and what they are told when others call too. */
class CallerTest {
    @TempDir
    lateinit var folder: Path

    private val refused = AtomicInteger()
    private val server = HttpServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0).apply {
        executor = Executors.newCachedThreadPool { Thread(it).apply { isDaemon = true } }
        createContext("/token") { it.slowly(200, """{"access_token":"second","token_type":"Bearer","refresh_token":"r2","expires_in":600}""") }
        createContext("/userinfo") { it.slowly(200, """{"sub":"ada","name":"Ada"}""") }
        createContext("/signout") { it.slowly(200, "{}") }
        createContext("/notes") { it.slowly(if ("first" in it.requestHeaders.getFirst("Authorization")) 401.also { refused.incrementAndGet() } else 200, "{}") }
        start()
    }
    private val issuer = "http://localhost:${server.address.port}"

    /** The body comes some time after the headers, as it does on a thin way. */
    private fun HttpExchange.slowly(status: Int, body: String) {
        responseHeaders.set("Content-Type", "application/json")
        sendResponseHeaders(status, body.length.toLong())
        responseBody.flush()
        Thread.sleep(200)
        responseBody.use { it.write(body.toByteArray()) }
    }

    /** Somebody is signed in. */
    private fun config(storage: FileStorage, http: OkHttpClient = OkHttpClient()): Config {
        val places = listOf("authorization", "token", "userinfo", "signout").map { "${it}_endpoint" to "$issuer/$it" }
        val discovery = Discovery(System.currentTimeMillis(), json("issuer" to issuer, *places.toTypedArray()))
        val session = Session("s", "sid", "first", "Bearer", "r1", null, null, System.currentTimeMillis(), 600_000)
        storage.save(Record(discovery = discovery, session = session, identity = Identity("ada", null, null, json("sub" to "ada"), Instant.EPOCH, null)).toString(), true)
        return Config(issuer, "notes", "a:/b", storage, listOf("$issuer/notes"), http = http)
    }

    @AfterEach
    fun stop() = server.stop(0)

    @Test
    fun `the network is read by other threads than the caller's, which may be Android's main one`() = runBlocking {
        val main = Thread.currentThread()
        val http = OkHttpClient.Builder().socketFactory(Guarded { check(Thread.currentThread() !== main) { "the network, on the main thread" } }).build()
        App(config(FileStorage(folder), http)).use { app ->
            assertEquals("Ada", app.userInfo().name)
            val response = app.call(Request.Builder().url("$issuer/notes").build())
            assertEquals(listOf(200, 1), listOf(response.code, refused.get()))
        }
    }

    @Test
    fun `what was read before a sign-out is not true after it`() = runBlocking {
        val (reading, read) = CountDownLatch(1) to CountDownLatch(1)
        var slow = false
        val storage = object : FileStorage(folder) {
            override fun load(): String? = super.load().also {
                if (slow) {
                    slow = false
                    reading.countDown()
                    read.await()
                }
            }
        }
        App(config(storage)).use { app ->
            assertEquals(Status.SIGNED_IN, app.state().status)
            slow = true
            val late = async { app.state() }
            while (reading.count > 0) kotlinx.coroutines.yield()
            app.signOut()
            read.countDown()
            assertEquals(Status.SIGNED_OUT, late.await().status)
        }
    }
}

/** Sockets that ask before they are read, as Android does. */
private class Guarded(private val ask: () -> Unit) : SocketFactory() {
    override fun createSocket() = object : Socket() {
        override fun getInputStream(): InputStream = object : FilterInputStream(super.getInputStream()) {
            override fun read(b: ByteArray, off: Int, len: Int): Int {
                ask()
                return super.read(b, off, len)
            }
        }
    }

    override fun createSocket(host: String, port: Int): Socket = error("OkHttp connects by itself")

    override fun createSocket(host: String, port: Int, localHost: InetAddress, localPort: Int): Socket = error("OkHttp connects by itself")

    override fun createSocket(host: InetAddress, port: Int): Socket = error("OkHttp connects by itself")

    override fun createSocket(address: InetAddress, port: Int, localAddress: InetAddress, localPort: Int): Socket = error("OkHttp connects by itself")
}
