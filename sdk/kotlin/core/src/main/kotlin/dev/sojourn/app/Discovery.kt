package dev.sojourn.app

import dev.sojourn.jose.flag
import dev.sojourn.jose.json
import dev.sojourn.jose.list
import dev.sojourn.jose.text
import kotlinx.serialization.json.JsonObject

/** The server's description of itself (OpenID Connect Discovery 1.0 §3), and when it was read, by this device's clock. */
internal class Discovery(val at: Long, private val document: JsonObject) {
    val authorizationEndpoint get() = document["authorization_endpoint"].text!!
    val tokenEndpoint get() = document["token_endpoint"].text!!
    val keys get() = document["jwks_uri"].text
    val userInfo get() = document["userinfo_endpoint"].text
    val revocation get() = document["revocation_endpoint"].text

    /** Sojourn's own: a sign-out without a browser, and what happens to the session. */
    val signOut get() = document["signout_endpoint"].text
    val me get() = document["me_endpoint"].text

    val takesProofs get() = document["dpop_signing_alg_values_supported"].list.any { it.text == "ES256" }

    /** Whether redirects say who sends them (RFC 9207 §3). */
    val saysIssuer get() = document["authorization_response_iss_parameter_supported"].flag

    fun toJson() = json("at" to at, "document" to document)

    companion object {
        private val members = setOf(
            "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "revocation_endpoint", "signout_endpoint",
            "me_endpoint", "dpop_signing_alg_values_supported", "authorization_response_iss_parameter_supported",
        )
        private val secure = Regex("^(https://|http://(localhost|127\\.0\\.0\\.1|\\[::1]|10\\.0\\.2\\.2)([:/]|$)).*")

        /** As much of a document as an app needs, if it is this issuer's (§4.3). */
        fun of(document: JsonObject, issuer: String, now: Long): Discovery {
            if (document["issuer"].text != issuer) {
                throw stop("$issuer is described as ${document["issuer"]}: no issuer of that name is to be trusted there.")
            }
            val known = document.filterKeys { it in members }
            known.filterKeys { it.endsWith("_endpoint") || it.endsWith("_uri") }.values.forEach { requireSecure(it.text) }
            listOf("authorization_endpoint", "token_endpoint").forEach { requireSecure(known[it].text) }
            return Discovery(now, JsonObject(known))
        }

        /** Tokens go over TLS alone, and in clear to this very device, for developers. */
        fun requireSecure(url: String?) {
            if (url == null || !secure.matches(url)) throw stop("$url is no address of https.")
        }

        private fun stop(message: String) = AppException(Kind.STOP, message, code = "invalid_issuer")
    }
}
