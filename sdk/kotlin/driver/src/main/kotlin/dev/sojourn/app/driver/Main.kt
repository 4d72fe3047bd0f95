/**
 * The driver that sdk/contract plays this SDK with: lines of JSON in, lines of JSON out (sdk/contract/README.md). It is the SDK, a clock
 * that can be set, and a store that can be spoilt.
 */
@file:JvmName("Main")

package dev.sojourn.app.driver

import dev.sojourn.app.App
import dev.sojourn.app.AppException
import dev.sojourn.app.Asked
import dev.sojourn.app.Config
import dev.sojourn.app.Event
import dev.sojourn.app.FileStorage
import dev.sojourn.jose.json
import dev.sojourn.jose.jsonObject
import dev.sojourn.jose.list
import dev.sojourn.jose.long
import dev.sojourn.jose.number
import dev.sojourn.jose.text
import kotlin.system.exitProcess
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import okhttp3.Call
import okhttp3.ConnectionPool
import okhttp3.Dns
import okhttp3.Interceptor
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response
import java.io.IOException
import java.net.InetAddress
import java.net.UnknownHostException
import java.nio.file.Files
import java.nio.file.Path
import java.security.KeyStore
import java.security.cert.CertificateFactory
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.TimeUnit
import javax.net.ssl.SSLContext
import javax.net.ssl.TrustManagerFactory
import javax.net.ssl.X509TrustManager

internal fun say(line: JsonObject) = synchronized(System.out) { println(line) }

/** What there is until the app is closed: afterwards nothing of it is sent, written or said. */
private class Opened {
    @Volatile
    var over = false
    val calls = ConcurrentHashMap.newKeySet<Call>()
    val clock = DriverClock(::tell)
    lateinit var storage: DriverStorage
    lateinit var app: App
    var listening: AutoCloseable? = null
    var events: Job? = null

    fun tell(line: JsonObject) {
        if (!over) say(line)
    }

    fun note(chain: Interceptor.Chain): Response {
        calls += chain.call()
        if (over) throw IOException("this app is closed")
        return chain.proceed(chain.request())
    }

    /** As if the process had been killed. */
    fun end() {
        over = true
        listening?.close()
        events?.cancel()
        if (::app.isInitialized) app.close()
        if (::storage.isInitialized) storage.become("locked")
        calls.forEach(Call::cancel)
    }
}

@Volatile
private var opened = Opened()
private val app get() = opened.app

@Volatile
private var names = true

/** Trusts the player's authority, keeps no connection, and can be made unable to resolve names. */
internal fun network(): OkHttpClient = OkHttpClient.Builder().connectionPool(ConnectionPool(0, 1, TimeUnit.SECONDS)).dns(object : Dns {
    override fun lookup(hostname: String): List<InetAddress> = if (names) Dns.SYSTEM.lookup(hostname) else throw UnknownHostException(hostname)
}).apply { System.getenv("CONTRACT_CA")?.let { trust(Path.of(it)) } }.build()

private fun OkHttpClient.Builder.trust(pem: Path) {
    val authority = Files.newInputStream(pem).use { CertificateFactory.getInstance("X.509").generateCertificate(it) }
    val store = KeyStore.getInstance(KeyStore.getDefaultType()).apply { load(null) }
    store.setCertificateEntry("contract", authority)
    val trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm()).apply { init(store) }.trustManagers
    val context = SSLContext.getInstance("TLS").apply { init(null, trust, null) }
    sslSocketFactory(context.socketFactory, trust.first { it is X509TrustManager } as X509TrustManager)
}

@OptIn(DelicateCoroutinesApi::class)
private suspend fun open(c: JsonObject): JsonObject {
    val opened = opened
    val folder = Path.of(c["store"].text!!)
    opened.storage = DriverStorage(folder, opened::tell, FileStorage(folder, opened.clock))
    opened.clock.change(wall = millis(c, "wall"), pass = 0)
    opened.app = App(
        Config(
            issuer = c["issuer"].text!!, clientId = c["client_id"].text!!, redirectUri = c["redirect_uri"].text!!, storage = opened.storage,
            apis = c["resources"].list.map { it.text!! }, language = c["lang"].text ?: "en",
            scope = c["scope"].text ?: "openid profile email offline_access", bound = (c["dpop"] as? JsonPrimitive)?.content != "false",
            clock = opened.clock, http = network().newBuilder().addInterceptor(opened::note).build(),
        ),
    )
    opened.events = GlobalScope.launch(Dispatchers.Unconfined, CoroutineStart.UNDISPATCHED) { opened.app.events.collect { tell(opened, it) } }
    return json("state" to app.state().status.name.lowercase())
}

