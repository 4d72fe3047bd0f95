package dev.sojourn.resource

import java.security.MessageDigest
import java.security.SecureRandom
import java.util.concurrent.atomic.AtomicLongArray

/** A mark's hash: 64 bits under a key of this process, so that nobody can make two that collide. Never 0. */
internal object Hash {
    private val key = ByteArray(16).also(SecureRandom()::nextBytes)

    fun of(kind: Char, text: String): Long {
        val sum = MessageDigest.getInstance("SHA-256").run {
            update(key)
            update(kind.code.toByte())
            digest(text.toByteArray())
        }
        var first = 0L
        for (i in 0..7) first = (first shl 8) or (sum[i].toLong() and 0xff)
        return if (first == 0L) 1 else first
    }
}

/** What of a token marks are about. Made once, and remembered with the token. */
internal class Marked(claims: Claims, val personEpoch: Long, val clientEpoch: Long) {
    val session = claims.sessionId?.let { Hash.of('s', it) }
    val kept = claims.sessionId?.let { Hash.of('k', it) }
    val token = claims.id?.let { Hash.of('t', it) }
    val person = Hash.of('p', claims.subject)
    val client = Hash.of('c', claims.clientId)
}

/**
 * What must not be believed any more. Marks are a set: none is ever taken back, and one that comes twice does nothing. Each is held for the
 * server's window after it came at least: there are two generations, and the elder is dropped whole.
 */
internal class Marks(private val clock: Clock, private val most: Int = 4_000_000) {
    @Volatile
    private var young = Generation(most)

    @Volatile
    private var old = Generation(most)
    private var born = clock.elapsed()

    /** Milliseconds for which a mark matters. The server says it. */
    @Volatile
    var window = 660_000L

    val size: Int get() = young.size + old.size

    /** Whether marks came that there was no room for: what is held is not all then. */
    val overflowed: Boolean get() = young.overflowed || old.overflowed

    /** Adds marks of the feed: `["s", sid]`, `["t", jti]`, `["p", sub, epoch, [sid…]]`, `["c", client_id, epoch]`. */
    @Synchronized
    fun add(marks: List<Mark>) {
        age()
        marks.forEach { young.add(it) }
    }

    @Synchronized
    fun age() {
        val now = clock.elapsed()
        if (now - born < window) return
        old = if (now - born < 2 * window) young else Generation(most)
        young = Generation(most)
        born = now
    }

    operator fun contains(hash: Long): Boolean = young.has(hash) || old.has(hash)

    fun ended(token: Marked): Boolean = young.has(token) || old.has(token)
}

/** As many marks of one person as may spare sessions. */
private const val SPARING = 32

/** One mark as it is held. */
internal class Mark(val hash: Long, val kind: Kind, val epoch: Long = 0, val kept: LongArray = LongArray(0)) {
    enum class Kind { ONE, PERSON, CLIENT }
}

/** Marks that came within one window. Readers don't wait: arrays are only replaced, and an entry's hash is written last. */
private class Generation(private val most: Int) {
    /** Sessions and tokens. */
    private val ones = Table(most, false)

    /** People and clients, with the epoch that a token must have reached; or, negative, where in [slab] the epoch stands with whom it spares. */
    private val epochs = Table(most, true)

    @Volatile
    private var slab = LongArray(0)
    private var used = 0

    @Volatile
    var overflowed = false
        private set

    @Volatile
    var size = 0
        private set

    fun add(mark: Mark) {
        if (size >= most || used > most) {
            overflowed = true
            return
        }
        val added = when {
            mark.kind == Mark.Kind.ONE -> (mark.hash !in ones).also { if (it) ones.add(mark.hash, 0) }
            mark.kept.isEmpty() -> epochs.raise(mark.hash, mark.epoch)
            else -> spare(mark)
        }
        if (added) size++
    }

