package dev.sojourn.app

import java.security.MessageDigest
import java.security.SecureRandom
import java.util.Base64

private val secure = SecureRandom()

/** base64url without padding (RFC 7515 §2). */
internal fun ByteArray.base64url(): String = Base64.getUrlEncoder().withoutPadding().encodeToString(this)

/** The bytes of base64url; null where it is none. */
internal fun String.fromBase64url(): ByteArray? = try {
    Base64.getUrlDecoder().decode(this)
} catch (_: IllegalArgumentException) {
    null
}

/** 32 random bytes as 43 characters: a verifier, a state, a nonce, a jti. */
internal fun random(): String = ByteArray(32).also(secure::nextBytes).base64url()

/** The S256 challenge of a verifier (RFC 7636 §4.2), and `ath` of an access token (RFC 9449 §4.2): the same sum. */
internal fun digest(text: String): String = MessageDigest.getInstance("SHA-256").digest(text.toByteArray()).base64url()
