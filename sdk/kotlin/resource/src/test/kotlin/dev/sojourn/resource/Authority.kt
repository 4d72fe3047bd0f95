package dev.sojourn.resource

import com.sun.net.httpserver.HttpExchange
import com.sun.net.httpserver.HttpServer
import dev.sojourn.jose.base64url
import dev.sojourn.jose.digest
import dev.sojourn.jose.json
import dev.sojourn.jose.jwk
import dev.sojourn.jose.random
import dev.sojourn.jose.sign
import dev.sojourn.jose.thumbprint
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import java.net.InetSocketAddress
import java.net.URLDecoder
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.spec.ECGenParameterSpec
import java.util.concurrent.Executors

/** An authorization server as far as an API sees it: its keys, its word on reference tokens, and its feed of endings. */
internal class Authority : AutoCloseable {
    private val key = keyPair()
    private val marks = mutableListOf<List<Any>>()
    private val threads = Executors.newCachedThreadPool()
    private val server = HttpServer.create(InetSocketAddress("127.0.0.1", 0), 0).apply { executor = threads }
    private val changed = Object()

    val issuer = "http://127.0.0.1:${server.address.port}"
    val references = mutableMapOf<String, JsonObject>()

    @Volatile
    private var open = true

    init {
        answer("/.well-known/openid-configuration") {
            json("issuer" to issuer, "jwks_uri" to "$issuer/jwks", "introspection_endpoint" to "$issuer/introspect", "endings_endpoint" to "$issuer/endings")
        }
        answer("/jwks") { json("keys" to listOf(JsonObject(key.jwk() + mapOf("kid" to JsonPrimitive("k"), "alg" to JsonPrimitive("ES256"))))) }
        answer("/introspect") { references[form(it)["token"]] ?: json("active" to false) }
        server.createContext("/endings", ::stream)
        server.start()
    }

    private fun answer(path: String, of: (HttpExchange) -> JsonObject) = server.createContext(path) { exchange ->
        val body = of(exchange).toString().toByteArray()
        exchange.responseHeaders["Content-Type"] = "application/json"
        exchange.sendResponseHeaders(200, body.size.toLong())
        exchange.responseBody.use { it.write(body) }
    }

    private fun form(exchange: HttpExchange) = exchange.requestBody.readAllBytes().decodeToString().split('&')
        .associate { it.substringBefore('=') to URLDecoder.decode(it.substringAfter('='), "UTF-8") }

    /** The whole of what ended, then what ends, and a beat every second. */
    private fun stream(exchange: HttpExchange) {
        val nonce = form(exchange).getValue("nonce")
        exchange.responseHeaders["Content-Type"] = "text/event-stream"
        exchange.sendResponseHeaders(200, 0)
        exchange.responseBody.use { out ->
            var at = 0
            synchronized(changed) {
                while (open) {
                    val more = marks.drop(at)
                    val batch = json("iss" to issuer, "from" to at, "to" to marks.size, "tag" to "t${marks.size}", "iat" to now(), "marks" to more)
                    if (more.isNotEmpty() || at == 0) out.write("event: endings\ndata: ${jws("endings+jwt", batch)}\n\n".toByteArray())
                    at = marks.size
                    val beat = json("iss" to issuer, "iat" to now(), "nonce" to nonce, "at" to at, "tag" to "t$at", "window" to 660)
                    out.write("event: beat\ndata: ${jws("endings+jwt", beat)}\n\n".toByteArray())
                    out.flush()
                    changed.wait(1000)
                }
            }
        }
    }

    fun end(vararg mark: Any) = synchronized(changed) {
        marks += mark.toList()
        changed.notifyAll()
    }

    fun token(vararg claims: Pair<String, Any?>): String {
        val usual = json("iss" to issuer, "aud" to API, "sub" to "ada", "sid" to "s1", "client_id" to "notes", "jti" to random(), "iat" to now(), "exp" to now() + 600, "scope" to "notes.read")
        return jws("at+jwt", JsonObject(usual + json(*claims)))
    }

    /** A token that is bound to a key. */
    fun bound(to: KeyPair, vararg more: Pair<String, Any?>): String = token("cnf" to json("jkt" to to.thumbprint()), *more)

    private fun jws(type: String, claims: JsonObject) = signed(key, json("typ" to type, "alg" to "ES256", "kid" to "k"), claims)

    override fun close() {
        open = false
        synchronized(changed) { changed.notifyAll() }
        server.stop(0)
        threads.shutdownNow()
    }

    companion object {
        const val API = "https://api.example.com"

        fun now() = System.currentTimeMillis() / 1000

        fun keyPair(): KeyPair = KeyPairGenerator.getInstance("EC").apply { initialize(ECGenParameterSpec("secp256r1")) }.generateKeyPair()

        fun proof(by: KeyPair, method: String, url: String, token: String): String = signed(
            by, json("typ" to "dpop+jwt", "alg" to "ES256", "jwk" to by.jwk()),
            json("jti" to random(), "htm" to method, "htu" to url, "iat" to now(), "ath" to digest(token)),
        )

        private fun signed(key: KeyPair, vararg parts: JsonElement): String {
            val text = parts.joinToString(".") { it.toString().toByteArray().base64url() }
            return "$text.${key.sign(text.toByteArray()).base64url()}"
        }
    }
}

internal fun Authority.config(stale: Stale = Stale.INTROSPECT) = Config(issuer, "api", "secret", Authority.API, stale, name = "Notes", scopes = listOf("notes.read"))

/** Waits until something is so, for as long as a busy machine may take. */
internal fun until(so: () -> Boolean) {
    val end = System.nanoTime() + 60_000_000_000
    while (!so()) {
        check(System.nanoTime() < end) { "it never came" }
        Thread.sleep(5)
    }
}

internal class Asked(override val url: String, override val method: String = "GET", private vararg val given: Pair<String, String>) : Incoming {
    override fun headers(name: String) = given.filter { it.first.equals(name, ignoreCase = true) }.map { it.second }
}
