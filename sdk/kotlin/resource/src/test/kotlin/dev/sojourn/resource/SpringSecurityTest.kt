package dev.sojourn.resource

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.springframework.boot.SpringApplication
import org.springframework.boot.autoconfigure.EnableAutoConfiguration
import org.springframework.boot.web.server.servlet.context.ServletWebServerApplicationContext
import org.springframework.boot.web.servlet.FilterRegistrationBean
import org.springframework.context.annotation.Bean
import org.springframework.context.annotation.Configuration
import org.springframework.core.env.Environment
import org.springframework.security.config.annotation.web.builders.HttpSecurity
import org.springframework.security.config.http.SessionCreationPolicy
import org.springframework.security.core.Authentication
import org.springframework.security.web.SecurityFilterChain
import org.springframework.web.bind.annotation.GetMapping
import org.springframework.web.bind.annotation.RestController
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse

/** What the README says of Spring Boot with Spring Security. */
@Configuration(proxyBeanMethods = false)
@EnableAutoConfiguration
internal open class Notes {
    @Bean
    open fun guard(env: Environment) = Guard(Config(env.getProperty("issuer")!!, "api", "secret", Authority.API, Stale.ACCEPT))

    @Bean
    open fun tokens(guard: Guard) = FilterRegistrationBean(GuardFilter(guard) { Operation("notes.read") }).apply { order = -200 } // before Spring Security

    @Bean
    open fun security(http: HttpSecurity): SecurityFilterChain = http
        .csrf { it.disable() } // no cookie signs anybody in
        .sessionManagement { it.sessionCreationPolicy(SessionCreationPolicy.STATELESS) }
        .jee { it.mappableAuthorities("notes.read", "notes.admin") }
        .authorizeHttpRequests { it.requestMatchers("/admin").hasRole("notes.admin").anyRequest().authenticated() }
        .build()

    @RestController
    internal open class Api {
        @GetMapping("/notes", "/admin")
        open fun notes(who: Authentication, claims: java.security.Principal) = "${who.name} ${who.authorities.map { it.authority }.sortedBy { it }}"
    }
}

class SpringSecurityTest {
    @Test
    fun `Spring Security knows who the token is of, and its scopes as roles`() {
        Authority().use { authority ->
            val spring = SpringApplication(Notes::class.java, Notes.Api::class.java).run("--server.port=0", "--server.address=127.0.0.1", "--issuer=${authority.issuer}", "--spring.main.banner-mode=off", "--logging.level.root=warn")
            spring.use {
                val port = (it as ServletWebServerApplicationContext).webServer!!.port
                val get = { path: String, token: String? -> ask("http://127.0.0.1:$port$path", token) }
                val token = authority.token()
                until { get("/notes", token).statusCode() == 200 }
                assertEquals("ada [ROLE_notes.read]", get("/notes", token).body())
                assertEquals(403, get("/admin", token).statusCode(), "Spring's own rule")
                val admin = authority.token("scope" to "notes.read notes.admin", "sid" to "s2")
                assertEquals("ada [ROLE_notes.admin, ROLE_notes.read]", get("/admin", admin).body())
                val none = get("/notes", null)
                assertEquals(401, none.statusCode())
                assertTrue("resource_metadata" in none.headers().firstValue("WWW-Authenticate").get())
                authority.end("s", "s1")
                until { get("/notes", token).statusCode() == 401 }
                assertEquals(200, get("/notes", admin).statusCode())
            }
        }
    }

    private fun ask(url: String, token: String?): HttpResponse<String> {
        val request = HttpRequest.newBuilder(URI(url))
        token?.let { request.header("Authorization", "Bearer $it") }
        return HttpClient.newHttpClient().send(request.build(), HttpResponse.BodyHandlers.ofString())
    }
}
