package dev.sojourn.app

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.future.future
import kotlinx.coroutines.launch
import okhttp3.Request
import okhttp3.Response
import java.util.concurrent.CompletableFuture
import java.util.function.Consumer

/** An [App] for Java: what suspends there returns a future here, which fails with an [AppException]. */
class FutureApp(
    /** The app itself. */
    val app: App,
) {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    /** [App.state] */
    fun state(): CompletableFuture<State> = scope.future { app.state() }

    /** [App.signIn] */
    @JvmOverloads
    fun signIn(asked: Asked = Asked()): CompletableFuture<Identity> = scope.future { app.signIn(asked) }

    /** [App.begin] */
    @JvmOverloads
    fun begin(asked: Asked = Asked()): CompletableFuture<String> = scope.future { app.begin(asked) }

    /** [App.finish] */
    fun finish(redirect: String): CompletableFuture<Identity> = scope.future { app.finish(redirect) }

    /** [App.token] */
    @JvmOverloads
    fun token(fresh: Boolean = false): CompletableFuture<Token> = scope.future { app.token(fresh) }

    /** [App.call] */
    fun call(request: Request): CompletableFuture<Response> = scope.future { app.call(request) }

    /** [App.userInfo] */
    fun userInfo(): CompletableFuture<Identity> = scope.future { app.userInfo() }

    /** [App.signOut] */
    @JvmOverloads
    fun signOut(device: Boolean = false): CompletableFuture<Boolean> = scope.future { app.signOut(device) }

    /** Calls back for each of [App.events], until it is closed. */
    fun onEvent(listener: Consumer<Event>): AutoCloseable {
        val job = scope.launch(Dispatchers.Unconfined) { app.events.collect(listener::accept) }
        return AutoCloseable { job.cancel() }
    }
}
