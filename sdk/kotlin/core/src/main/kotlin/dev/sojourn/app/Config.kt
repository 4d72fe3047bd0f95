package dev.sojourn.app

import okhttp3.OkHttpClient
import java.util.Locale

/** What app this is, at which server. */
class Config @JvmOverloads constructor(
    /** As it stands in discovery's `issuer`, character for character. */
    val issuer: String,
    val clientId: String,
    val redirectUri: String,
    val storage: Storage,
    /** Base URLs that [App.call] and [App.interceptor] send the access token to, besides the server's own: `https://api.example.com/`. */
    val apis: List<String> = emptyList(),
    /** Shows the sign-in page; not needed where [App.begin] and [App.finish] are used. */
    val browser: Browser? = null,
    /** Of the sentences for people: `de-CH`. */
    val language: String = Locale.getDefault().toLanguageTag(),
    val device: Device = Device(),
    val scope: String = "openid profile email offline_access",
    /** The resource server that access tokens are for (RFC 8707). */
    val resource: String? = null,
    /** Whether tokens are bound to the key of the storage (DPoP), where the server can. A copy of them is worth nothing then. */
    val bound: Boolean = true,
    val clock: Clock = SystemClock,
    /** Whose connections, proxies and trust are used. */
    val http: OkHttpClient = OkHttpClient(),
)

/** What people find their device by in their list (docs/mobile.md, “Say where you run”). */
class Device @JvmOverloads constructor(val name: String? = null, val model: String? = null, val appVersion: String? = null)
