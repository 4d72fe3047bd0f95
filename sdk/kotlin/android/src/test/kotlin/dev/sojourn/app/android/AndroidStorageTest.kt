package dev.sojourn.app.android

import android.app.Application
import android.content.pm.PackageManager
import android.os.UserManager
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.StrongBoxUnavailableException
import android.security.keystore.UserNotAuthenticatedException
import dev.sojourn.app.App
import dev.sojourn.app.AppException
import dev.sojourn.app.Config
import dev.sojourn.app.DamagedException
import dev.sojourn.app.KeyLostException
import dev.sojourn.app.Kind
import dev.sojourn.app.Status
import dev.sojourn.app.android.testing.TestKeystore
import kotlinx.coroutines.runBlocking
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config as Robolectric
import java.io.File
import java.io.IOException
import java.security.ProviderException

@RunWith(RobolectricTestRunner::class)
@Robolectric(manifest = Robolectric.NONE)
class AndroidStorageTest {
    private val application: Application get() = RuntimeEnvironment.getApplication()
    private val storage by lazy { AndroidStorage(application) }
    private val newest get() = File(application.noBackupFilesDir, "sojourn/record.json")

    @Before
    fun aNewPhone() = TestKeystore.reset()

    /** What an app is told that asks for a token. */
    private fun told(): AppException {
        val config = Config("https://id.example", "notes", "com.example.notes:/callback", AndroidStorage(application))
        return App(config).use { app -> assertThrows(AppException::class.java) { runBlocking { app.token() } } }
    }

    @Test
    fun `no word of the record can be read in the files, and none of them is backed up`() {
        storage.save("""{"v":1,"install":"a-secret"}""", alone = false)
        storage.save("""{"v":1,"install":"a-secret"}""", alone = false)
        assertEquals("""{"v":1,"install":"a-secret"}""", AndroidStorage(application).load())
        val files = application.noBackupFilesDir.walk().filter(File::isFile).toList()
        assertTrue("$files", files.size >= 2)
        assertFalse(files.any { "a-secret" in it.readBytes().decodeToString() })
    }

    @Test
    fun `neither key can be taken out of the phone`() {
        val pair = storage.makeKey()
        assertNull(pair.private.encoded)
        assertEquals(pair.public, AndroidStorage(application).key()!!.public)
    }

    @Test
    fun `the key is in the StrongBox where there is one, and in the Keystore where that fails`() {
        shadowOf(application.packageManager).setSystemFeature(PackageManager.FEATURE_STRONGBOX_KEYSTORE, true)
        storage.makeKey()
        assertEquals(setOf("sojourn.proofs"), TestKeystore.strong.toSet())
        TestKeystore.loseKeys()
        TestKeystore.strongBox = { StrongBoxUnavailableException("full") }
        storage.makeKey()
        assertEquals(emptySet<String>(), TestKeystore.strong.toSet())
        assertTrue(storage.key() != null)
    }

    @Test
    fun `a record that was cut short gives way to the one before it`() {
        storage.save("""{"v":1,"install":"one"}""", alone = false)
        storage.save("""{"v":1,"install":"two"}""", alone = false)
        newest.writeBytes(newest.readBytes().copyOf(20))
        assertEquals("""{"v":1,"install":"one"}""", storage.load())
        storage.save("""{"v":1,"install":"three"}""", alone = true)
        newest.writeBytes(byteArrayOf())
        assertThrows(DamagedException::class.java) { storage.load() }
    }

    @Test
    fun `until the phone was unlocked the store is locked, and nobody is signed out`() {
        storage.save("""{"v":1}""", alone = false)
        shadowOf(application.getSystemService(UserManager::class.java)).setUserUnlocked(false)
        for (task in listOf({ storage.load() }, { storage.check() }, { storage.save("{}", false) }, { storage.key() }, { storage.makeKey() })) {
            assertThrows(IOException::class.java) { task() }
        }
        assertEquals(Kind.STORE, told().kind)
    }

    @Test
    fun `a Keystore that is locked or busy is no lost key`() {
        storage.save("""{"v":1}""", alone = false)
        for (trouble in listOf({ UserNotAuthenticatedException() }, { ProviderException("the service is gone") })) {
            TestKeystore.trouble = trouble
            assertEquals(Kind.STORE, told().kind)
        }
        TestKeystore.trouble = null
        assertEquals(Kind.SIGNED_OUT, told().kind)
    }

    @Test
    fun `on another phone a backup is a session that is over, once, and the next sign-in goes as ever`() {
        storage.save("""{"v":1}""", alone = false)
        storage.save("""{"v":1}""", alone = false)
        TestKeystore.loseKeys()
        assertThrows(KeyLostException::class.java) { storage.load() }
        val told = told()
        assertEquals(Kind.ENDED, told.kind)
        assertEquals("key_lost", told.ended!!.reason)
        AndroidStorage(application).run {
            check()
            save("""{"v":1,"install":"new"}""", alone = true)
            assertEquals("""{"v":1,"install":"new"}""", load())
        }
        val config = Config("https://id.example", "notes", "com.example.notes:/callback", AndroidStorage(application))
        assertEquals(Status.SIGNED_OUT, App(config).use { app -> runBlocking { app.state().status } })
    }

    @Test
    fun `a key that serves no more is lost, and another is made in its place`() {
        storage.makeKey()
        storage.save("""{"v":1}""", alone = false)
        TestKeystore.trouble = { KeyPermanentlyInvalidatedException() }
        assertNull(AndroidStorage(application).key())
        assertThrows(KeyLostException::class.java) { storage.load() }
    }
}
