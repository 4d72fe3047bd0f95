package dev.sojourn.app

import java.io.IOException
import java.time.Duration

/** What an app does about an error. The words are the same in every language of these SDKs (sdk/contract). */
enum class Kind {
    /** The session is over; `ended` says why, in words for the person too. Show the sign-in page. */
    ENDED,

    /** Nobody is signed in here. */
    SIGNED_OUT,

    /** No usable answer yet; all is kept. Try again later, after `retryAfter` if it says so. */
    OFFLINE,

    /** The app or the server is set up wrongly; all is kept, and asking again brings the same. */
    STOP,

    /** The store can't be read or written now; all is kept. Try again when the device is unlocked. */
    STORE,

    /** The person closed the browser, or the app began another sign-in. */
    CANCELLED,

    /** The browser came back with an error (`code`); what was before stays. */
    REFUSED,

    /** The sign-in took too long. Begin another. */
    START_AGAIN,

    /** A redirect that belongs to no sign-in of this app. Nothing has changed. */
    NOT_MINE,

    /** A redirect that another server sent. Nothing has changed. */
    WRONG_ISSUER,

    /** The ID token is not the server's, or not for this app. The tokens are dropped. */
    INVALID,

    /** [App.close] was called: a mistake in the app. */
    CLOSED,
}

/** Every error of this package. An [IOException], so that OkHttp and what is built on it hand it on as it is. */
class AppException internal constructor(
    val kind: Kind,
    message: String,
    cause: Throwable? = null,
    /** The protocol's, where it has one: `invalid_client`, `access_denied`. */
    val code: String? = null,
    /** Not before this, where the server said so. */
    val retryAfter: Duration? = null,
    /** Of [Kind.ENDED]. */
    val ended: Ended? = null,
) : IOException(message, cause) {
    /** The milliseconds of [retryAfter], 0 where there is none. */
    internal val least: Long get() = retryAfter?.toMillis() ?: 0
}

internal fun offline(message: String, cause: Throwable? = null, after: Duration? = null) =
    AppException(Kind.OFFLINE, message, cause, retryAfter = after)

internal fun storeTrouble(what: String, cause: Throwable) =
    AppException(Kind.STORE, "The store can't be $what now. Nothing is lost.", cause)

internal fun Throwable.isKind(vararg kinds: Kind): Boolean = this is AppException && kind in kinds
