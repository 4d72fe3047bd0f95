package com.example.notes

import android.app.Application
import dev.sojourn.app.App
import dev.sojourn.app.Config
import dev.sojourn.app.android.AndroidBrowser
import dev.sojourn.app.android.AndroidClock
import dev.sojourn.app.android.AndroidStorage
import dev.sojourn.app.android.androidDevice
import dev.sojourn.app.android.attachTo

class Notes : Application() {
    lateinit var session: App

    override fun onCreate() {
        super.onCreate()
        session = App(
            Config(
                issuer = "http://localhost:8080", clientId = "notes", redirectUri = "com.example.notes:/callback",
                storage = AndroidStorage(this), browser = AndroidBrowser(this), device = androidDevice(this), clock = AndroidClock,
            ),
        )
        session.attachTo(this)
    }
}
