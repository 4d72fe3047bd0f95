package dev.sojourn.app.android.testing

import android.security.keystore.KeyGenParameterSpec
import java.io.InputStream
import java.io.OutputStream
import java.security.AlgorithmParameters
import java.security.InvalidAlgorithmParameterException
import java.security.InvalidKeyException
import java.security.Key
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.KeyPairGeneratorSpi
import java.security.KeyStoreSpi
import java.security.PrivateKey
import java.security.Provider
import java.security.PublicKey
import java.security.SecureRandom
import java.security.Security
import java.security.Signature
import java.security.SignatureSpi
import java.security.cert.Certificate
import java.security.spec.AlgorithmParameterSpec
import java.util.Collections
import java.util.Date
import java.util.Enumeration
import java.util.concurrent.ConcurrentHashMap
import javax.crypto.Cipher
import javax.crypto.CipherSpi
import javax.crypto.KeyGenerator
import javax.crypto.KeyGeneratorSpi
import javax.crypto.SecretKey

/** A key that gives nothing away: it has neither a format nor an encoding, and serves by this provider alone. */
internal class KeptPrivateKey(val key: PrivateKey, val alias: String) : PrivateKey {
    override fun getAlgorithm(): String = "EC"

    override fun getFormat(): String? = null

    override fun getEncoded(): ByteArray? = null
}

internal class KeptSecretKey(val key: SecretKey, val alias: String) : SecretKey {
    override fun getAlgorithm(): String = "AES"

    override fun getFormat(): String? = null

    override fun getEncoded(): ByteArray? = null
}

private class Kept(val key: Key, val public: PublicKey?)

/**
 * Stands in for the Android Keystore, which Robolectric has none of: a provider of the same name, whose keys can't be exported and
 * whose ciphers choose their vectors themselves. What hardware does beyond that, no test here has seen.
 */
object TestKeystore {
    private val entries = ConcurrentHashMap<String, Kept>()

    /** Thrown by whatever uses a key, until it is null: a phone that is busy, locked, or has changed its lock. */
    @Volatile
    var trouble: (() -> Exception)? = null

    /** What the StrongBox answers to who wants a key in it. */
    @Volatile
    var strongBox: (() -> Exception)? = null

    /** Which keys were asked to be in the StrongBox and are. */
    val strong: MutableSet<String> = ConcurrentHashMap.newKeySet()

    /** A phone as it comes from the shop. */
    fun reset() {
        Security.removeProvider(NAME)
        Security.addProvider(TestProvider())
        loseKeys()
        trouble = null
        strongBox = null
    }

    /** What another phone has of the keys of this one. */
    fun loseKeys() {
        entries.clear()
        strong.clear()
    }

    internal fun put(alias: String, key: Key, public: PublicKey? = null) {
        entries[alias] = Kept(key, public)
    }

    internal fun key(alias: String): Key? = entries[alias]?.key

    internal fun public(alias: String): PublicKey? = entries[alias]?.public

    internal fun aliases(): List<String> = entries.keys.toList()

    internal fun use() {
        trouble?.let { throw it() }
    }

    internal const val NAME = "AndroidKeyStore"
}

@Suppress("DEPRECATION") // the other constructor is not of Android's API level
internal class TestProvider : Provider(TestKeystore.NAME, 1.0, "keys that can't be exported") {
    init {
        put("KeyStore.AndroidKeyStore", TestKeyStoreSpi::class.java.name)
        put("KeyPairGenerator.EC", TestPairs::class.java.name)
        put("KeyGenerator.AES", TestSecrets::class.java.name)
        put("Signature.SHA256withECDSA", TestSignature::class.java.name)
        put("Signature.SHA256withECDSA SupportedKeyClasses", KeptPrivateKey::class.java.name)
        put("Cipher.AES/GCM/NoPadding", TestCipher::class.java.name)
        put("Cipher.AES/GCM/NoPadding SupportedKeyClasses", KeptSecretKey::class.java.name)
    }
}

/** Who does the arithmetic. */
private fun other(service: String): Provider = Security.getProviders(service).first { it.name != TestKeystore.NAME }

/** Holds nothing but a public key, as far as anyone asks. */
private class Bare(private val public: PublicKey) : Certificate("X.509") {
    override fun getEncoded(): ByteArray = public.encoded

    override fun verify(key: PublicKey) = Unit

    override fun verify(key: PublicKey, provider: String) = Unit

    override fun toString(): String = "a certificate"

    override fun getPublicKey(): PublicKey = public
}

internal class TestKeyStoreSpi : KeyStoreSpi() {
    override fun engineGetKey(alias: String, password: CharArray?): Key? = TestKeystore.key(alias)

    override fun engineGetCertificate(alias: String): Certificate? = TestKeystore.public(alias)?.let(::Bare)

    override fun engineGetCertificateChain(alias: String): Array<Certificate>? = engineGetCertificate(alias)?.let { arrayOf(it) }

    override fun engineGetCreationDate(alias: String): Date = Date()

    override fun engineSetKeyEntry(alias: String, key: Key, password: CharArray?, chain: Array<Certificate>?) = throw UnsupportedOperationException()

    override fun engineSetKeyEntry(alias: String, key: ByteArray, chain: Array<Certificate>?) = throw UnsupportedOperationException()

    override fun engineSetCertificateEntry(alias: String, cert: Certificate) = throw UnsupportedOperationException()

    override fun engineDeleteEntry(alias: String) = throw UnsupportedOperationException()

    override fun engineAliases(): Enumeration<String> = Collections.enumeration(TestKeystore.aliases())

