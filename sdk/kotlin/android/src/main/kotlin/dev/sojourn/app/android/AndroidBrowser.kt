package dev.sojourn.app.android

import android.content.Context
import android.content.Intent
import android.net.Uri
import dev.sojourn.app.Browser
import kotlinx.coroutines.CompletableDeferred

/** Shows the sign-in page in the person's browser: an Auth Tab, a Custom Tab, or just the browser. */
class AndroidBrowser(context: Context) : Browser {
    private val context = context.applicationContext ?: context

    override suspend fun open(url: String, redirectUri: String): String? {
        val waiting = Answers.Waiting(stateOf(url), CompletableDeferred())
        Returns.wait(waiting)
        try {
            context.startActivity(SignInActivity.open(context, url, redirectUri).addFlags(Intent.FLAG_ACTIVITY_NEW_TASK))
            return waiting.back.await()
        } finally {
            Returns.stop(waiting)
        }
    }
}

/** The `state` of an address, which tells one sign-in from another. A `mailto:` has none. */
internal fun stateOf(url: String): String? = Uri.parse(url).takeIf { it.isHierarchical || it.isAbsolute }?.run {
    Uri.parse("https://redirect/?${encodedQuery ?: encodedSchemeSpecificPart.substringAfter('?', "")}").getQueryParameter("state")
}

/**
 * What came back from browsers, on its way to who waits for it; where nobody does, since the process was killed meanwhile, to the app itself,
 * as soon as there is one.
 */
internal open class Answers {
    class Waiting(val state: String?, val back: CompletableDeferred<String?>)

    private var waiting: Waiting? = null
    private var app: ((String) -> Unit)? = null
    private val kept = ArrayDeque<String>()

    @Synchronized
    fun wait(next: Waiting) {
        waiting?.back?.complete(null)
        waiting = next
    }

    @Synchronized
    fun stop(one: Waiting) {
        if (waiting === one) waiting = null
    }

    /** An address that came back. Anyone can send one: it reaches who waits only where it answers what they asked. */
    @Synchronized
    fun came(address: String) {
        val one = waiting
        if (one != null && one.state == stateOf(address) && one.back.complete(address)) return
        val finish = app
        if (finish != null) finish(address)
        else {
            kept.addLast(address)
            if (kept.size > MOST) kept.removeFirst()
        }
    }

    /** The browser was closed, with nothing to show for it. */
    @Synchronized
    fun closed(state: String?) {
        waiting?.takeIf { it.state == state }?.back?.complete(null)
    }

    /** Who finishes what nobody waits for. */
    @Synchronized
    fun attach(finish: (String) -> Unit) {
        app = finish
        val all = kept.toList()
        kept.clear()
        all.forEach(finish)
    }

    private companion object {
        /** So many addresses wait for an app that is not there yet. */
        const val MOST = 4
    }
}

/** Those of this process: the activities, which Android makes, know no other way. */
internal object Returns : Answers()