    /** Adds a mark that spares some sessions. Of whom there are very many, the newest spares none: they refresh once. */
    private fun spare(mark: Mark): Boolean {
        var others = 0
        val known = epochs.any(mark.hash) { held -> if (held >= 0) held >= mark.epoch else others++ >= SPARING || same(mark, (-1 - held).toInt()) }
        if (known && others <= SPARING) return false
        if (known) return epochs.raise(mark.hash, mark.epoch)
        epochs.add(mark.hash, -1L - write(mark))
        return true
    }

    private fun same(mark: Mark, at: Int) =
        slab[at] == mark.epoch && mark.kept.contentEquals(slab.copyOfRange(at + 2, at + 2 + slab[at + 1].toInt()))

    private fun write(mark: Mark): Int {
        val at = used
        used += 2 + mark.kept.size
        if (used > slab.size) slab = slab.copyOf(used + used / 4 + 64)
        slab[at] = mark.epoch
        slab[at + 1] = mark.kept.size.toLong()
        mark.kept.copyInto(slab, at + 2)
        return at
    }

    fun has(hash: Long): Boolean = hash in ones

    fun has(token: Marked): Boolean =
        (token.session != null && (token.session in ones || epochs.any(token.person) { beforeEpoch(it, token) })) ||
            (token.token != null && token.token in ones) ||
            epochs.any(token.client) { token.clientEpoch < it }

    private fun beforeEpoch(held: Long, token: Marked): Boolean {
        if (held >= 0) return token.personEpoch < held
        val at = (-1 - held).toInt()
        val all = slab
        if (token.personEpoch >= all[at]) return false
        return (0 until all[at + 1].toInt()).none { all[at + 2 + it] == token.kept }
    }
}

/** Open addressing over primitive arrays, four fifths full at most: 8 to 15 bytes an entry, and as much again for its value. */
private class Table(private val most: Int, private val valued: Boolean) {
    private class Arrays(val size: Int, valued: Boolean) {
        val hashes = AtomicLongArray(size)
        val values = if (valued) AtomicLongArray(size) else null

        /** Where a hash would stand at best: its high half scaled to the size, which need be no power of two. */
        fun home(hash: Long) = (((hash ushr 32) * size) ushr 32).toInt()

        fun value(i: Int): Long = values?.get(i) ?: 0

        fun put(hash: Long, value: Long) {
            var i = home(hash)
            while (hashes[i] != 0L) if (++i == size) i = 0
            values?.set(i, value)
            hashes[i] = hash
        }

        /** The first place of a hash whose value is as asked, or -1. */
        inline fun find(hash: Long, asked: (Long) -> Boolean): Int {
            var i = home(hash)
            while (true) {
                val found = hashes[i]
                if (found == 0L) return -1
                if (found == hash && asked(value(i))) return i
                if (++i == size) i = 0
            }
        }
    }

    @Volatile
    private var arrays = Arrays(64, valued)
    private var used = 0

    /** Whether one of the values of a hash is as asked. */
    fun any(hash: Long, asked: (Long) -> Boolean): Boolean = arrays.find(hash, asked) >= 0

    operator fun contains(hash: Long): Boolean = arrays.find(hash) { true } >= 0

    /** Adds an entry: one hash can have several values. */
    fun add(hash: Long, value: Long) {
        if (used >= arrays.size / 5 * 4) grow()
        arrays.put(hash, value)
        used++
    }

    /** Gives a hash at least this value of those that are not negative; true where it had none. */
    fun raise(hash: Long, value: Long): Boolean {
        val a = arrays
        val at = a.find(hash) { it >= 0 }
        if (at < 0) add(hash, value) else if (a.value(at) < value) a.values?.set(at, value)
        return at < 0
    }

    private fun grow() {
        val from = arrays
        val to = Arrays(minOf(from.size + from.size / 2, most / 4 * 5).coerceAtLeast(from.size + 64), valued)
        for (i in 0 until from.size) from.hashes[i].let { if (it != 0L) to.put(it, from.value(i)) }
        arrays = to
    }
}
