/**
 * The driver that sdk/contract/resource plays this library with: lines of JSON in, lines of JSON out. It is an API on Jetty with the filter
 * before it, and a clock that can be set.
 */
@file:JvmName("Main")

package dev.sojourn.resource.driver

import dev.sojourn.jose.flag
import dev.sojourn.jose.json
import dev.sojourn.jose.jsonObject
import dev.sojourn.jose.list
import dev.sojourn.jose.number
import dev.sojourn.jose.text
import dev.sojourn.resource.Clock
import dev.sojourn.resource.Config
import dev.sojourn.resource.Guard
import dev.sojourn.resource.GuardFilter
import dev.sojourn.resource.Operation
import dev.sojourn.resource.Stale
import jakarta.servlet.DispatcherType
import jakarta.servlet.http.HttpServlet
import jakarta.servlet.http.HttpServletRequest
import jakarta.servlet.http.HttpServletResponse
import kotlinx.serialization.json.JsonObject
import org.eclipse.jetty.ee11.servlet.FilterHolder
import org.eclipse.jetty.ee11.servlet.ServletContextHandler
import org.eclipse.jetty.ee11.servlet.ServletHolder
import org.eclipse.jetty.server.HttpConfiguration
import org.eclipse.jetty.server.HttpConnectionFactory
import org.eclipse.jetty.server.Server
import org.eclipse.jetty.server.ServerConnector
import java.net.http.HttpClient
import java.nio.file.Files
import java.nio.file.Path
import java.security.KeyStore
import java.security.cert.CertificateFactory
import java.time.Duration
import java.util.EnumSet
import javax.net.ssl.SSLContext
import javax.net.ssl.TrustManagerFactory
import kotlin.concurrent.thread
import kotlin.system.exitProcess

private fun say(line: JsonObject) = synchronized(System.out) { println(line) }

/** The real clocks, and what `clock` added. A wait is over when the elapsed one has got there. */
private object DriverClock : Clock {
    private val changed = Object()
    private var wall = 0L

    @Volatile
    private var elapsed = 0L

    override fun wall() = synchronized(changed) { System.currentTimeMillis() + wall }

    override fun elapsed() = System.nanoTime() / 1_000_000 + elapsed

    override fun sleep(millis: Long) = synchronized(changed) {
        val until = elapsed() + millis
        while (elapsed() < until) changed.wait(until - elapsed())
    }

    fun change(wall: Long, pass: Long) = synchronized(changed) {
        this.wall += wall + pass
        elapsed += pass
        changed.notifyAll()
    }
}

private lateinit var guard: Guard

/** Trusts the player's authority. */
private fun network(): HttpClient = HttpClient.newBuilder().apply { System.getenv("CONTRACT_CA")?.let { sslContext(trusting(Path.of(it))) } }.build()

private fun trusting(pem: Path): SSLContext {
    val authority = Files.newInputStream(pem).use { CertificateFactory.getInstance("X.509").generateCertificate(it) }
    val store = KeyStore.getInstance(KeyStore.getDefaultType()).apply { load(null) }
    store.setCertificateEntry("contract", authority)
    val trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm()).apply { init(store) }.trustManagers
    return SSLContext.getInstance("TLS").apply { init(null, trust, null) }
}

private fun open(c: JsonObject): JsonObject {
    val issuer = c["issuer"].text!!
    val operations = c["operations"].list.filterIsInstance<JsonObject>().associate { (it["method"].text!! to it["path"].text!!) to operation(it) }
    guard = Guard(
        Config(
            issuer = issuer, clientId = c["client_id"].text!!, clientSecret = c["client_secret"].text!!, audience = c["audience"].text ?: issuer,
            stale = Stale.valueOf((c["stale"].text ?: "introspect").uppercase()), baseUrl = c["base"].text, name = c["name"].text,
            scopes = operations.values.flatMap { it.scopes }.distinct(), algorithms = (listOf("ES256") + c["algs"].list.map { it.text!! }).distinct(),
            typJwt = c["typ_jwt"].flag, http = network(), clock = DriverClock,
        ),
    )
    return json("url" to "http://127.0.0.1:${serve(operations)}")
}

private fun operation(c: JsonObject) =
    Operation(c["scopes"].list.map { it.text!! }, c["acr"].text, c["max_age"].number?.let { Duration.ofSeconds(it.toLong()) })

/** Serves the API on a port of its own, and returns that. */
private fun serve(operations: Map<Pair<String, String>, Operation>): Int {
    val handler = ServletContextHandler()
    val filter = GuardFilter(guard) { operations[it.method to it.requestURI] }
    handler.addFilter(FilterHolder(filter), "/*", EnumSet.of(DispatcherType.REQUEST))
    handler.addServlet(ServletHolder(Api()), "/*")
    val server = Server().apply { this.handler = handler }
    val http = HttpConfiguration().apply { requestHeaderSize = 64 shl 10 } // so that the library sees tokens that are too long
    val connector = ServerConnector(server, HttpConnectionFactory(http)).apply { host = "127.0.0.1" }
    server.addConnector(connector)
    server.start()
    return connector.localPort
}

private class Api : HttpServlet() {
    override fun service(request: HttpServletRequest, response: HttpServletResponse) {
        response.contentType = "application/json"
        val claims = GuardFilter.claims(request) ?: return run { response.status = 404 }
        val scope = claims.scopes.joinToString(" ").ifEmpty { null }
        val body = json("sub" to claims.subject, "sid" to claims.sessionId, "client_id" to claims.clientId, "scope" to scope, "jti" to claims.id)
        response.outputStream.write(body.toString().toByteArray())
    }
}

private fun state(): JsonObject = guard.status().run {
    json(
        "current" to current, "position" to position, "tag" to tag, "marks" to marks, "verified" to verified, "problem" to problem.orEmpty(),
        "calls" to JsonObject(calls.mapValues { json("n" to it.value).getValue("n") }),
    )
}

private fun await(current: Boolean): JsonObject {
    while (guard.status().current != current) Thread.sleep(5)
    return json()
}

private fun millis(c: JsonObject, name: String): Long = ((c[name].number ?: 0.0) * 1000).toLong()

private fun answer(c: JsonObject): JsonObject? = when (c["do"].text) {
    "open" -> open(c)
    "state" -> state()
    "await" -> await(c["current"].flag)
    "clock" -> DriverClock.change(millis(c, "wall"), millis(c, "pass")).let { json() }
    else -> null
}

private fun run(c: JsonObject) {
    val said = runCatching { answer(c) }
    val ok = said.getOrNull()
    val error = said.exceptionOrNull()?.let { json("kind" to "internal", "message" to it.stackTraceToString()) }
    say(json("id" to c["id"], if (ok != null) "ok" to ok else "error" to (error ?: json("kind" to "unsupported", "message" to c["do"]))))
}

fun main() {
    generateSequence(::readlnOrNull).forEach { line -> jsonObject(line)?.let { thread(isDaemon = true) { run(it) } } }
    exitProcess(0)
}
