package dev.sojourn.resource

import dev.sojourn.jose.json
import java.net.URI

/** Where the metadata of an API is, before the path of its base URL (RFC 9728 §3). */
internal const val WELL_KNOWN = "/.well-known/oauth-protected-resource"

private val credentials = Regex("^(Bearer|DPoP)(?: +(.*))?$", setOf(RegexOption.IGNORE_CASE, RegexOption.DOT_MATCHES_ALL))
private val b64token = Regex("[A-Za-z0-9\\-._~+/]+=*")

/**
 * Verifies access tokens for an API. It asks the server nothing per request, and still refuses a session that is over within the second: it
 * follows the server's endings (docs/endings.md). Make one per process, and close it with the API.
 */
class Guard(private val config: Config) : AutoCloseable {
    private val server = Server(config)
    private val feed = Feed(config, server, Marks(config.clock))
    private val follower = Follower(config, server, feed)
    private val tokens = Tokens(config, server, feed)
    private val proofs = Proofs(config)

    /** Whose token a request carries, if it may do an operation. It throws [RefusedException] where it may not. */
    @JvmOverloads
    @Throws(RefusedException::class)
    fun check(request: Incoming, operation: Operation = Operation()): Claims {
        val refusals = Refusals(operation, metadataUrl(request), config.algorithms)
        val (scheme, token) = presented(request, refusals)
        try {
            val claims = tokens.judge(token)
            prove(request, scheme, token, claims)
            permit(claims, scheme, operation, refusals)
            return claims
        } catch (e: InvalidException) {
            throw refusals.invalid(e.scheme ?: scheme, e)
        } catch (e: UnavailableException) {
            throw refusals.unavailable(e.retryAfter)
        }
    }

    /** What an operation needs beyond a check of the same request: a proof is good for one look. */
    internal fun more(request: Incoming, claims: Claims, operation: Operation) =
        permit(claims, if (claims.bound) "DPoP" else "Bearer", operation, Refusals(operation, metadataUrl(request), config.algorithms))

    /** The one credential of a request (RFC 6750 §2.1, RFC 9449 §7.1). */
    private fun presented(request: Incoming, refusals: Refusals): Pair<String, String> {
        val all = request.headers("Authorization")
        if (all.size > 1) throw refusals.malformed("Send one Authorization header.")
        val (scheme, token) = credentials.matchEntire(all.firstOrNull()?.trim().orEmpty())?.destructured ?: throw refusals.none()
        if (!b64token.matches(token)) throw refusals.malformed("Send the token after the scheme, as it was given to you.")
        return (if (scheme.equals("DPoP", ignoreCase = true)) "DPoP" else "Bearer") to token
    }

    private fun prove(request: Incoming, scheme: String, token: String, claims: Claims) {
        val key = claims.key
        when {
            key == null && scheme == "DPoP" -> throw InvalidException("This token is bound to no key: send it as Bearer.", "Bearer")
            key == null && request.headers("DPoP").isNotEmpty() -> throw InvalidException("This token is bound to no key: send no proof.", "Bearer")
            key != null && scheme != "DPoP" -> throw InvalidException("This token is bound to a key: send it as DPoP, with a proof.", "DPoP")
            key != null -> proofs.check(request, address(request), token, key)
        }
    }

    private fun permit(claims: Claims, scheme: String, operation: Operation, refusals: Refusals) {
        if (!claims.scopes.containsAll(operation.scopes)) throw refusals.scopes(scheme)
        val strengths = listOfNotNull(operation.acr, feed.acr?.takeIf { claims.sessionId != null })
        strengths.firstOrNull { it != claims.acr }?.let { throw refusals.stepUp(scheme, it, "This needs a sign-in of the strength $it.") }
        val age = operation.maxAge ?: return
        val since = claims.authTime?.let { config.clock.wall() / 1000 - it.epochSecond }
        if (since == null || since > age.seconds) throw refusals.stepUp(scheme, operation.acr, "This needs a sign-in of the last ${age.seconds} seconds.")
    }

    /** The base URL: as it is set, or as the request spells it. */
    private fun base(request: Incoming): String = config.baseUrl?.removeSuffix("/") ?: request.url.let { url ->
        url.substring(0, url.indexOf('/', url.indexOf("://") + 3).takeIf { it > 0 } ?: url.length)
    }

    /** What a request asks for, as the app spelt it. */
    private fun address(request: Incoming): String {
        if (config.baseUrl == null) return request.url
        val path = request.url.substringAfter("://").let { it.substring(it.indexOf('/').takeIf { at -> at >= 0 } ?: it.length) }
        return base(request) + path
    }

    private fun metadataUrl(request: Incoming): String {
        val base = URI(base(request))
        return "${base.scheme}://${base.rawAuthority}$WELL_KNOWN${base.rawPath.orEmpty().removeSuffix("/")}"
    }

    /** Whether a path is the metadata's. */
    fun isMetadata(path: String): Boolean = path == WELL_KNOWN || path == WELL_KNOWN + URI(config.baseUrl.orEmpty()).rawPath.removeSuffix("/")

    /** What an app must know of this API (RFC 9728 §2), JSON. The request says how the app reaches it, unless that is set. */
    fun metadata(request: Incoming): String {
        val named = config.audience != config.issuer && (config.audience.startsWith("https://") || config.audience.startsWith("http://"))
        return json(
            "resource" to if (named) config.audience else base(request), "authorization_servers" to listOf(config.issuer),
            "scopes_supported" to config.scopes.takeIf { it.isNotEmpty() }, "bearer_methods_supported" to listOf("header"),
            "dpop_signing_alg_values_supported" to config.algorithms, "resource_name" to config.name,
        ).toString()
    }

    /** How the following goes. */
    fun status(): Status {
        val problem = when {
            feed.current -> null
            feed.marks.overflowed -> "more ended than there is room for"
            else -> follower.problem ?: "nothing good came from the feed for five seconds"
        }
        return Status(problem == null, feed.position, feed.tag, feed.marks.size, server.counts(), tokens.remembered, problem)
    }

    /** Stops following. */
    override fun close() = follower.close()
}
