package dev.sojourn.app.driver

import dev.sojourn.app.Answer
import dev.sojourn.app.AppException
import dev.sojourn.app.ProofOf
import dev.sojourn.app.Verdict
import dev.sojourn.app.judge
import dev.sojourn.app.proof
import dev.sojourn.app.refusal
import dev.sojourn.app.retryAfter
import dev.sojourn.app.sentence
import dev.sojourn.app.verdict
import dev.sojourn.jose.digest
import dev.sojourn.jose.ecKey
import dev.sojourn.jose.fromBase64url
import dev.sojourn.jose.json
import dev.sojourn.jose.long
import dev.sojourn.jose.p256
import dev.sojourn.jose.text
import dev.sojourn.jose.thumbprint
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import okhttp3.Headers
import okhttp3.Headers.Companion.toHeaders
import okhttp3.Protocol
import okhttp3.Request
import okhttp3.Response
import okhttp3.ResponseBody.Companion.toResponseBody
import java.math.BigInteger
import java.security.KeyFactory
import java.security.KeyPair
import java.security.spec.ECPrivateKeySpec
import java.time.Duration
import java.util.Date

/** Answers a vector of sdk/contract by the functions that the SDK itself uses. */
internal fun vector(kind: String, input: JsonElement): JsonElement {
    val all = input as? JsonObject ?: JsonObject(mapOf("verifier" to input, "token" to input, "value" to input))
    return when (kind) {
        "pkce" -> JsonPrimitive(digest(all["verifier"].text!!))
        "thumbprint" -> JsonPrimitive(thumbprint(all["jwk"] as? JsonObject ?: all))
        "ath" -> JsonPrimitive(digest((all["token"] ?: all["access_token"]).text!!))
        "proof" -> JsonPrimitive(keyOf(all["key"] as JsonObject).proof(proofOf(all)))
        "action" -> action(all)
        "retry_after" -> JsonPrimitive(retryAfter(Headers.headersOf("Retry-After", all["value"].text ?: "") + at(all))?.seconds ?: 0)
        "sentence" -> JsonPrimitive(sentence(all["reason"].text ?: "", all["lang"].text ?: ""))
        else -> error("there are no vectors $kind")
    }
}

private operator fun Headers.plus(other: Headers) = newBuilder().addAll(other).build()

/** The server's time of a vector, as an answer would say it. */
private fun at(all: JsonObject): Headers = all["now"].long?.let { Headers.Builder().set("Date", Date(it * 1000)).build() } ?: Headers.headersOf()

private fun keyOf(jwk: JsonObject): KeyPair {
    val secret = ECPrivateKeySpec(BigInteger(1, jwk["d"].text!!.fromBase64url()), p256())
    return KeyPair(ecKey(jwk), KeyFactory.getInstance("EC").generatePrivate(secret))
}

private fun proofOf(all: JsonObject) =
    ProofOf(all["htm"].text!!, all["htu"].text!!, all["iat"].long!!, all["nonce"].text, all["token"].text, all["jti"].text!!)

/** The SDK reads the answer as it comes from the network. */
private fun action(all: JsonObject): JsonObject {
    val body = all["body"]
    val given = (all["headers"] as? JsonObject).orEmpty().mapValues { it.value.text.orEmpty() }.toHeaders()
    val headers = if (given["Date"] == null) given + at(all) else given
    val response = Response.Builder().request(Request.Builder().url("https://id.example/token").build()).protocol(Protocol.HTTP_1_1)
        .code(all["status"].long!!.toInt()).message("").headers(headers).body((body.text ?: body?.toString().orEmpty()).toResponseBody()).build()
    return try {
        said(judge(response))
    } catch (e: AppException) {
        verdict("retry", e.retryAfter)
    }
}

private fun said(answer: Answer): JsonObject = when (answer.verdict) {
    Verdict.RETRY -> verdict("retry", answer.refusal().retryAfter)
    Verdict.TOKENS -> verdict("use")
    else -> verdict(answer.verdict.name.lowercase())
}

private fun verdict(what: String, after: Duration? = null) = json("do" to what, "after" to (after?.seconds ?: 0))
