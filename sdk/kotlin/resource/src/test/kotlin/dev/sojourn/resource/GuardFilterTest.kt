package dev.sojourn.resource

import dev.sojourn.jose.json
import jakarta.servlet.DispatcherType
import jakarta.servlet.http.HttpServlet
import jakarta.servlet.http.HttpServletRequest
import jakarta.servlet.http.HttpServletResponse
import org.eclipse.jetty.ee11.servlet.FilterHolder
import org.eclipse.jetty.ee11.servlet.ServletContextHandler
import org.eclipse.jetty.ee11.servlet.ServletHolder
import org.eclipse.jetty.server.Server
import org.eclipse.jetty.server.ServerConnector
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.util.EnumSet

class GuardFilterTest {
    private val authority = Authority()
    private val guard = Guard(authority.config(Stale.ACCEPT)) // so that a busy machine, which falls behind the feed, changes nothing
    private val jetty = Server()
    private val url by lazy { "http://127.0.0.1:${(jetty.connectors[0] as ServerConnector).localPort}" }

    @BeforeEach
    fun serve() {
        val handler = ServletContextHandler("/api")
        val filter = GuardFilter(guard) { if (it.requestURI == "/api/open") null else Operation("notes.read") }
        handler.addFilter(FilterHolder(filter), "/*", EnumSet.of(DispatcherType.REQUEST, DispatcherType.ERROR))
        handler.addFilter(FilterHolder(GuardFilter(guard, "notes.write")), "/write/*", EnumSet.of(DispatcherType.REQUEST))
        handler.addServlet(ServletHolder(Told()), "/*")
        jetty.handler = handler
        jetty.addConnector(ServerConnector(jetty).apply { host = "127.0.0.1" })
        jetty.start()
        until { guard.status().current }
    }

    @AfterEach
    fun close() {
        jetty.stop()
        guard.close()
        authority.close()
    }

    /** Says who asked. */
    private class Told : HttpServlet() {
        override fun doGet(request: HttpServletRequest, response: HttpServletResponse) {
            if (request.pathInfo == "/broken") return response.sendError(500)
            val claims = GuardFilter.claims(request)
            response.writer.print("${request.remoteUser} ${request.authType} ${request.isUserInRole("notes.read")} ${claims?.sessionId} ${request.userPrincipal === claims}")
        }
    }

    private fun get(path: String, vararg headers: String): HttpResponse<String> = HttpClient.newHttpClient()
        .send(HttpRequest.newBuilder(URI(url + path)).apply { if (headers.isNotEmpty()) headers(*headers) }.build(), HttpResponse.BodyHandlers.ofString())

    @Test
    fun `whoever shows a token is who the container says, until the session ends`() {
        val token = authority.token()
        val other = authority.token("sid" to "s2")
        assertEquals("ada Bearer true s1 true", get("/api/notes", "Authorization", "Bearer $token").body())
        val asked = guard.status().calls - "feed"
        authority.end("s", "s1")
        until { get("/api/notes", "Authorization", "Bearer $token").statusCode() == 401 }
        val refused = get("/api/notes", "Authorization", "bearer $token")
        assertTrue("The session is over." in refused.body(), refused.body())
        assertEquals(200, get("/api/notes", "Authorization", "Bearer $other").statusCode())
        assertEquals(asked, guard.status().calls - "feed", "no request asks the server anything")
    }

    @Test
    fun `without a token an app is told how to get one`() {
        val refused = get("/api/notes")
        assertEquals(401, refused.statusCode())
        val metadata = "$url$WELL_KNOWN"
        val more = """scope="notes.read", resource_metadata="$metadata""""
        assertEquals(listOf("Bearer $more", "DPoP algs=\"ES256\", $more"), refused.headers().allValues("WWW-Authenticate"))
        assertFalse("\"error\"" in refused.body())
        assertEquals("null null false null true", get("/api/open").body())
        assertEquals(403, get("/api/notes", "Authorization", "Bearer ${authority.token("scope" to "other")}").statusCode())
    }

    @Test
    fun `what fails behind the filter is not judged again`() {
        assertEquals(500, get("/api/broken", "Authorization", "Bearer ${authority.token()}").statusCode())
    }

    @Test
    fun `a filter behind another one asks for its own scopes, and for no second proof`() {
        val key = Authority.keyPair()
        val answers = listOf("notes.read" to 403, "notes.read notes.write" to 200).map { (scope, _) ->
            val token = authority.bound(key, "scope" to scope)
            val proof = Authority.proof(key, "GET", "$url/api/write/1", token)
            get("/api/write/1", "Authorization", "DPoP $token", "DPoP", proof)
        }
        assertEquals(listOf(403, 200), answers.map { it.statusCode() })
        assertTrue("scope=\"notes.write\"" in answers[0].headers().firstValue("WWW-Authenticate").get())
        assertEquals(403, get("/api/write/1", "Authorization", "Bearer ${authority.token()}").statusCode())
    }

    @Test
    fun `a bound token needs a new proof for each request`() {
        val key = Authority.keyPair()
        val token = authority.bound(key)
        val proof = Authority.proof(key, "GET", "$url/api/notes", token)
        assertEquals("ada DPoP true s1 true", get("/api/notes?q=1", "Authorization", "DPoP $token", "DPoP", proof).body())
        val again = get("/api/notes", "Authorization", "DPoP $token", "DPoP", proof)
        assertTrue("invalid_dpop_proof" in again.headers().firstValue("WWW-Authenticate").get())
        assertEquals(401, get("/api/notes", "Authorization", "Bearer $token").statusCode())
    }

    @Test
    fun `reference tokens are asked for, and refused by what the feed says`() {
        authority.references["ref_1"] = json(
            "active" to true, "sub" to "ada", "sid" to "s9", "client_id" to "notes", "scope" to "notes.read", "token_type" to "Bearer",
            "iss" to authority.issuer, "aud" to Authority.API, "exp" to Authority.now() + 600,
        )
        repeat(3) { assertEquals(200, get("/api/notes", "Authorization", "Bearer ref_1").statusCode()) }
        authority.end("p", "ada", 1, listOf<String>())
        until { get("/api/notes", "Authorization", "Bearer ref_1").statusCode() == 401 }
        assertEquals(401, get("/api/notes", "Authorization", "Bearer ref_2").statusCode())
    }

    @Test
    fun `behind a proxy the address is the one that is set`() {
        val key = Authority.keyPair()
        val token = authority.bound(key)
        val config = authority.config(Stale.ACCEPT).run { Config(issuer, clientId, clientSecret, audience, stale, "https://example.com/v1") }
        Guard(config).use { proxied ->
            val proof = Authority.proof(key, "GET", "https://EXAMPLE.com:443/v1/notes", token)
            until { proxied.status().current }
            val asked = Asked("http://10.0.0.7/notes?q", "GET", "authorization" to "DPoP $token", "dpop" to proof)
            assertEquals("ada", proxied.check(asked).subject)
            assertTrue(proxied.isMetadata("$WELL_KNOWN/v1"))
            val refused = runCatching { proxied.check(Asked("http://10.0.0.7/notes")) }.exceptionOrNull() as RefusedException
            assertTrue("resource_metadata=\"https://example.com$WELL_KNOWN/v1\"" in refused.challenges[0], refused.challenges[0])
        }
    }
}
