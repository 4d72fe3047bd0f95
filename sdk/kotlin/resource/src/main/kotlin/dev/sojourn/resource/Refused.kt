package dev.sojourn.resource

import dev.sojourn.jose.json

/** A request that is not served, and what is to be answered: it costs no stack trace. */
class RefusedException internal constructor(
    val status: Int,
    /** Of RFC 6750 §3.1, RFC 9449 §7.1, RFC 9470 §3; null where no token came. */
    val code: String?,
    /** For developers. */
    val description: String,
    /** One `WWW-Authenticate` each. */
    val challenges: List<String> = emptyList(),
    /** Seconds, with 503. */
    val retryAfter: Long? = null,
) : Exception(description, null, false, false) {
    /** The answer's body, JSON. */
    val body: String get() = json("error" to code, "error_description" to description).toString()
}

/** The server can't be asked now. That is no verdict on anybody's token. */
internal class UnavailableException(message: String, val retryAfter: Long? = null, cause: Throwable? = null) : Exception(message, cause, false, false)

/** Why a token or a proof is worth nothing. */
internal class InvalidException(message: String, /** The scheme to use instead of the one that was. */ val scheme: String? = null, val code: String = "invalid_token") : Exception(message, null, false, false)

/** Writes the challenges of one operation (RFC 9110 §11.6.1). */
internal class Refusals(private val operation: Operation, private val metadata: String, private val algorithms: List<String>) {
    private val scope get() = operation.scopes.takeIf { it.isNotEmpty() }?.joinToString(" ")

    /** No token came: no error either, but all that an app needs to get one (RFC 6750 §3.1, RFC 9728 §5.1). */
    fun none() = RefusedException(
        401, null, "An access token is needed: Authorization: Bearer …, or DPoP … with its proof.",
        listOf("Bearer", "DPoP").map { challenge(it) },
    )

    fun malformed(what: String) =
        RefusedException(400, "invalid_request", what, listOf(challenge("Bearer", "error" to "invalid_request", "error_description" to what)))

    /** The error stands with the scheme to use. */
    fun invalid(scheme: String, why: InvalidException) =
        RefusedException(401, why.code, why.message!!, listOf(challenge(scheme, "error" to why.code, "error_description" to why.message)))

    fun scopes(scheme: String): RefusedException {
        val what = "This needs the scope $scope."
        return RefusedException(403, "insufficient_scope", what, listOf(challenge(scheme, "error" to "insufficient_scope", "error_description" to what)))
    }

    /** RFC 9470 §3. */
    fun stepUp(scheme: String, acr: String?, what: String): RefusedException {
        val code = "insufficient_user_authentication"
        val age = operation.maxAge?.seconds?.toString()
        return RefusedException(401, code, what, listOf(challenge(scheme, "error" to code, "error_description" to what, "acr_values" to acr, "max_age" to age)))
    }

    /** Whoever is not to blame is not sent to the sign-in page. */
    fun unavailable(after: Long?) =
        RefusedException(503, "temporarily_unavailable", "Whether this token is good can't be told now. Try again.", retryAfter = (after ?: 1).coerceAtLeast(1))

    private fun challenge(scheme: String, vararg more: Pair<String, String?>): String {
        val algs = if (scheme == "DPoP") algorithms.joinToString(" ") else null
        val all = listOf(*more, "algs" to algs, "scope" to scope, "resource_metadata" to metadata)
        return "$scheme " + all.filter { it.second != null }.joinToString(", ") { (name, value) -> "$name=${quoted(value!!)}" }
    }
}

/** A quoted-string (RFC 9110 §5.6.4): what can't be in one is left out. */
private fun quoted(text: String): String = '"' + text.filter { it in ' '..'~' }.replace("\\", "\\\\").replace("\"", "\\\"") + '"'
