package dev.sojourn.app

import com.sun.net.httpserver.HttpServer
import dev.sojourn.jose.json
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.supervisorScope
import okhttp3.OkHttpClient
import okhttp3.Request
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.net.InetAddress
import java.net.InetSocketAddress
import java.nio.file.Path
import java.util.Base64
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors

/** What is left of a sign-in that is over, and of an app that is closed. */
class SignInTest {
    @TempDir
    lateinit var folder: Path

    private val asked = CompletableDeferred<Unit>()
    private val never = CountDownLatch(1)
    private var answer: () -> String = { never.await().toString() }
    private val server = HttpServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0).apply {
        executor = Executors.newCachedThreadPool { Thread(it).apply { isDaemon = true } }
        createContext("/token") {
            asked.complete(Unit)
            val body = answer().toByteArray()
            it.responseHeaders.set("Content-Type", "application/json")
            it.sendResponseHeaders(200, body.size.toLong())
            it.responseBody.use { out -> out.write(body) }
        }
        start()
    }
    private val issuer = "http://localhost:${server.address.port}"

    /** The system's clocks, which can be put ahead. */
    private object Ahead : Clock by SystemClock {
        var by = 0L

        override fun wall() = SystemClock.wall() + by

        override fun elapsed() = SystemClock.elapsed() + by
    }

    private fun config(session: Session? = null, browser: Browser? = null): Config {
        val storage = FileStorage(folder)
        val discovery = Discovery(Ahead.wall(), json("issuer" to issuer, "authorization_endpoint" to "$issuer/authorize", "token_endpoint" to "$issuer/token"))
        storage.save(Record(discovery = discovery, session = session).toString(), true)
        return Config(issuer, "notes", "a:/b", storage, listOf("$issuer/notes"), clock = Ahead, http = OkHttpClient(), browser = browser)
    }

    @AfterEach
    fun stop() {
        never.countDown()
        server.stop(0)
        Ahead.by = 0
    }

    private fun kindOf(task: suspend () -> Unit): Kind? = runBlocking { runCatching { task() }.exceptionOrNull()?.let { (it as AppException).kind } }

    @Test
    fun `nothing is remembered of a sign-in that is over, in a process that lives for months`() = runBlocking {
        val ctx = Context(config())
        val server = Server(ctx)
        val tokens = Tokens(ctx, server)
        val signIn = SignIn(ctx, server, tokens, Refresh(ctx, server, tokens))
        suspend fun begin() = parametersOf(signIn.begin(Asked(), "a:/b"))
        suspend fun back(begun: Map<String, String>, brings: String) = signIn.redirected("a:/b?state=${begun["state"]}&$brings")

        begin()
        assertEquals(1, ctx.begun.size)
        Ahead.by = 7_200_000
        val refused = begin()
        assertEquals(1, ctx.begun.size) // the first is over its hour
        assertEquals(Kind.REFUSED, kindOf { back(refused, "error=access_denied") })
        assertEquals(0, ctx.begun.size)
        begin().let { begun ->
            answer = { redeemed(begun["nonce"]!!) }
            assertEquals(Kind.OFFLINE, kindOf { back(begun, "code=one") }) // redeemed, and kept until there are keys to verify it
        }
        assertEquals(0, ctx.begun.size)
        begin()
        SignOuts(ctx, server).signOut(false)
        assertEquals(0, ctx.begun.size)
    }

    @Test
    fun `of the access tokens that were refused the newest are remembered, in a process that lives for months`() {
        val ctx = Context(config())
        val sessions = List(1000) { Session("s", "sid", "token $it", "Bearer", "r1", null, null, System.currentTimeMillis(), 600_000) }
        sessions.forEach(ctx::refused)
        assertEquals(0, ctx.left(sessions.last()))
        assertTrue(ctx.dead.size < 100)
    }

    private fun redeemed(nonce: String): String {
        val claims = json("iss" to issuer, "aud" to "notes", "sub" to "ada", "nonce" to nonce, "exp" to Ahead.wall() / 1000 + 600)
        val parts = listOf(json("alg" to "ES256"), claims, "no").map { Base64.getUrlEncoder().withoutPadding().encodeToString(it.toString().toByteArray()) }
        return json("access_token" to "one", "token_type" to "Bearer", "expires_in" to 600, "id_token" to parts.joinToString(".")).toString()
    }

    @Test
    fun `whoever waits when an app is closed, and whoever asks it later, is told so at once`() = runBlocking {
        val session = Session("s", "sid", "first", "Bearer", "r1", null, null, System.currentTimeMillis(), 600_000)
        val app = App(config(session))
        val future = FutureApp(app)
        val waits = future.token(fresh = true)
        asked.await()
        app.close()
        assertEquals(Kind.CLOSED, kindOf { runCatching { waits.join() }.onFailure { throw it.cause!! } })
        val request = Request.Builder().url("$issuer/notes").build()
        val calls: Map<String, suspend () -> Unit> = mapOf(
            "state" to { app.state() }, "signIn" to { App(config(session, Patient())).run { close(); signIn() } }, "begin" to { app.begin() },
            "finish" to { app.finish("a:/b?state=any&code=any") }, "token" to { app.token() }, "call" to { app.call(request) },
            "userInfo" to { app.userInfo() }, "signOut" to { app.signOut() },
            "authorize" to { app.authorize(OkHttpClient.Builder()).build().newCall(request).execute() },
        )
        assertEquals(calls.mapValues { Kind.CLOSED }, calls.mapValues { (_, call) -> kindOf(call) })
        app.listen().close()
        app.close()
    }

    @Test
    fun `closing an app ends the sign-in whose browser is open`(): Unit = runBlocking {
        val browser = Patient()
        val app = App(config(browser = browser))
        supervisorScope {
            val waits = async { app.signIn() }
            browser.opened.await()
            app.close()
            assertEquals(Kind.CLOSED, kindOf { waits.await() })
        }
    }

    /** A browser that nobody does anything in. */
    private class Patient : Browser {
        val opened = CompletableDeferred<Unit>()

        override suspend fun open(url: String, redirectUri: String): String? {
            opened.complete(Unit)
            awaitCancellation()
        }
    }
}
