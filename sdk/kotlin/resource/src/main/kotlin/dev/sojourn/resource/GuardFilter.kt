package dev.sojourn.resource

import jakarta.servlet.DispatcherType
import jakarta.servlet.FilterChain
import jakarta.servlet.http.HttpFilter
import jakarta.servlet.http.HttpServletRequest
import jakarta.servlet.http.HttpServletRequestWrapper
import jakarta.servlet.http.HttpServletResponse
import java.security.Principal
import java.util.Collections

/** Says what a request asks of its token; null where it needs none. */
fun interface Operations {
    fun of(request: HttpServletRequest): Operation?
}

/**
 * Lets in who may, in any container of Jakarta Servlet 5 or newer, and serves the metadata. Behind it `request.userPrincipal` is the [Claims],
 * `isUserInRole` asks for scopes, and the attribute [CLAIMS] has the claims too.
 */
class GuardFilter(private val guard: Guard, private val operations: Operations) : HttpFilter() {
    /** One operation for everything behind it. */
    constructor(guard: Guard, vararg scopes: String) : this(guard, Operation(*scopes).let { all -> Operations { all } })

    override fun doFilter(request: HttpServletRequest, response: HttpServletResponse, chain: FilterChain) {
        val known = (request.getAttribute(JUDGED) as? Pair<*, *>)?.takeIf { it.first === guard }?.second as? Claims
        if (known != null && request.dispatcherType != DispatcherType.REQUEST) return chain.doFilter(request, response) // a forward, or an error page
        val incoming = ServletIncoming(request)
        if (guard.isMetadata(request.requestURI)) return metadata(incoming, response)
        val operation = operations.of(request) ?: return chain.doFilter(request, response)
        val claims = try {
            known?.also { guard.more(incoming, it, operation) } ?: guard.check(incoming, operation) // a filter before this one asked for less
        } catch (e: RefusedException) {
            return refuse(e, response)
        }
        request.setAttribute(CLAIMS, claims)
        request.setAttribute(JUDGED, guard to claims)
        chain.doFilter(Guarded(request, claims), response)
    }

    private fun metadata(incoming: Incoming, response: HttpServletResponse) {
        if (incoming.method != "GET" && incoming.method != "HEAD") return response.sendError(405)
        response.contentType = "application/json"
        response.setHeader("Access-Control-Allow-Origin", "*")
        response.outputStream.write(guard.metadata(incoming).toByteArray())
    }

    private fun refuse(e: RefusedException, response: HttpServletResponse) {
        response.status = e.status
        e.challenges.forEach { response.addHeader("WWW-Authenticate", it) }
        e.retryAfter?.let { response.setHeader("Retry-After", it.toString()) }
        response.setHeader("Cache-Control", "no-store")
        response.contentType = "application/json"
        response.outputStream.write(e.body.toByteArray())
    }

    companion object {
        /** The attribute of a request that has its [Claims]. */
        const val CLAIMS = "dev.sojourn.claims"
        private const val JUDGED = "dev.sojourn.judged"

        /** Whose request this is; null where no token was asked for. */
        @JvmStatic
        fun claims(request: HttpServletRequest): Claims? = request.getAttribute(CLAIMS) as? Claims
    }
}

private class ServletIncoming(private val request: HttpServletRequest) : Incoming {
    override val method: String get() = request.method

    override val url: String get() = request.requestURL.toString()

    override fun headers(name: String): List<String> = Collections.list(request.getHeaders(name))
}

/** A request whose sender is known. */
private class Guarded(request: HttpServletRequest, private val claims: Claims) : HttpServletRequestWrapper(request) {
    override fun getUserPrincipal(): Principal = claims

    override fun getRemoteUser(): String = claims.subject

    override fun getAuthType(): String = if (claims.bound) "DPoP" else "Bearer"

    override fun isUserInRole(role: String): Boolean = claims.hasScope(role)
}
