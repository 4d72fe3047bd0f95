package dev.sojourn.resource

import org.junit.jupiter.api.Tag
import org.junit.jupiter.api.Test
import java.lang.management.ManagementFactory

/** What a request costs an API: `mvn -pl jose,resource test -Dgroups=bench -DexcludedGroups=`. */
@Tag("bench")
class GuardBench {
    private val threads = ManagementFactory.getThreadMXBean()

    @Test
    fun `what a request costs`() = measure()

    @Test
    fun `what a request costs where Conscrypt verifies`() = withConscrypt { measure() }

    private fun measure() = Authority().use { authority ->
        Guard(authority.config(Stale.ACCEPT)).use { guard ->
            until { guard.status().current }
            val operation = Operation("notes.read")
            val tokens = List(100) { authority.token("jti" to "j$it", "sid" to "s$it") }.map { Asked("http://a/notes", "GET", "Authorization" to "Bearer $it") }
            measure("a token that was seen before", 200_000) { guard.check(tokens[it % 100], operation) }
            println("current: ${guard.status().current} ${guard.status().problem}")
            val fresh = List(6_000) { Asked("http://a/notes", "GET", "Authorization" to "Bearer ${authority.token()}") }
            measure("a new token", 6_000) { guard.check(fresh[it], operation) }
            val key = Authority.keyPair()
            val bound = authority.bound(key)
            println("current: ${guard.status().current} ${guard.status().problem}")
            val proved = List(6_000) { Asked("http://a/notes", "GET", "Authorization" to "DPoP $bound", "DPoP" to Authority.proof(key, "GET", "http://a/notes", bound)) }
            measure("a bound token with its proof", 6_000) { guard.check(proved[it], operation) }
        }
    }

    /** The processor's time, whatever else the machine does: the median of the later half's hundredths, since the first half warms. */
    private fun measure(what: String, times: Int, task: (Int) -> Unit) {
        val part = times / 100
        val spans = List(100) { p ->
            val start = threads.currentThreadCpuTime
            repeat(part) { task(p * part + it) }
            (threads.currentThreadCpuTime - start) / part / 1000.0
        }
        println("$what: ${spans.drop(50).sorted()[25]} µs")
    }
}
