package dev.sojourn.app.android

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Context
import android.content.Intent
import android.net.Uri
import android.os.Bundle

private const val URL = "dev.sojourn.app.URL"
private const val REDIRECT = "dev.sojourn.app.REDIRECT"
private const val OPENED = "dev.sojourn.app.OPENED"

/**
 * Lies under the browser while a sign-in is under way, without a face of its own. It is what the browser returns to: with an answer (an Auth
 * Tab's result, or a deep link by [RedirectActivity]) or with none, when the person pressed back. It is not exported.
 */
class SignInActivity : Activity() {
    private var opened = false

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        opened = state?.getBoolean(OPENED) ?: false // true: the process was killed under the browser
        take(intent)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        if (intent.hasExtra(URL)) {
            // Another sign-in was begun while this one's browser was open.
            setIntent(intent)
            opened = false
        } else {
            take(intent)
        }
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        if (result == RESULT_OK) take(data)
    }

    override fun onResume() {
        super.onResume()
        if (isFinishing) return
        if (!opened) return show()
        // Back from the browser, and nothing came.
        Returns.closed(intent.getStringExtra(URL)?.let(::stateOf))
        leave()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putBoolean(OPENED, opened)
    }

    private fun show() {
        val (url, redirect) = listOf(URL, REDIRECT).map { intent.getStringExtra(it) ?: return leave() }
        opened = true
        try {
            @Suppress("DEPRECATION") // the other way is androidx's
            startActivityForResult(Browsers(this).intent(Uri.parse(url), Uri.parse(redirect)), 1)
        } catch (_: ActivityNotFoundException) { // a phone without a browser
            Returns.closed(stateOf(url))
            leave()
        }
    }

    /** Takes what came back. */
    private fun take(intent: Intent?) {
        Returns.came(intent?.dataString ?: return)
        leave()
    }

    /** To the app's own page; where none is left under this one, to its first. */
    private fun leave() {
        if (isTaskRoot) packageManager.getLaunchIntentForPackage(packageName)?.let(::startActivity)
        finish()
    }

    internal companion object {
        fun open(context: Context, url: String, redirectUri: String): Intent =
            Intent(context, SignInActivity::class.java).putExtra(URL, url).putExtra(REDIRECT, redirectUri)
    }
}

/** Takes the redirect where it comes as a deep link: the one activity that others may start. It brings [SignInActivity] back to the front. */
class RedirectActivity : Activity() {
    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        // Only the address is taken over, nothing else that a stranger may have put into the intent.
        val onward = Intent(this, SignInActivity::class.java).setData(intent.data)
        startActivity(onward.addFlags(Intent.FLAG_ACTIVITY_NEW_TASK or Intent.FLAG_ACTIVITY_CLEAR_TOP or Intent.FLAG_ACTIVITY_SINGLE_TOP))
        finish()
    }
}
