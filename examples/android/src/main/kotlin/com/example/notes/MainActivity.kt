package com.example.notes

import android.app.Activity
import android.os.Bundle
import android.widget.Button
import android.widget.LinearLayout
import android.widget.TextView
import dev.sojourn.app.AppException
import dev.sojourn.app.Kind
import dev.sojourn.app.Status
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import okhttp3.Request

class MainActivity : Activity() {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)
    private val session get() = (application as Notes).session
    private lateinit var text: TextView
    private lateinit var button: Button

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        text = TextView(this)
        button = Button(this)
        setContentView(LinearLayout(this).apply { orientation = LinearLayout.VERTICAL; addView(text); addView(button) })
        scope.launch { session.events.collect { attempt { show() } } } // signed in, renewed, over: whatever happens by itself
        scope.launch { attempt { show() } }
    }

    private suspend fun show() {
        val state = session.state()
        val signedIn = state.status == Status.SIGNED_IN
        text.text = if (signedIn) "Hello, ${state.identity?.name}." else state.ended?.sentence ?: "Nobody is signed in."
        button.text = if (signedIn) "Sign out" else "Sign in"
        button.setOnClickListener { scope.launch { attempt { if (signedIn) session.signOut() else session.signIn(); show() } } }
        if (signedIn) text.append(" /me: ${me()}")
    }

    /** Bodies are read and closed off the main thread. */
    private suspend fun me(): Int = withContext(Dispatchers.IO) {
        session.call(Request.Builder().url("http://localhost:8080/me").build()).use { it.code }
    }

    private suspend fun attempt(task: suspend () -> Unit) = try {
        task()
    } catch (e: AppException) {
        when (e.kind) {
            Kind.ENDED -> text.text = e.ended?.sentence
            Kind.CANCELLED -> text.text = "Not signed in."
            else -> text.append(" (${e.message})") // all is kept: offline, or the phone is locked
        }
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }
}
