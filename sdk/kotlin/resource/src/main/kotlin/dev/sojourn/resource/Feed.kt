package dev.sojourn.resource

import dev.sojourn.jose.list
import dev.sojourn.jose.long
import dev.sojourn.jose.text
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject

/** The oldest proof of freshness that counts, and how far beats may fall behind the server's own clock. Milliseconds. */
internal const val FRESH = 5_000L

/** Something is missing between what is held and what came. */
internal class GapException(message: String) : Exception(message, null, false, false)

/** A moment by both clocks. */
internal class Moment(private val clock: Clock) {
    val elapsed = clock.elapsed()
    private val wall = clock.wall()

    /** How long ago that was, by the clock that says more: the elapsed one, which nobody sets, stands still while the machine sleeps. */
    val age: Long get() = maxOf(clock.elapsed() - elapsed, clock.wall() - wall)

    /** Whether the machine slept since, or somebody set its clock ahead. */
    val slept: Boolean get() = age - (clock.elapsed() - elapsed) > FRESH
}

/** One connection to the feed: the nonce that its beats must carry, and when it was asked for. */
internal class Connection(val nonce: String, val sent: Moment) {
    /** When the first beat came, by our elapsed clock and by the server's. */
    var first: Pair<Long, Long>? = null
}

/**
 * How far the feed of endings was followed, and when that was last proved (docs/endings.md). Nothing that somebody sets or
 * sends makes it fresher: whoever can set clocks, record a stream or hold it up proves nothing.
 */
internal class Feed(private val config: Config, private val server: Server, val marks: Marks) {
    private val clock = config.clock

    @Volatile
    var position = 0L
        private set

    @Volatile
    var tag = ""
        private set

    /** The strength of sign-in that the server's policy asks of everybody now; null where it asks none. */
    @Volatile
    var acr: String? = null
        private set

    /** The newest good beat: where the feed was, and from when its age counts. */
    private class Beat(val at: Long, val since: Moment)

    @Volatile
    private var beat: Beat? = null
    private var gaps = 0

    /** Whether everything that ended is known, but for the last seconds. */
    val current: Boolean get() = beat.let { it != null && position >= it.at && it.since.age <= FRESH } && !marks.overflowed

    /** Where to go on; null asks for everything. */
    fun cursor(): String? = if (tag.isEmpty()) null else "$position.$tag"

    /** Takes a batch of marks. */
    fun endings(text: String) = endings(open(text))

    /** Takes a sign of life. `more`: marks are still on their way, so it proves nothing. */
    fun beat(text: String, on: Connection, more: Boolean = false) = beat(open(text), on, more)

    private fun open(text: String): JsonObject {
        val jws = Jws.of(text) ?: throw UnavailableException("the feed holds what is no JWS")
        if (jws.type != "endings+jwt" || !server.signed(jws, listOf("ES256"))) throw UnavailableException("the feed holds what the server has not signed")
        if (jws.claims["iss"].text != config.issuer) throw UnavailableException("the feed is of another issuer")
        return jws.claims
    }

    private fun endings(c: JsonObject) {
        val (from, to) = whole(c, "from") to whole(c, "to")
        val tag = c["tag"].text ?: if (to == 0L) "" else throw UnavailableException("a batch of the feed has no tag")
        if (from > to) throw UnavailableException("a batch of the feed ends before it begins")
        val read = (c["marks"] as? JsonArray ?: throw UnavailableException("a batch of the feed has no marks")).map(::mark)
        if (from > position) gap("the feed goes on at $from, and $position was expected")
        marks.add(read)
        if (from > 0 && to < position) return
        if (from > 0 && to == position && tag != this.tag) restored()
        this.tag = tag
        position = to
    }

    private fun beat(c: JsonObject, on: Connection, more: Boolean) {
        if (c["nonce"].text != on.nonce) throw UnavailableException("the feed beats for somebody else")
        val (at, iat) = whole(c, "at") to whole(c, "iat") * 1000
        if (on.sent.slept) throw UnavailableException("the machine slept, or its clock was set ahead: what the feed says may be of before")
        val now = Moment(clock)
        val first = on.first
        if (first == null) on.first = now.elapsed to iat
        else if ((now.elapsed - first.first) - (iat - first.second) > FRESH) throw UnavailableException("the feed is held up on its way")
        if (at < position || (at == position && at > 0 && c["tag"].text != tag)) restored()
        c["window"].long?.let { marks.window = (it * 1000).coerceIn(60_000, 7_200_000) }
        marks.age()
        acr = c["acr"].text
        if (more) return
        beat = Beat(at, if (first == null) on.sent else now)
        if (at == position) gaps = 0
    }

    private fun gap(what: String): Nothing {
        beat = null
        if (++gaps >= 2) forget()
        throw GapException(what)
    }

    /** A database that was restored uses positions again: nothing says what came in between. */
    private fun restored(): Nothing {
        beat = null
        forget()
        throw GapException("the feed has another past than before")
    }

    /** Asks for everything the next time. What is held stays. */
    fun forget() {
        gaps = 0
        position = 0
        tag = ""
    }

    private fun whole(c: JsonObject, name: String): Long = c[name].long?.takeIf { it >= 0 } ?: throw UnavailableException("the feed has no $name")

    /** Reads a mark. One that is not understood may be an ending: the message can't be read then. */
    private fun mark(element: JsonElement): Mark {
        val all = element as? JsonArray
        val who = all?.getOrNull(1).text ?: throw UnavailableException("the feed holds a mark of nobody")
        val kind = all!![0].text
        return when (kind) {
            "s", "t" -> Mark(Hash.of(kind[0], who), Mark.Kind.ONE)
            "p" -> Mark(Hash.of('p', who), Mark.Kind.PERSON, epoch(all), all.getOrNull(3).list.map { Hash.of('k', it.text.orEmpty()) }.sorted().toLongArray())
            "c" -> Mark(Hash.of('c', who), Mark.Kind.CLIENT, epoch(all))
            else -> throw UnavailableException("the feed holds a mark of the unknown kind $kind: this library is older than the server")
        }
    }

    private fun epoch(mark: JsonArray): Long = mark.getOrNull(2).long?.takeIf { it >= 0 } ?: throw UnavailableException("the feed holds a mark without its epoch")
}
