package dev.sojourn.resource

import dev.sojourn.jose.list
import dev.sojourn.jose.long
import dev.sojourn.jose.number
import dev.sojourn.jose.text
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.longOrNull
import java.security.Principal
import java.time.Instant

/** Whom an access token is of, and what it lets them do (RFC 9068 §2.2). As a [Principal] it is named by its subject. */
class Claims internal constructor(internal val json: JsonObject) : Principal {
    val subject: String = json["sub"].text.orEmpty()

    /** The session of one app on one device; null where a client got the token for itself. */
    val sessionId: String? = json["sid"].text
    val clientId: String = json["client_id"].text.orEmpty()

    /** The token's own id. */
    val id: String? = json["jti"].text
    val scopes: Set<String> = json["scope"].text.orEmpty().split(' ').filterTo(LinkedHashSet()) { it.isNotEmpty() }

    /** How the person signed in: `pwd`, `mfa`. */
    val acr: String? = json["acr"].text
    val authTime: Instant? = json["auth_time"].long?.let(Instant::ofEpochSecond)

    /** Everything that the token says, as strings, numbers, booleans, lists and maps. */
    val all: Map<String, Any?> by lazy(LazyThreadSafetyMode.PUBLICATION) { json.mapValues { plain(it.value) } }

    /** Seconds since 1970. */
    internal val expires: Long = json["exp"].number?.toLong() ?: 0

    /** The thumbprint of the key that must prove each request (RFC 9449 §6.1). */
    internal val key: String? = (json["cnf"] as? JsonObject)?.get("jkt").text

    /** Whether each request must prove a key: a copy of the token is worth nothing then. */
    val bound: Boolean get() = key != null

    override fun getName(): String = subject

    override fun toString(): String = "$subject by $clientId"

    fun hasScope(scope: String): Boolean = scope in scopes

    internal companion object {
        fun audience(claims: JsonObject): List<String?> = (claims["aud"] as? JsonPrimitive)?.let { listOf(it.text) } ?: claims["aud"].list.map { it.text }
    }
}

private fun plain(value: JsonElement): Any? = when (value) {
    JsonNull -> null
    is JsonObject -> value.mapValues { plain(it.value) }
    is JsonArray -> value.map(::plain)
    is JsonPrimitive -> if (value.isString) value.content else value.booleanOrNull ?: value.longOrNull ?: value.doubleOrNull
}
