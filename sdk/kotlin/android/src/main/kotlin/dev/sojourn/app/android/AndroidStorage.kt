package dev.sojourn.app.android

import android.content.Context
import android.os.UserManager
import android.security.keystore.KeyPermanentlyInvalidatedException
import dev.sojourn.app.DamagedException
import dev.sojourn.app.FileStorage
import dev.sojourn.app.KeyLostException
import java.io.IOException
import java.security.KeyPair
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.spec.GCMParameterSpec

/** Of what is written: a byte that says how, the initialization vector, and the rest. */
private const val VERSION: Byte = 1
private const val IV = 12
private const val TAG_BITS = 128
private const val AES_GCM = "AES/GCM/NoPadding"

/**
 * Keeps the record in a file of the app that no backup takes, encrypted by a key of the Android Keystore, beside the key that tokens are
 * bound to. Neither key can be copied: files that come onto another phone all the same are a session that is over (`key_lost`).
 * Until the phone was unlocked once after a start there is nothing to be read: that is an error of kind `STORE`.
 */
class AndroidStorage @JvmOverloads constructor(
    context: Context,
    /** One for each server that an app signs in at. */
    name: String = "sojourn",
) : FileStorage(context.noBackupFilesDir.toPath().resolve(name)) {
    private val users = context.getSystemService(UserManager::class.java)
    private val keys = DeviceKeys(context.applicationContext ?: context, name)

    override fun load(): String? {
        unlocked()
        return super.load()
    }

    override fun check() {
        unlocked()
        recordKey() // it would be made too late once the tokens are there
        super.check()
    }

    override fun save(record: String, alone: Boolean) {
        unlocked()
        super.save(record, alone)
    }

    override suspend fun <T> hold(task: suspend () -> T): T {
        unlocked()
        return super.hold(task)
    }

    override fun key(): KeyPair? {
        unlocked()
        return keys.proofKey()
    }

    override fun makeKey(): KeyPair {
        unlocked()
        return keys.makeProofKey()
    }

    override fun seal(text: String): ByteArray = try {
        sealed(text)
    } catch (_: KeyPermanentlyInvalidatedException) {
        keys.makeRecordKey()
        sealed(text)
    }

    /** The Keystore chooses the vector itself, as it should. */
    private fun sealed(text: String): ByteArray {
        val cipher = Cipher.getInstance(AES_GCM).apply { init(Cipher.ENCRYPT_MODE, recordKey()) }
        return byteArrayOf(VERSION) + cipher.iv + cipher.doFinal(text.toByteArray())
    }

    /** Made once, under the lock that records are written under. */
    private fun recordKey() = keys.recordKey() ?: keys.makeRecordKey()

    override fun open(kept: ByteArray): String {
        if (kept.size < 1 + IV + TAG_BITS / 8 || kept[0] != VERSION) throw DamagedException("The record is damaged.")
        try {
            val key = keys.recordKey() ?: throw KeyLostException("The record was kept with a key that this phone does not have.")
            val cipher = Cipher.getInstance(AES_GCM).apply { init(Cipher.DECRYPT_MODE, key, GCMParameterSpec(TAG_BITS, kept, 1, IV)) }
            return cipher.doFinal(kept, 1 + IV, kept.size - 1 - IV).decodeToString()
        } catch (e: KeyPermanentlyInvalidatedException) {
            throw KeyLostException("The key of the record serves no more.", e)
        } catch (e: AEADBadTagException) {
            throw DamagedException("The record is damaged, or was kept on another phone.", e)
        }
    }

    /** What lies in this folder is invisible until then, as if nobody had ever signed in. */
    private fun unlocked() {
        if (users?.isUserUnlocked == false) throw IOException("The phone was not unlocked since it was started.")
    }
}
