package dev.sojourn.app.android

import android.app.Activity
import android.app.Application
import android.net.ConnectivityManager
import android.net.Network
import android.os.Build
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import android.provider.Settings
import dev.sojourn.app.App
import dev.sojourn.app.AppException
import dev.sojourn.app.Clock
import dev.sojourn.app.Device
import dev.sojourn.app.Identity
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch

/** Hears how a sign-in ended whose process was killed under the browser. On the main thread. */
fun interface Returned {
    /** One of the two is null. */
    fun returned(who: Identity?, error: AppException?)
}

/**
 * Binds this app to the life of an Android app; call it once, in `Application.onCreate`. It listens while an activity is in front, anew
 * when a network comes back, and finishes sign-ins that nobody waits for any more.
 */
@JvmOverloads
fun App.attachTo(application: Application, returned: Returned = Returned { _, _ -> }) {
    val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    val main = Handler(Looper.getMainLooper())
    application.registerActivityLifecycleCallbacks(Foreground(this, application.getSystemService(ConnectivityManager::class.java)))
    Returns.attach { address ->
        scope.launch {
            val (who, error) = try {
                finish(address) to null
            } catch (e: AppException) {
                null to e
            }
            main.post { returned.returned(who, error) }
        }
    }
}

/** Listens while an activity can be seen. Its methods come on the main thread, those of the network on another. */
private class Foreground(private val app: App, private val networks: ConnectivityManager?) : Application.ActivityLifecycleCallbacks {
    private var seen = 0
    private var stream: AutoCloseable? = null

    /** A stream through a network that is gone is dead, and so is the wait for the next try. */
    private val network = object : ConnectivityManager.NetworkCallback() {
        override fun onAvailable(network: Network) = listen(true)
    }

    override fun onActivityStarted(activity: Activity) {
        if (seen++ > 0) return
        listen(true)
        networks?.registerDefaultNetworkCallback(network)
    }

    override fun onActivityStopped(activity: Activity) {
        if (--seen > 0) return
        networks?.unregisterNetworkCallback(network)
        listen(false)
    }

    @Synchronized
    private fun listen(on: Boolean) {
        stream?.close()
        stream = if (on) app.listen() else null
    }

    override fun onActivityCreated(activity: Activity, state: Bundle?) = Unit

    override fun onActivityResumed(activity: Activity) = Unit

    override fun onActivityPaused(activity: Activity) = Unit

    override fun onActivitySaveInstanceState(activity: Activity, state: Bundle) = Unit

    override fun onActivityDestroyed(activity: Activity) = Unit
}

/** Android's clocks: the elapsed one goes on while the phone sleeps. */
object AndroidClock : Clock {
    override fun wall(): Long = System.currentTimeMillis()

    override fun elapsed(): Long = android.os.SystemClock.elapsedRealtime()

    override suspend fun wait(millis: Long) = delay(millis)
}

/** How people know this phone: its name in the settings, and its model. */
fun androidDevice(application: Application): Device = Device(
    name = Settings.Global.getString(application.contentResolver, Settings.Global.DEVICE_NAME),
    model = "${Build.MANUFACTURER} ${Build.MODEL}",
    appVersion = application.packageManager.getPackageInfo(application.packageName, 0).versionName,
)
