package dev.sojourn.app

import dev.sojourn.jose.base64url
import dev.sojourn.jose.json
import dev.sojourn.jose.jwk
import dev.sojourn.jose.sign
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonObject
import okhttp3.Interceptor
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Protocol
import okhttp3.Response
import okhttp3.ResponseBody.Companion.toResponseBody
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Tag
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.lang.management.ManagementFactory
import java.nio.file.Path
import java.security.KeyPairGenerator
import java.security.spec.ECGenParameterSpec

private const val ISSUER = "https://id.example"

/**
 * What a refresh costs the SDK itself, lock, file store, proof and the check of the new ID token included:
 * `mvn -pl jose,core test -Dgroups=bench -DexcludedGroups=`. The answers are made here: neither a server's work nor the sending is counted.
 */
@Tag("bench")
class RefreshBench {
    @TempDir
    lateinit var folder: Path

    private val keys = KeyPairGenerator.getInstance("EC").apply { initialize(ECGenParameterSpec("secp256r1")) }.generateKeyPair()
    private var nonce = ""
    private var proofs = 0
    private var answers = 0

    /** An ID token is signed ahead, so that the server's work is not counted. */
    private val idToken by lazy {
        val claims = json("iss" to ISSUER, "aud" to "notes", "sub" to "ada", "name" to "Ada", "nonce" to nonce, "exp" to System.currentTimeMillis() / 1000 + 9_999)
        val text = listOf(json("alg" to "ES256"), claims).joinToString(".") { it.toString().toByteArray().base64url() }
        "$text.${keys.sign(text.toByteArray()).base64url()}"
    }

    /** Stands where a request would leave for the network, and where it would be given its proof. */
    private val server = Interceptor { chain ->
        val request = chain.request()
        request.tag(Prover::class.java)?.header(request)?.let { proofs++ }
        val body = when (request.url.encodedPath) {
            "/.well-known/openid-configuration" -> json(
                "issuer" to ISSUER, "authorization_endpoint" to "$ISSUER/authorize", "token_endpoint" to "$ISSUER/token", "jwks_uri" to "$ISSUER/jwks",
                "signout_endpoint" to "$ISSUER/signout", "dpop_signing_alg_values_supported" to listOf("ES256"),
            )
            "/jwks" -> json("keys" to listOf(keys.jwk()))
            else -> json(
                "access_token" to "a".repeat(700) + answers++, "refresh_token" to "r".repeat(120) + answers, "token_type" to "DPoP", "expires_in" to 600,
                "id_token" to idToken,
            )
        }
        answer(chain, body)
    }

    private fun answer(chain: Interceptor.Chain, body: JsonObject) = Response.Builder().request(chain.request()).protocol(Protocol.HTTP_1_1)
        .code(200).message("OK").header("Content-Type", "application/json").body(body.toString().toResponseBody("application/json".toMediaType())).build()

    @Test
    fun `what a refresh costs`() = runBlocking {
        val app = App(
            Config(
                issuer = ISSUER, clientId = "notes", redirectUri = "com.example.notes:/callback", storage = FileStorage(folder.resolve("kept")),
                http = OkHttpClient.Builder().addInterceptor(server).build(),
            ),
        )
        val asked = parametersOf(app.begin())
        nonce = asked.getValue("nonce")
        app.finish("com.example.notes:/callback?code=c&state=${asked["state"]}&iss=$ISSUER")
        println("the first hundred: ${spent(app, 100)} ms of processor time a refresh, the compiler's included")
        spent(app, 1_000)
        val (before, times) = proofs to 1_000
        println("later: ${spent(app, times)} ms")
        assertEquals(times, proofs - before, "each with a proof")
        app.close()
    }

    /** Processor time of the whole process, for each of so many refreshes. */
    private suspend fun spent(app: App, times: Int): Double {
        val process = ManagementFactory.getOperatingSystemMXBean() as com.sun.management.OperatingSystemMXBean
        val before = process.processCpuTime
        repeat(times) { app.token(fresh = true) }
        return Math.round((process.processCpuTime - before) / times / 10_000.0) / 100.0
    }
}
