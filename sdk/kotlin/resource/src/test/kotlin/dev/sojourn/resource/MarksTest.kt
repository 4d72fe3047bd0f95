package dev.sojourn.resource

import dev.sojourn.jose.json
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.concurrent.thread

private class SetClock(var now: Long = 0) : Clock {
    override fun wall() = now

    override fun elapsed() = now

    override fun sleep(millis: Long) = Unit
}

class MarksTest {
    private val clock = SetClock()
    private val marks = Marks(clock)

    private fun one(kind: Char, who: String) = Mark(Hash.of(kind, who), Mark.Kind.ONE)

    private fun person(who: String, epoch: Long, vararg kept: String) =
        Mark(Hash.of('p', who), Mark.Kind.PERSON, epoch, kept.map { Hash.of('k', it) }.sorted().toLongArray())

    private fun token(sid: String? = "s", jti: String = "j", sub: String = "ada", client: String = "notes", epoch: Long = 0, clientEpoch: Long = 0) =
        Marked(Claims(json("sid" to sid, "jti" to jti, "sub" to sub, "client_id" to client)), epoch, clientEpoch)

    @Test
    fun `a session's mark refuses its tokens, a token's that token alone`() {
        marks.add(listOf(one('s', "s1"), one('t', "j1")))
        assertTrue(marks.ended(token(sid = "s1")))
        assertTrue(marks.ended(token(jti = "j1")))
        assertFalse(marks.ended(token(sid = "j1", jti = "s1")))
    }

    @Test
    fun `a person's mark refuses what was issued before it, but for the sessions it spares`() {
        marks.add(listOf(person("ada", 3, "kept"), person("ada", 5, "other")))
        assertTrue(marks.ended(token(epoch = 2)))
        assertTrue(marks.ended(token(sid = "kept", epoch = 2)), "the later mark spares another one")
        assertTrue(marks.ended(token(sid = "other", epoch = 2)), "the first mark did not spare it")
        assertFalse(marks.ended(token(sid = "other", epoch = 3)))
        assertTrue(marks.ended(token(sid = "kept", epoch = 4)))
        assertFalse(marks.ended(token(epoch = 5)))
        assertFalse(marks.ended(token(sid = null)), "no person stands behind it")
        assertFalse(marks.ended(token(sub = "bob")))
        marks.add(listOf(person("ada", 5)))
        assertTrue(marks.ended(token(sid = "other", epoch = 4)))
    }

    @Test
    fun `a client's mark refuses what it was given before`() {
        marks.add(listOf(Mark(Hash.of('c', "notes"), Mark.Kind.CLIENT, 1_790_000_000_000_000)))
        assertTrue(marks.ended(token(sid = null)))
        assertFalse(marks.ended(token(clientEpoch = 1_790_000_000_000_000)))
    }

    @Test
    fun `marks in whatever order and however often say the same`() {
        val all = (1L..40).map { person("ada", it, "kept$it") } + (1L..40).map { person("bob", it) } + one('s', "s1")
        repeat(3) { marks.add(all.shuffled()) }
        assertTrue(marks.ended(token(sid = "kept40", epoch = 38)))
        assertFalse(marks.ended(token(sub = "ada", epoch = 40)))
        assertTrue(marks.ended(token(sub = "bob", epoch = 39)))
        assertFalse(marks.ended(token(sub = "bob", epoch = 40)))
        assertTrue(marks.size < 40, "one person does not pile up marks: ${marks.size}")
    }

    @Test
    fun `a mark is held for the window, and gone after twice of it`() {
        clock.now = 600_000
        marks.add(listOf(one('s', "s1")))
        for (later in listOf(61_000L, 659_000L)) {
            clock.now = 600_000 + later
            marks.age()
            assertTrue(marks.ended(token(sid = "s1")), "$later")
        }
        clock.now = 600_000 + 1_330_000
        marks.age()
        clock.now += 661_000
        marks.age()
        assertEquals(0, marks.size)
    }

    @Test
    fun `more than there is room for is said, and forgets nothing`() {
        val small = Marks(clock, 1000)
        small.add((1..1500).map { one('s', "s$it") })
        assertTrue(small.overflowed)
        assertTrue((1..1000).all { small.ended(token(sid = "s$it")) })
    }

    @Test
    fun `a million marks take 32 MB at most`() {
        val kinds = mapOf<String, (Int) -> Mark>("sessions" to { one('s', "sid$it") }, "people" to { person("sub$it", 3) })
        for ((kind, make) in kinds) {
            // The worst moment is after the arrays have grown: all sizes up to a million are looked at.
            val marks = Marks(clock)
            val before = used()
            var worst = 0.0
            for (n in 1..10) {
                marks.add(((n - 1) * 100_000 until n * 100_000).map(make))
                worst = maxOf(worst, (used() - before) / (n * 100_000.0))
            }
            println("$kind: ${(used() - before) / 1_000_000} MB the million, at worst $worst bytes a mark")
            assertTrue(used() - before <= 32_000_000, "$kind: ${used() - before}")
            assertTrue((0 until 1_000_000 step 1000).all { marks.ended(token(sid = "sid$it", sub = "sub$it")) })
            assertFalse((0 until 100_000).any { marks.ended(token(sid = "other$it")) })
        }
    }

    private fun used(): Long {
        System.gc()
        return Runtime.getRuntime().run { totalMemory() - freeMemory() }
    }

    @Test
    fun `readers find what was added before, while more is added`() {
        val done = AtomicBoolean()
        val missed = AtomicBoolean()
        marks.add(listOf(one('s', "s0"), person("eve", 9, "kept")))
        val ended = token(sid = "s0")
        val ofEve = token(sub = "eve", epoch = 1)
        val readers = List(4) { thread { while (!done.get()) if (!marks.ended(ended) || !marks.ended(ofEve)) missed.set(true) } }
        for (n in 1..200) marks.add((1..200).map { if (it % 3 == 0) person("sub$n.$it", 3, "k") else one('s', "sid$n.$it") })
        done.set(true)
        readers.forEach { it.join() }
        assertFalse(missed.get())
    }
}
