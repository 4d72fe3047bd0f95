/**
 * What an app runs on in a browser, also in Capacitor's: IndexedDB, Web Locks (tabs are processes), a key that nobody can copy.
 *
 * @packageDocumentation
 */
import { subtle } from '../crypto.js';
import { languages } from '../languages.js';
import { isKind, taskLock, webCryptoKeys, type App, type Browser, type Identity, type Keys, type Languages, type Lock, type Store } from '../index.js';
import { database } from './database.js';

export * from '../index.js';
export { languages } from '../languages.js';
export { capacitorBrowser } from './capacitor.js';
export type { CapacitorApp, CapacitorBrowser } from './capacitor.js';

export interface BrowserPorts {
  readonly store: Store;
  readonly lock: Lock;
  readonly keys?: Keys;
  readonly browser: Browser;
  readonly languages: Languages;
}

/** browserPorts keeps everything under a name of this origin: `createApp({ issuer, …, ...browserPorts() })`. */
export function browserPorts(name = 'sojourn'): BrowserPorts {
  const place = database(name);
  return {
    store: {
      load: () => place.get('record'),
      check: () => place.put('check', 1),
      save: async (record) => {
        await place.put('record', record);
        place.announce();
      },
      watch: place.watch,
    },
    lock: webLock(name),
    // WebCrypto is there on https and on localhost.
    ...(subtle() && { keys: webCryptoKeys({ load: () => place.get('key'), save: (key) => place.put('key', key) }, false) }),
    browser: pageBrowser,
    languages,
  };
}

/**
 * webLock lets in one task of all tabs and workers of this origin; of this tab alone, where the browser has no Web Locks. Any script of
 * the origin can steal it: then the task goes on, and writes nothing.
 */
export function webLock(name: string): Lock {
  const { locks } = navigator;
  if (!locks) return taskLock();
  return {
    run: async <T>(task: (still: () => Promise<void>) => Promise<T>) => {
      let stolen = false;
      let done: Promise<T> | undefined;
      const still = async (): Promise<void> => {
        if (stolen) throw new Error('the lock was stolen');
      };
      return locks.request(`${name}-app`, () => (done = task(still))).catch((error: unknown) => {
        stolen = true; // or the task itself failed, and is over
        return done ?? Promise.reject(error);
      }) as Promise<T>;
    },
  };
}

/** pageBrowser leaves this page for the server's. `finishHere` of the page that is come back to goes on. */
export const pageBrowser: Browser = {
  open: async (url) => {
    location.assign(url);
    return { type: 'away' };
  },
};

/**
 * finishHere finishes the sign-in if this page is what the browser came back to, and takes the answer out of its address.
 * It resolves to undefined on any other page.
 */
export async function finishHere(app: App): Promise<Identity | undefined> {
  const asked = new URLSearchParams(location.search);
  if (!asked.has('state') || !(asked.has('code') || asked.has('error'))) return undefined;
  try {
    return await app.finish(location.href);
  } catch (error) {
    if (isKind(error, 'not_mine')) return undefined;
    throw error;
  } finally {
    for (const name of ['code', 'state', 'iss', 'error', 'error_description', 'error_uri', 'session_state', 'scope']) asked.delete(name);
    const rest = asked.toString();
    history.replaceState(history.state, '', location.pathname + (rest && `?${rest}`) + location.hash);
  }
}
