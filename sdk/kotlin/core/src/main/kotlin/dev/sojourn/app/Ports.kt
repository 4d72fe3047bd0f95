package dev.sojourn.app

import kotlinx.coroutines.delay
import java.io.IOException
import java.security.KeyPair

/**
 * Where an app keeps its record and its key; all processes of the app share it. It holds the refresh token, so it belongs into files of the
 * user alone, encrypted where the platform has a keystore, and outside of backups that may land on another device.
 *
 * The methods that don't suspend may block, and are never called on a main thread. They throw [IOException],
 * [java.security.GeneralSecurityException] or [java.security.ProviderException] where something can't be done now.
 */
interface Storage {
    /** The newest record that can be read whole, null where there never was one; [DamagedException] where none is whole. */
    fun load(): String?

    /** Throws if a record could not be written now. */
    fun check()

    /** Returns once the record survives a crash: all of it or nothing is there. `alone`: the one before it must be gone too. */
    fun save(record: String, alone: Boolean)

    /** Lets one task of one process of the app in at a time. It is let go of when the process dies. */
    suspend fun <T> hold(task: suspend () -> T): T

    /** The EC P-256 key of this store, or null where there is none (any more). */
    fun key(): KeyPair?

    /** Makes the key, once. */
    fun makeKey(): KeyPair
}

/** Something was kept, and no copy of it can be read. */
open class DamagedException(message: String, cause: Throwable? = null) : IOException(message, cause)

/** The key that it was kept with is gone: put back from a backup, onto another device. */
class KeyLostException(message: String, cause: Throwable? = null) : DamagedException(message, cause)

/** Shows a page of the server to the person. */
interface Browser {
    /** Where redirects come to, once it is ready for them. */
    suspend fun ready(redirectUri: String): String = redirectUri

    /** Opens an address. It returns the one that came back, or null when the person closed the browser; a redirect may still come by [App.finish]. */
    suspend fun open(url: String, redirectUri: String): String?
}

/** The time of day, which people set, and one that nobody sets. Both in milliseconds. */
interface Clock {
    fun wall(): Long

    fun elapsed(): Long

    /** Returns when so much has elapsed. */
    suspend fun wait(millis: Long)
}

/** The clocks of the Java platform. On Android the elapsed one stands still while the device sleeps; the wall clock makes up for it. */
object SystemClock : Clock {
    override fun wall(): Long = System.currentTimeMillis()

    override fun elapsed(): Long = System.nanoTime() / 1_000_000

    override suspend fun wait(millis: Long) = delay(millis)
}
