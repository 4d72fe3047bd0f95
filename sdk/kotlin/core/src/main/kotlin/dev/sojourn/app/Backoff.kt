package dev.sojourn.app

import kotlin.random.Random

/** Whoever asks for a token hears after so many milliseconds that there is none now. */
internal const val PATIENCE = 20_000L

/** Earlier than any time of the elapsed clock. */
private const val LONG_AGO = Long.MIN_VALUE / 2

private const val MINUTE = 60_000L

/**
 * When to ask again: after 1, 2, 4 … 60 seconds, each between half and the whole of that, so that a thousand phones that come out
 * of one tunnel don't come at once; not before a Retry-After is over; after a mistake of the app's, in 5 minutes, 10 … 60.
 */
internal class Backoff(private val clock: Clock) {
    private var misses = 0
    private var stops = 0
    private var wait = 0L
    private var until = LONG_AGO

    /** The server's own word: nothing is sent before. */
    private var asked = LONG_AGO
    private var stopped: AppException? = null
    private var stoppedUntil = LONG_AGO

    /** Whether an attempt may begin at once. */
    val ready get() = clock.elapsed() >= until

    /** An answer came that was one. */
    fun clear() {
        stops = 0
        asked = LONG_AGO
        stopped = null
        restart()
    }

    /** Someone asks anew: only what the server asked for is still waited for. */
    fun restart() {
        misses = 0
        until = asked
    }

    /** Takes over what an attempt failed with. */
    fun note(error: AppException) {
        val now = clock.elapsed()
        when (error.kind) {
            Kind.STOP -> {
                stopped = error
                stoppedUntil = now + minOf(60, 5L shl minOf(stops++, 4)) * MINUTE
            }
            Kind.OFFLINE, Kind.STORE, Kind.INVALID -> {
                wait = maxOf(pause(misses++), error.least)
                until = now + wait
                if (error.least > 0) asked = until
            }
            else -> Unit
        }
    }

    /** Waits until the next attempt may begin. It throws `OFFLINE` where that is not before the deadline (elapsed). */
    suspend fun turn(deadline: Long) {
        stopped?.takeIf { clock.elapsed() < stoppedUntil }?.let { throw it }
        while (clock.elapsed() < until) {
            val now = clock.elapsed()
            if (now >= deadline || asked > deadline) throw notYet()
            val left = until - now
            // The wait begins here, though a moment has gone by since the answer.
            clock.wait(minOf(if (wait - left < 100) wait else left, deadline - now))
        }
    }

    private fun notYet(): AppException {
        val left = (asked - clock.elapsed()).coerceAtLeast(0)
        return offline("The server gave no usable answer. Nothing is lost; try again later.", after = seconds(left).takeIf { left > 0 })
    }

    private fun seconds(millis: Long) = java.time.Duration.ofSeconds((millis + 999) / 1000)
}

/** The wait after so many misses, in milliseconds, up to `most`. */
internal fun pause(misses: Int, most: Long = MINUTE): Long {
    val whole = minOf(most, 1000L shl minOf(misses, 20))
    return whole / 2 + Random.nextLong(whole / 2 + 1)
}

/** Does a task until it has an answer, for as long as someone waits for it: then it throws what the last try did. */
internal suspend fun <T> insist(clock: Clock, life: Long = PATIENCE, task: suspend () -> T): T {
    val deadline = clock.elapsed() + life
    var misses = 0
    while (true) {
        try {
            return task()
        } catch (e: AppException) {
            val left = deadline - clock.elapsed()
            if (e.kind != Kind.OFFLINE || left <= 0 || e.least > left) throw e
            clock.wait(minOf(maxOf(pause(misses++), e.least), left))
        }
    }
}
