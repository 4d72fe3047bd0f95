package dev.sojourn.app

import dev.sojourn.jose.text

/** What an answer of the token endpoint means (docs/mobile.md, rule 5), for any OpenID provider. */
internal enum class Verdict { TOKENS, NONCE, LOGIN, STOP, RETRY }

/** Errors of servers without `action` that say: a mistake in the app, or in how it is registered. */
private val mistakes =
    setOf("invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_request", "invalid_scope", "invalid_target")

/** Judges an answer, from the top. What is no JSON of the server's has been sorted out before: it is no answer. */
internal val Answer.verdict: Verdict
    get() {
        val error = body["error"].text
        val action = body["action"].text
        return when {
            good -> if (body["access_token"].text != null && body["token_type"].text != null) Verdict.TOKENS else Verdict.RETRY
            status !in 400..499 || status == 429 || notHere(status) || error == null -> Verdict.RETRY
            error == "use_dpop_nonce" && headers["DPoP-Nonce"] != null -> Verdict.NONCE
            action == "login" || (action == null && error == "invalid_grant") -> Verdict.LOGIN
            action == "stop" || (action == null && error in mistakes) -> Verdict.STOP
            else -> Verdict.RETRY
        }
    }

/** The error that an answer without tokens becomes. */
internal fun Answer.refusal(): AppException {
    val code = body["error"].text
    val said = "The server says ${code ?: status}${body["error_description"].text?.let { ": $it" } ?: "."}"
    return when (verdict) {
        Verdict.STOP -> AppException(Kind.STOP, said, code = code)
        Verdict.LOGIN -> AppException(Kind.ENDED, said, code = code)
        else -> offline(said, after = retryAfter(headers))
    }
}
