package dev.sojourn.app

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.ProviderException

/** The record's life in the store: written before it is used, read anew before it is changed. */
internal class Records(private val storage: Storage, private val keeper: Keeper) {
    private var saves = 0

    /** Hears of each record that was read or written, and adds to each what answers taught. */
    interface Keeper {
        fun seen(record: Record)

        fun learnt(): Learnt
    }

    /** What a task under the lock may do with the record, as it is in the store. */
    inner class Held(var record: Record) {
        /** Throws unless a record could be written now: ask before anything is sent that must be written down. */
        suspend fun check() = guard("written") { storage.check() }

        /** Writes another record instead. */
        suspend fun save(next: Record) {
            val all = next.copy(learnt = keeper.learnt())
            // What a sign-out or an ending took out of the record must not come back with the record before it.
            val alone = record.session != null && record.session?.id != all.session?.id
            guard("written") { storage.save(all.toString(), alone) }
            saves++
            record = all
            keeper.seen(all)
        }
    }

    /** The record, without the lock. What was read while this process wrote is older than what it wrote. */
    suspend fun load(): Record {
        val before = saves
        val record = read()
        return if (saves == before) record.also(keeper::seen) else load()
    }

    /** Runs a task while no other process or task changes the record. */
    suspend fun <T> hold(task: suspend (Held) -> T): T = try {
        storage.hold { task(Held(load())) }
    } catch (e: AppException) {
        throw e
    } catch (e: IOException) {
        throw storeTrouble("locked", e)
    }

    suspend fun key() = guard("read") { storage.key() }

    suspend fun makeKey() = guard("written") { storage.makeKey() }

    private suspend fun read(): Record = try {
        guard("read") { storage.load() }?.let(::recordOf) ?: Record()
    } catch (e: DamagedException) {
        Record(ended = Ending("lost", if (e is KeyLostException) "key_lost" else "store_damaged", 0))
    }
}

private suspend fun <T> guard(what: String, task: () -> T): T = withContext(Dispatchers.IO) {
    try {
        task()
    } catch (e: DamagedException) {
        throw e
    } catch (e: IOException) {
        throw storeTrouble(what, e)
    } catch (e: GeneralSecurityException) {
        throw storeTrouble(what, e)
    } catch (e: ProviderException) { // Android's Keystore, when its service is busy or gone
        throw storeTrouble(what, e)
    }
}
