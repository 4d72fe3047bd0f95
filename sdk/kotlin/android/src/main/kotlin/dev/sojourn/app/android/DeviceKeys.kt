package dev.sojourn.app.android

import android.content.Context
import android.content.pm.PackageManager
import android.os.Build
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.KeyProperties
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.KeyStore
import java.security.PrivateKey
import java.security.ProviderException
import java.security.Signature
import java.security.UnrecoverableKeyException
import java.security.spec.ECGenParameterSpec
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey

private const val PROVIDER = "AndroidKeyStore"
private const val AES_BITS = 256

/**
 * The two keys of a store, in the Android Keystore, which gives neither away: the one that tokens are bound to, and the one that the record
 * is encrypted with. They need no fingerprint, since tokens are renewed while nobody looks.
 */
internal class DeviceKeys(private val context: Context, name: String) {
    private val proofs = "$name.proofs"
    private val record = "$name.record"
    private val store by lazy { KeyStore.getInstance(PROVIDER).apply { load(null) } }

    /** The public half of the key that was tried in this process. */
    @Volatile
    private var tried: ByteArray? = null

    /** The key that tokens are bound to, or null where there is none that can be used ever again. */
    fun proofKey(): KeyPair? {
        val private = entry(proofs) as? PrivateKey ?: return null
        val public = store.getCertificate(proofs)?.publicKey ?: return null
        if (!tried.contentEquals(public.encoded)) {
            if (!serves(private)) return null
            tried = public.encoded
        }
        return KeyPair(public, private)
    }

    /** Makes the key that tokens are bound to, in the place of one that serves no more. */
    fun makeProofKey(): KeyPair {
        fun make(strong: Boolean): KeyPair {
            val spec = KeyGenParameterSpec.Builder(proofs, KeyProperties.PURPOSE_SIGN)
                .setAlgorithmParameterSpec(ECGenParameterSpec("secp256r1"))
                .setDigests(KeyProperties.DIGEST_SHA256)
            if (strong) spec.setIsStrongBoxBacked(true)
            return KeyPairGenerator.getInstance(KeyProperties.KEY_ALGORITHM_EC, PROVIDER).apply { initialize(spec.build()) }.generateKeyPair()
        }
        return strongly(::make)
    }

    /** The key of the record, or null where there is none (any more). */
    fun recordKey(): SecretKey? = entry(record) as? SecretKey

    /** Not in the StrongBox: that is slow, and the record is read for each request. */
    fun makeRecordKey(): SecretKey {
        val spec = KeyGenParameterSpec.Builder(record, KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT)
            .setKeySize(AES_BITS)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .build()
        return KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, PROVIDER).apply { init(spec) }.generateKey()
    }

    private fun entry(alias: String) = try {
        store.getKey(alias, null)
    } catch (_: KeyPermanentlyInvalidatedException) {
        null
    } catch (e: UnrecoverableKeyException) {
        if (e.cause.let { it == null || it is KeyPermanentlyInvalidatedException }) null else throw e // else the service is busy
    }

    private fun serves(key: PrivateKey): Boolean = try {
        Signature.getInstance("SHA256withECDSA").initSign(key)
        true
    } catch (_: KeyPermanentlyInvalidatedException) {
        false
    }

    /** In the StrongBox where there is one that takes it. Some say that they have one, and fail in ways of their own. */
    private fun strongly(make: (Boolean) -> KeyPair): KeyPair {
        val strong = Build.VERSION.SDK_INT >= Build.VERSION_CODES.P &&
            context.packageManager.hasSystemFeature(PackageManager.FEATURE_STRONGBOX_KEYSTORE)
        return try {
            make(strong)
        } catch (e: ProviderException) { // StrongBoxUnavailableException is one
            if (strong) make(false) else throw e
        }
    }
}
