package dev.sojourn.app

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.SharedFlow
import kotlinx.coroutines.flow.asSharedFlow
import kotlinx.coroutines.flow.collectLatest
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.selects.select
import okhttp3.Interceptor
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.Response
import java.time.Duration
import java.time.Instant

/** Whether somebody is signed in. */
enum class Status {
    SIGNED_IN,
    SIGNED_OUT,

    /** A sign-in was begun and may still come back. */
    PENDING,

    /** The session is over; [State.ended] says why. */
    ENDED,
}

/** What is true here, without asking the server. */
class State internal constructor(
    val status: Status,
    /** Who was confirmed last; after an ending too, to say whom to sign in. */
    val identity: Identity?,
    /** Why the session is over, where it is. */
    val ended: Ended?,
    /** Until the session ends whatever the app does. */
    val endsIn: Duration?,
    /** Sign-outs that the server has not heard yet. */
    val unheard: Int,
) {
    /** The session ends within a day: offer to sign in at a good moment. */
    val signInSoon: Boolean get() = status == Status.SIGNED_IN && endsIn != null && endsIn < Duration.ofDays(1)
}

/** An access token. */
class Token internal constructor(val accessToken: String, val type: String, val expiresIn: Duration) {
    /** The secret is left out. */
    override fun toString() = "$type token for $expiresIn"
}

/** One app on one device. All its methods may be called at once, and other processes may share its storage. Java: [FutureApp]. */
class App(private val config: Config) : AutoCloseable {
    private val ctx = Context(config)
    private val server = Server(ctx)
    private val tokens = Tokens(ctx, server)
    private val refresh = Refresh(ctx, server, tokens)
    private val signIn = SignIn(ctx, server, tokens, refresh)
    private val signOuts = SignOuts(ctx, server)
    private val calls = Calls(ctx, server, refresh)
    private val userInfo = UserInfo(ctx, server, calls)
    private val stream = Events(ctx, server, refresh, calls).also { it.profile = { ignoring { userInfo.ask() } } }

    /** The sign-in whose browser is open: it fails when another is begun. */
    @Volatile
    private var open: CompletableDeferred<Nothing>? = null

    /** What happens by itself. */
    val events: SharedFlow<Event> = ctx.events.asSharedFlow()

    /** What is true here. It asks the server nothing. */
    suspend fun state(): State = ctx.run {
        val record = ctx.records.load()
        signOuts.flush()
        val status = when {
            record.session != null && record.session.unverified == null -> Status.SIGNED_IN
            record.session != null || signIn.waiting(record).isNotEmpty() -> Status.PENDING
            record.ended != null -> Status.ENDED
            else -> Status.SIGNED_OUT
        }
        val endsIn = record.identity?.endsAt?.let { Duration.between(Instant.ofEpochMilli(ctx.serverTime), it) }
        val ended = if (record.session == null) record.ended?.let(ctx::spoken) else null
        State(status, record.identity, ended, endsIn?.coerceAtLeast(Duration.ZERO), record.signOuts.size)
    }

    /** Opens the browser and returns once the person is signed in. Another sign-in cancels this one, not its redirect. */
    suspend fun signIn(asked: Asked = Asked()): Identity {
        val browser = config.browser ?: throw AppException(Kind.STOP, "Give this app a browser, or use begin and finish.")
        ctx.run {} // not once it is closed
        val mine = CompletableDeferred<Nothing>()
        open?.completeExceptionally(AppException(Kind.CANCELLED, "Another sign-in was begun."))
        open = mine
        val redirectUri = browser.ready(config.redirectUri)
        val url = ctx.run { signIn.begin(asked, redirectUri) }
        val back = coroutineScope {
            val opened = async { browser.open(url, redirectUri) }
            select { opened.onAwait { it }; mine.onAwait { it } }
        }
        return if (back != null) finish(back) else cameAnotherWay(url)
    }

    /** The redirect may have come while the browser closed: as a deep link. */
    private suspend fun cameAnotherWay(url: String): Identity = ctx.run {
        val record = ctx.records.load()
        record.identity?.takeIf { record.session?.id == parametersOf(url)["state"] }
            ?: throw AppException(Kind.CANCELLED, "The browser was closed before the sign-in was done.")
    }

    /** The first half of [signIn], for apps that open the browser themselves: the address to open. */
    suspend fun begin(asked: Asked = Asked()): String = ctx.run { signIn.begin(asked, config.redirectUri) }

    /** The second half: the whole address that came back. Also after a restart, and twice. */
    suspend fun finish(redirect: String): Identity = ctx.run {
        signIn.redirected(redirect).also { signOuts.flush() }
    }.let { who -> if (who.name == null && who.email == null) ignoring { userInfo.ask() } ?: who else who }

    /** An access token that lives. `fresh`: a new one, though the old one still lives. */
    suspend fun token(fresh: Boolean = false): Token = ctx.run {
        val session = usable(if (fresh) ctx.records.load().session?.access else null)
        Token(session.access, session.type, Duration.ofMillis(ctx.left(session)))
    }

    /** A code that came just before the process was killed is a sign-in that is nearly done. */
    private suspend fun usable(spent: String?): Session = try {
        refresh.usable(spent)
    } catch (e: AppException) {
        val half = if (e.isKind(Kind.SIGNED_OUT)) ctx.record?.let(signIn::waiting)?.find { it.code != null } else null
        signIn.resume((half ?: throw e).state)
        refresh.usable()
    } finally {
        signOuts.flush()
    }

    /** Sends a request with the access token, for the addresses in `apis`; one refresh and one more try at 401. Close the response. */
    suspend fun call(request: Request): Response = calls.call(request).also { ctx.start { signOuts.flush() } }

    /** Makes a client of the app's own (Retrofit's, say) send the access token, as [call] does. Its errors are [AppException]s. */
    fun authorize(client: OkHttpClient.Builder): OkHttpClient.Builder = client.followRedirects(false).followSslRedirects(false)
        .addInterceptor(Interceptor { chain -> runBlocking { calls.call(chain.request()) { chain.proceed(it) } } })
        .addNetworkInterceptor(::prove)

    /** What the server says of the person now (userinfo). It is kept as the identity. */
    suspend fun userInfo(): Identity = userInfo.ask()

    /**
     * Forgets who is signed in, at once, and returns whether the server has heard of it; if not, it is told as soon as it can be.
     * `device`: the sign-in in the browser ends too, with all that began from it; only for apps that may (docs/signout.md).
     */
    suspend fun signOut(device: Boolean = false): Boolean = ctx.run { signOuts.signOut(device) }

    /** Listens while the app is in front, until it is closed: an ending is heard within a second. */
    fun listen(): AutoCloseable {
        val job = ctx.scope.launch {
            ignoring { ctx.records.load() }
            signOuts.flush()
            ctx.signedIn.collectLatest { if (it != null) stream.hear() }
        }
        return AutoCloseable { job.cancel() }
    }

    /**
     * Ends what the app does by itself; what is kept stays. Calls that wait, and all that come later, fail at once with [Kind.CLOSED];
     * [listen] does nothing, and no event comes any more.
     */
    override fun close() {
        ctx.scope.cancel()
        open?.completeExceptionally(ctx.closed())
    }

    private suspend fun <T> ignoring(task: suspend () -> T): T? = try {
        task()
    } catch (_: AppException) {
        null // it is asked again when it matters
    }
}