    override fun engineContainsAlias(alias: String): Boolean = TestKeystore.key(alias) != null

    override fun engineSize(): Int = TestKeystore.aliases().size

    override fun engineIsKeyEntry(alias: String): Boolean = engineContainsAlias(alias)

    override fun engineIsCertificateEntry(alias: String): Boolean = false

    override fun engineGetCertificateAlias(cert: Certificate): String? = null

    override fun engineStore(stream: OutputStream?, password: CharArray?) = Unit

    override fun engineLoad(stream: InputStream?, password: CharArray?) = Unit
}

internal class TestPairs : KeyPairGeneratorSpi() {
    private lateinit var spec: KeyGenParameterSpec

    override fun initialize(size: Int, random: SecureRandom?) = throw UnsupportedOperationException()

    override fun initialize(params: AlgorithmParameterSpec, random: SecureRandom?) {
        spec = params as KeyGenParameterSpec
    }

    override fun generateKeyPair(): KeyPair {
        if (spec.isStrongBoxBacked) TestKeystore.strongBox?.let { throw it() }
        val pair = KeyPairGenerator.getInstance("EC", other("KeyPairGenerator.EC")).apply { initialize(spec.algorithmParameterSpec) }.generateKeyPair()
        val alias = spec.keystoreAlias
        val kept = KeptPrivateKey(pair.private, alias)
        TestKeystore.put(alias, kept, pair.public)
        if (spec.isStrongBoxBacked) TestKeystore.strong += alias
        return KeyPair(pair.public, kept)
    }
}

internal class TestSecrets : KeyGeneratorSpi() {
    private lateinit var spec: KeyGenParameterSpec

    override fun engineInit(random: SecureRandom?) = throw UnsupportedOperationException()

    override fun engineInit(size: Int, random: SecureRandom?) = throw UnsupportedOperationException()

    override fun engineInit(params: AlgorithmParameterSpec, random: SecureRandom?) {
        spec = params as KeyGenParameterSpec
    }

    override fun engineGenerateKey(): SecretKey {
        val key = KeyGenerator.getInstance("AES", other("KeyGenerator.AES")).apply { init(spec.keySize) }.generateKey()
        return KeptSecretKey(key, spec.keystoreAlias).also { TestKeystore.put(spec.keystoreAlias, it) }
    }
}

internal class TestSignature : SignatureSpi() {
    private val signature = Signature.getInstance("SHA256withECDSA", other("Signature.SHA256withECDSA"))

    override fun engineInitSign(key: PrivateKey) {
        TestKeystore.use()
        val kept = key as? KeptPrivateKey ?: throw InvalidKeyException("not of this keystore")
        if (TestKeystore.key(kept.alias) !== kept) throw InvalidKeyException("the key is gone")
        signature.initSign(kept.key)
    }

    override fun engineInitVerify(key: PublicKey) = throw InvalidKeyException("not of this keystore")

    override fun engineUpdate(b: Byte) = signature.update(b)

    override fun engineUpdate(b: ByteArray, off: Int, len: Int) = signature.update(b, off, len)

    override fun engineSign(): ByteArray = signature.sign()

    override fun engineVerify(sig: ByteArray): Boolean = throw UnsupportedOperationException()

    @Deprecated("of an interface that has it")
    override fun engineSetParameter(param: String, value: Any?) = throw UnsupportedOperationException()

    @Deprecated("of an interface that has it")
    override fun engineGetParameter(param: String): Any = throw UnsupportedOperationException()
}

internal class TestCipher : CipherSpi() {
    private val cipher = Cipher.getInstance("AES/GCM/NoPadding", "SunJCE")

    override fun engineSetMode(mode: String) = Unit

    override fun engineSetPadding(padding: String) = Unit

    override fun engineGetBlockSize(): Int = cipher.blockSize

    override fun engineGetOutputSize(len: Int): Int = cipher.getOutputSize(len)

    override fun engineGetIV(): ByteArray? = cipher.iv

    override fun engineGetParameters(): AlgorithmParameters? = cipher.parameters

    override fun engineInit(mode: Int, key: Key, random: SecureRandom?) = cipher.init(mode, kept(key))

    override fun engineInit(mode: Int, key: Key, params: AlgorithmParameterSpec?, random: SecureRandom?) {
        if (mode == Cipher.ENCRYPT_MODE && params != null) throw InvalidAlgorithmParameterException("the keystore chooses the vector")
        cipher.init(mode, kept(key), params)
    }

    override fun engineInit(mode: Int, key: Key, params: AlgorithmParameters?, random: SecureRandom?) = throw UnsupportedOperationException()

    private fun kept(key: Key): SecretKey = (key as? KeptSecretKey ?: throw InvalidKeyException("not of this keystore")).key

    override fun engineUpdate(input: ByteArray, off: Int, len: Int): ByteArray? = cipher.update(input, off, len)

    override fun engineUpdate(input: ByteArray, off: Int, len: Int, output: ByteArray, at: Int): Int = cipher.update(input, off, len, output, at)

    /** Troubles come here and not at the beginning: there, Java would try Bouncy Castle with this key, and tell of its troubles. */
    override fun engineDoFinal(input: ByteArray?, off: Int, len: Int): ByteArray {
        TestKeystore.use()
        return if (input == null) cipher.doFinal() else cipher.doFinal(input, off, len)
    }

    override fun engineDoFinal(input: ByteArray, off: Int, len: Int, output: ByteArray, at: Int): Int = cipher.doFinal(input, off, len, output, at)
}
