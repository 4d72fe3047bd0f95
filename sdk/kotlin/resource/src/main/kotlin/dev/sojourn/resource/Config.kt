package dev.sojourn.resource

import java.net.http.HttpClient
import java.time.Duration

/** Which API this is, and whose tokens it takes. */
class Config @JvmOverloads constructor(
    /** As it stands in discovery's `issuer`, character for character. */
    val issuer: String,
    /** A confidential client that the operator added: it reads the feed of endings, and introspects. */
    val clientId: String,
    val clientSecret: String,
    /** What tokens must be for: this API's resource identifier (RFC 8707), or the issuer where apps ask for none. */
    val audience: String = issuer,
    /** What to do with tokens while the feed of endings is not current. */
    val stale: Stale = Stale.INTROSPECT,
    /** How apps spell this API, where that is not what requests say: behind a proxy. `https://api.example.com` */
    val baseUrl: String? = null,
    /** Said in the metadata (RFC 9728 §2), for people. */
    val name: String? = null,
    /** All scopes that this API knows; said in the metadata. */
    val scopes: List<String> = emptyList(),
    /** Algorithms that tokens and proofs may be signed by: of ES256, RS256, PS256, EdDSA. */
    val algorithms: List<String> = listOf("ES256"),
    /** Whether access tokens may have the `typ` JWT or none too, as those of other servers do. */
    val typJwt: Boolean = false,
    /** Whose connections, proxies and trust are used. */
    val http: HttpClient = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build(),
    val clock: Clock = SystemClock,
) {
    init {
        val unknown = algorithms - setOf("ES256", "RS256", "PS256", "EdDSA")
        require(unknown.isEmpty() && algorithms.isNotEmpty()) { "algorithms: $unknown can't be verified; take of ES256, RS256, PS256, EdDSA" }
        require(audience.isNotEmpty()) { "audience: say what tokens must be for" }
        require(http.followRedirects() == HttpClient.Redirect.NEVER) { "http: a client that follows redirects would carry the secret elsewhere" }
        requireSecure(issuer)
    }
}

/** What to do with a token while nobody can say whether its session is over: for more than 5 seconds nothing good came from the feed. */
enum class Stale {
    /** Ask the server about each; 503 where it does not answer. */
    INTROSPECT,

    /** 503 with `Retry-After`. */
    REFUSE,

    /** Believe it by its signature and its end alone, unless it is known to be over. */
    ACCEPT,
}

/** What an operation of the API asks of a token. */
class Operation @JvmOverloads constructor(
    /** All of them. */
    val scopes: List<String> = emptyList(),
    /** How strongly the person must have signed in: `mfa` (RFC 9470). */
    val acr: String? = null,
    /** How long ago at most. */
    val maxAge: Duration? = null,
) {
    /** By scopes alone. */
    constructor(vararg scopes: String) : this(scopes.toList())
}

/** What of a request is judged. */
interface Incoming {
    val method: String

    /** The whole address, as the app wrote it. */
    val url: String

    /** All values of a header, whatever case its name has. */
    fun headers(name: String): List<String>
}

/** The time of day, which people set, and one that nobody sets, which may stand still while the machine sleeps. Both in milliseconds. */
interface Clock {
    fun wall(): Long

    fun elapsed(): Long

    /** Returns when so much has elapsed. */
    fun sleep(millis: Long)
}

/** The clocks of the Java platform. */
object SystemClock : Clock {
    override fun wall(): Long = System.currentTimeMillis()

    override fun elapsed(): Long = System.nanoTime() / 1_000_000

    override fun sleep(millis: Long) = Thread.sleep(millis)
}

/** How things are. */
class Status internal constructor(
    /** Whether the feed is followed: everything that ended until now is known. */
    val current: Boolean,
    val position: Long,
    val tag: String,
    /** How many marks are held. */
    val marks: Int,
    /** Requests to the server: `discovery`, `jwks`, `introspection`, `feed`. */
    val calls: Map<String, Long>,
    /** How many verified tokens are remembered. */
    val verified: Int,
    /** Why the feed is not current; null while it is. */
    val problem: String?,
)
