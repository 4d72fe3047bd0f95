package dev.sojourn.app

import dev.sojourn.jose.flag
import dev.sojourn.jose.json
import dev.sojourn.jose.jsonObject
import dev.sojourn.jose.list
import dev.sojourn.jose.long
import dev.sojourn.jose.text
import kotlinx.serialization.json.JsonObject
import java.time.Instant

/** Who is signed in, as the server confirmed it last. It outlives everything but a sign-out. */
data class Identity(
    val subject: String,
    val name: String?,
    val email: String?,
    /** All claims of the ID token, and of userinfo where it was asked. */
    val claims: JsonObject,
    /** The server's time when it confirmed this last. */
    val since: Instant,
    /** The server's time when the session ends whatever the app does. */
    val endsAt: Instant?,
) {
    internal fun toJson() =
        json("sub" to subject, "name" to name, "email" to email, "claims" to claims, "since" to since.toEpochMilli(), "ends" to endsAt?.toEpochMilli())
}

/** What is signed in. Its own name is the state that it began with: a redirect with it that comes again is answered already. */
internal data class Session(
    val id: String,
    val sid: String?,
    val access: String,
    val type: String,
    val refresh: String?,
    val idToken: String?,
    /** Thumbprint of the key that the tokens are bound to. */
    val jkt: String?,
    /** This device's time when the answer came, and how many milliseconds the access token was good for then. */
    val came: Long,
    val life: Long,
    /** The nonce that the ID token is still to be verified with, since the server's keys could not be had. Until then nothing is used. */
    val unverified: String? = null,
    /** The server's time when the session ends whatever the app does. */
    val endsAt: Long? = null,
) {
    fun toJson() = json(
        "id" to id, "sid" to sid, "access" to access, "type" to type, "refresh" to refresh, "id_token" to idToken, "jkt" to jkt,
        "came" to came, "life" to life, "unverified" to unverified, "ends" to endsAt,
    )
}

/** A sign-in that the browser was opened for. */
internal data class Pending(
    val state: String,
    val nonce: String,
    val verifier: String,
    val redirectUri: String,
    val began: Long,
    val jkt: String?,
    /** The code that came back, and when. */
    val code: String? = null,
    val came: Long = 0,
) {
    fun toJson() = json(
        "state" to state, "nonce" to nonce, "verifier" to verifier, "redirect_uri" to redirectUri, "began" to began, "jkt" to jkt,
        "code" to code, "came" to came,
    )
}

/** A sign-out that the server has not heard yet. */
internal data class SignOut(val refresh: String, val jkt: String?, val subject: String?, val device: Boolean) {
    fun toJson() = json("refresh" to refresh, "jkt" to jkt, "sub" to subject, "device" to device)
}

/** An ending, as it is kept. Its name is that of the session. */
internal data class Ending(val id: String, val reason: String, val at: Long) {
    fun toJson() = json("id" to id, "reason" to reason, "at" to at)
}

/** What answers taught: the server's clock less this device's, in milliseconds, and the newest nonce of each origin. */
internal data class Learnt(val skew: Long, val nonces: Map<String, String>) {
    fun toJson() = json("skew" to skew, "nonces" to json(*nonces.toList().toTypedArray()))
}

/** Everything that an app keeps. */
internal data class Record(
    val install: String? = null,
    val learnt: Learnt? = null,
    val discovery: Discovery? = null,
    val session: Session? = null,
    val identity: Identity? = null,
    val ended: Ending? = null,
    val pending: List<Pending> = emptyList(),
    val signOuts: List<SignOut> = emptyList(),
) {
    override fun toString(): String = json(
        "v" to 1, "install" to install, "learnt" to learnt?.toJson(), "discovery" to discovery?.toJson(), "session" to session?.toJson(),
        "identity" to identity?.toJson(), "ended" to ended?.toJson(), "pending" to pending.map { it.toJson() },
        "sign_outs" to signOuts.map { it.toJson() },
    ).toString()
}

/** The record in a text; an empty one where it is of another kind. What lacks a part that it needs is damaged. */
internal fun recordOf(text: String): Record = try {
    read(text)
} catch (e: NullPointerException) {
    throw DamagedException("What is kept lacks a part.", e)
} catch (e: ClassCastException) {
    throw DamagedException("What is kept has a part of another kind.", e)
}

private fun read(text: String): Record {
    val o = jsonObject(text)?.takeIf { it["v"].long == 1L } ?: return Record()
    return Record(
        install = o["install"].text,
        learnt = o.member("learnt") { Learnt(it["skew"].long ?: 0, it.member("nonces") { all -> all.mapValues { (_, n) -> n.text!! } }.orEmpty()) },
        discovery = o.member("discovery") { Discovery(it["at"].long!!, it["document"] as JsonObject) },
        session = o.member("session", ::sessionOf),
        identity = o.member("identity", ::identityOf),
        ended = o.member("ended") { Ending(it["id"].text!!, it["reason"].text!!, it["at"].long!!) },
        pending = o["pending"].list.map { pendingOf(it as JsonObject) },
        signOuts = o["sign_outs"].list.map { it as JsonObject }.map { SignOut(it["refresh"].text!!, it["jkt"].text, it["sub"].text, it["device"].flag) },
    )
}

private fun <T> JsonObject.member(name: String, read: (JsonObject) -> T): T? = (this[name] as? JsonObject)?.let(read)

private fun sessionOf(o: JsonObject) = Session(
    id = o["id"].text!!, sid = o["sid"].text, access = o["access"].text!!, type = o["type"].text!!, refresh = o["refresh"].text,
    idToken = o["id_token"].text, jkt = o["jkt"].text, came = o["came"].long!!, life = o["life"].long!!, unverified = o["unverified"].text,
    endsAt = o["ends"].long,
)

private fun identityOf(o: JsonObject) = Identity(
    subject = o["sub"].text!!, name = o["name"].text, email = o["email"].text, claims = o["claims"] as JsonObject,
    since = Instant.ofEpochMilli(o["since"].long!!), endsAt = o["ends"].long?.let(Instant::ofEpochMilli),
)

private fun pendingOf(o: JsonObject) = Pending(
    state = o["state"].text!!, nonce = o["nonce"].text!!, verifier = o["verifier"].text!!, redirectUri = o["redirect_uri"].text!!,
    began = o["began"].long!!, jkt = o["jkt"].text, code = o["code"].text, came = o["came"].long ?: 0,
)
