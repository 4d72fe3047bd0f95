package dev.sojourn.jose

import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.doubleOrNull

/** The JSON object in a text; null where it holds none, or one nested beyond reason. */
internal fun jsonObject(text: String): JsonObject? = try {
    Json.parseToJsonElement(text) as? JsonObject
} catch (_: SerializationException) {
    null
} catch (_: StackOverflowError) {
    null
}

/** An object without the members that are null. */
internal fun json(vararg members: Pair<String, Any?>): JsonObject =
    JsonObject(members.mapNotNull { (name, value) -> element(value)?.let { name to it } }.toMap())

private fun element(value: Any?): JsonElement? = when (value) {
    null, JsonNull -> null
    is JsonElement -> value
    is String -> JsonPrimitive(value)
    is Number -> JsonPrimitive(value)
    is Boolean -> JsonPrimitive(value)
    is List<*> -> JsonArray(value.mapNotNull(::element))
    else -> error("no JSON is made of $value")
}

/** The text of a JSON string; null for everything else, the empty one too. */
internal val JsonElement?.text: String? get() = (this as? JsonPrimitive)?.takeIf { it.isString }?.content?.takeIf { it.isNotEmpty() }

/** The number, where it is one (RFC 8259 §6): the parser takes NaN, Infinity and what else Java calls one, too. */
internal val JsonElement?.number: Double? get() = (this as? JsonPrimitive)?.takeIf { !it.isString && numeral.matches(it.content) }?.doubleOrNull?.takeIf { it.isFinite() }

private val numeral = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")

/** The whole number, where it is one. */
internal val JsonElement?.long: Long? get() = number?.toLong()

internal val JsonElement?.flag: Boolean get() = (this as? JsonPrimitive)?.let { !it.isString && it.content == "true" } ?: false

internal val JsonElement?.list: List<JsonElement> get() = (this as? JsonArray).orEmpty()

/** These claims, and those of another object that are not among them. */
internal fun JsonObject.over(other: JsonObject): JsonObject = JsonObject(other + this)
