package dev.sojourn.app

import dev.sojourn.jose.text
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonObject
import java.time.Instant
import java.util.Locale

/**
 * A session that is over: one value, with everything that an app shows.
 *
 * `reason` is one of those of `session.ended` (docs/mobile.md), or `key_lost`, `store_damaged`, or `unknown`, where the server said only
 * that they must sign in. `sentence` is for the person, in the app's language. `at` is when the server says that it ended, or
 * when it was heard of here.
 */
data class Ended(val reason: String, val sentence: String, val at: Instant)

/** What people are told, in each language: the contract's own file (sdk/contract/vectors/sentences.json). */
private val sentences: Map<String, Map<String, String>> by lazy {
    val text = Ended::class.java.getResourceAsStream("sentences.json")!!.use { it.readBytes().decodeToString() }
    Json.parseToJsonElement(text).jsonObject.mapValues { (_, all) -> all.jsonObject.mapValues { (_, one) -> one.text!! } }
}

/** Says to a person why a session is over: in the language, or in English where that is not there. */
internal fun sentence(reason: String, language: String): String {
    val known = sentences[language.lowercase(Locale.ROOT).split('-', '_').first()] ?: sentences.getValue("en")
    return known[reason] ?: known.getValue("ended_by_operator")
}