private fun tell(opened: Opened, event: Event) = when (event) {
    is Event.SessionEnded -> opened.tell(json("event" to "ended", "reason" to event.ended.reason, "sentence" to event.ended.sentence))
    is Event.Heard -> opened.tell(json("event" to "heard", "name" to event.name, "data" to event.data))
    Event.SignedOut -> opened.tell(json("event" to "signed_out", "heard" to true))
    Event.Changed -> opened.tell(json("event" to "changed"))
}

private fun close(): JsonObject {
    opened.end()
    opened = Opened()
    names = true
    return json()
}

private suspend fun identity(): JsonObject {
    val state = app.state()
    val who = state.identity ?: return json()
    return json(
        "sub" to who.subject, "name" to who.name, "email" to who.email, "since" to who.since.epochSecond,
        "session_ends_in" to state.endsIn?.seconds, "sign_in_soon" to state.signInSoon,
    )
}

private suspend fun token(fresh: Boolean): JsonObject =
    app.token(fresh).run { json("access_token" to accessToken, "token_type" to type, "expires_in" to expiresIn.seconds) }

private suspend fun burst(n: Int): JsonObject = coroutineScope {
    val all = List(n) { async(Dispatchers.Default) { runCatching { app.token().accessToken } } }.awaitAll()
    val errors = all.mapNotNull { it.exceptionOrNull() }.map { (it as AppException).kind.name.lowercase() }
    json("tokens" to all.mapNotNull { it.getOrNull() }.distinct(), "errors" to errors.distinct())
}

private suspend fun call(c: JsonObject): JsonObject {
    val body = c["body"].text?.toRequestBody()
    app.call(Request.Builder().url(c["url"].text!!).method(c["method"].text ?: "GET", body).build()).use {
        return json("status" to it.code, "body" to it.body.string().take(1000), "type" to it.header("Content-Type"))
    }
}

private fun millis(c: JsonObject, name: String): Long = ((c[name].number ?: 0.0) * 1000).toLong()

private suspend fun answer(c: JsonObject): JsonObject? {
    when (c["do"].text) {
        "open" -> return open(c)
        "close" -> return close()
        "begin" -> return json("url" to app.begin(Asked(prompt = c["prompt"].text)))
        "redirect" -> app.finish(c["url"].text!!).also { return identity() }
        "token" -> return token(false)
        "refresh" -> return token(true)
        "burst" -> return burst(c["n"].long!!.toInt())
        "call" -> return call(c)
        "identity" -> return identity()
        "signout" -> return json("heard" to app.signOut())
        "vectors" -> return JsonObject(mapOf("output" to vector(c["kind"].text!!, c["input"] ?: JsonNull)))
        "listen" -> opened.listening = app.listen()
        "unlisten" -> opened.listening?.close()
        "clock" -> opened.clock.change(wall = millis(c, "wall") + millis(c, "sleep"), pass = millis(c, "pass"))
        "store" -> opened.storage.become(c["mode"].text!!)
        "dns" -> names = c["mode"].text == "ok"
        "pause" -> opened.storage.pause(c["at"].text!!, c["nth"].long?.toInt() ?: 1)
        "cancel" -> Unit // closing the browser tells the SDK nothing
        else -> return null
    }
    return json()
}

private fun wrong(e: Throwable): JsonObject {
    if (e !is AppException) return json("kind" to "internal", "message" to e.stackTraceToString())
    return json(
        "kind" to e.kind.name.lowercase(), "message" to e.message, "code" to e.code, "retry_after" to e.retryAfter?.seconds,
        "reason" to e.ended?.reason, "sentence" to e.ended?.sentence,
    )
}

private suspend fun run(c: JsonObject) {
    val said = runCatching { answer(c) }
    val ok = said.getOrNull()
    val error = said.exceptionOrNull()?.let(::wrong) ?: json("kind" to "unsupported", "message" to c["do"])
    say(json("id" to c["id"], if (ok != null) "ok" to ok else "error" to error))
}

@OptIn(DelicateCoroutinesApi::class)
fun main() {
    // In their order until they wait, and then beside each other.
    generateSequence(::readlnOrNull).forEach { line -> jsonObject(line)?.let { GlobalScope.launch(Dispatchers.Unconfined) { run(it) } } }
    exitProcess(0)
}
