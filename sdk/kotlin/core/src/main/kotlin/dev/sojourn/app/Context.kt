package dev.sojourn.app

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.async
import kotlinx.coroutines.channels.BufferOverflow
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.MutableSharedFlow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.serialization.json.JsonObject
import java.time.Instant
import java.util.concurrent.ConcurrentHashMap

/** Something that happened by itself. */
sealed interface Event {
    /** A session of this app ended: its tokens are forgotten. */
    data class SessionEnded(val ended: Ended) : Event

    /** Tokens, sign-in, sign-out, or what is known of the person: read [App.state] anew. */
    data object Changed : Event

    /** A sign-out that had to wait was heard by the server. */
    data object SignedOut : Event

    /** Something came by `/me/events`, `ready` too (docs/mobile.md). */
    data class Heard(val name: String, val data: JsonObject) : Event
}

/** Access tokens that are remembered as refused. */
private const val MOST_DEAD = 99

/**
 * What the parts of an app share: the record, the clock as the server has it, and what is remembered only while the process lives.
 * All of it happens on one thread at a time ([run]), whatever threads the app calls from.
 */
internal class Context(val config: Config) : Records.Keeper {
    val clock = config.clock
    val http = Http(config.http) { moved = true }

    /** Where an endpoint was asked and nothing was there: discovery is to be read anew. */
    @Volatile
    var moved = false
    val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default.limitedParallelism(1))
    val events = MutableSharedFlow<Event>(extraBufferCapacity = 256, onBufferOverflow = BufferOverflow.DROP_OLDEST)
    val records = Records(config.storage, this)
    val backoff = Backoff(clock)

    /** The name of the session that there is. */
    val signedIn = MutableStateFlow<String?>(null)

    /** The last record that was read or written. */
    @Volatile
    var record: Record? = null

    /** The server's clock less this device's, in milliseconds, as the last Date header taught. */
    @Volatile
    var skew = 0L

    /** The newest DPoP nonce of each origin (RFC 9449 §8.2). */
    val nonces = ConcurrentHashMap<String, String>()

    /** The newest access tokens that must not be used any more. */
    val dead = mutableSetOf<String>()

    /** Sessions that are over although the store could not be told. */
    val over = mutableMapOf<String, Ending>()

    /**
     * When sign-ins were begun here and their codes came, by the elapsed clock, as long as the record has them; what is in the record, another
     * process's too, goes by the wall clock.
     */
    val begun = mutableMapOf<String, Long>()

    /** The access token that is kept, and when it was first seen here, by the elapsed clock. */
    private var seen: Pair<String, Long>? = null

    /** The server's time, in milliseconds since 1970. */
    val serverTime get() = clock.wall() + skew

    /** Does something to its end, whether or not the caller goes on waiting: what was begun must be written down. */
    fun <T> start(task: suspend () -> T): Deferred<T> = scope.async { task() }

    /** Does something so, and waits for it. */
    suspend fun <T> run(task: suspend () -> T): T = try {
        start(task).await()
    } catch (e: CancellationException) {
        currentCoroutineContext().ensureActive() // it is not the caller who was cancelled
        throw closed(e)
    }

    fun closed(cause: Throwable? = null) = AppException(Kind.CLOSED, "This app was closed.", cause)

    fun tell(event: Event) {
        events.tryEmit(event)
    }

    override fun learnt() = Learnt(skew, nonces.toMap())

    /** Compares a record with the last one, and tells of what another task or process has done. */
    override fun seen(record: Record) {
        val before = this.record
        this.record = record
        if (before == null) record.learnt?.let(::remember)
        val access = record.session?.access
        if (access != null && access != seen?.first) seen = access to clock.elapsed()
        begun.keys.retainAll(record.pending.flatMap { listOfNotNull(it.state, it.code) }.toSet())
        signedIn.value = record.session?.id
        if (before == null) return
        record.ended?.takeIf { it.id != before.ended?.id }?.let { tell(Event.SessionEnded(spoken(it))) }
        if (shown(before) != shown(record)) tell(Event.Changed)
    }

    /** What a page may show of a record, to compare it. */
    private fun shown(r: Record) = listOf(r.session?.access, r.ended?.id, r.identity?.name, r.identity?.email, r.identity?.claims)

    private fun remember(learnt: Learnt) {
        skew = learnt.skew
        nonces.putAll(learnt.nonces)
    }

    /** Remembers an access token that must not be used any more. It is over after minutes, so the newest few will do. */
    fun refused(session: Session) {
        dead += session.access
        if (dead.size > MOST_DEAD) dead -= dead.first()
    }

    /** What is left of an access token, in milliseconds, by the clock that says less. A wall clock that went back says nothing. */
    fun left(session: Session): Long {
        if (session.access in dead) return 0
        val now = clock.elapsed()
        val since = seen?.takeIf { it.first == session.access }?.second ?: now
        return session.life - maxOf(0, clock.wall() - session.came, now - since)
    }

    /** An ending in the app's language. */
    fun spoken(e: Ending) = Ended(e.reason, sentence(e.reason, config.language), Instant.ofEpochMilli(e.at))

    /** What everyone is told who asks for a token of a session that is over. */
    fun endedError(e: Ending): AppException = spoken(e).let { AppException(Kind.ENDED, it.sentence, ended = it) }
}
