import dev.sojourn.app.App
import dev.sojourn.app.AppException
import dev.sojourn.app.Config
import dev.sojourn.app.FileStorage
import dev.sojourn.app.Kind
import dev.sojourn.app.LoopbackBrowser
import dev.sojourn.app.Status
import kotlinx.coroutines.runBlocking
import okhttp3.Request
import java.nio.file.Path

fun main() = runBlocking {
    val issuer = System.getenv("SOJOURN_ISSUER") ?: "http://localhost:8080"
    val app = App(
        Config(
            issuer = issuer, clientId = "notes", redirectUri = "http://127.0.0.1/callback", browser = LoopbackBrowser(),
            storage = FileStorage(Path.of(System.getProperty("user.home"), ".notes")),
        ),
    )
    try {
        if (app.state().status != Status.SIGNED_IN) app.signIn() // opens the browser
        println("Hello, ${app.state().identity?.name}.")
        app.call(Request.Builder().url("$issuer/me").build()).use { println(it.body.string()) }
    } catch (e: AppException) {
        if (e.kind != Kind.OFFLINE) throw e
        println("Offline. Who is signed in stays it.")
    } finally {
        app.close()
    }
}
