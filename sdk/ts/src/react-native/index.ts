/**
 * What an app runs on in React Native and Expo. The modules are the app's own and are handed in, so nothing is loaded that is not
 * there.
 *
 * @packageDocumentation
 */
import { subtle } from '../crypto.js';
import { languages } from '../languages.js';
import { webCryptoKeys, type Browser, type Fetch, type Hash, type Keys, type Languages, type Random, type Store } from '../index.js';
import { sha256 } from './sha256.js';
import type { Kept } from './stores.js';
import { xhrStream } from './stream.js';

export * from '../index.js';
export { languages } from '../languages.js';
export { expoBrowser, followLinks, inAppBrowser } from './browsers.js';
export type { InAppBrowserModule, LinkingModule, LinkListener, WebBrowserModule } from './browsers.js';
export { keychain, secureStore } from './stores.js';
export type { KeychainModule, Kept, SecureStoreModule } from './stores.js';
export { xhrStream } from './stream.js';

/** What is needed of a source of random bytes: `import * as Crypto from 'expo-crypto'`, or globalThis.crypto once it is there. */
export interface RandomModule {
  getRandomValues(bytes: Uint8Array<ArrayBuffer>): Uint8Array;
}

export interface NativePorts {
  readonly store: Store;
  readonly keys?: Keys;
  readonly browser: Browser;
  readonly hash: Hash;
  readonly random: Random;
  readonly stream: Fetch;
  readonly languages: Languages;
  readonly language: string;
}

/**
 * nativePorts puts modules together: `nativePorts(secureStore(SecureStore), expoBrowser(WebBrowser), Crypto)`. Tokens are bound to
 * a key where there is WebCrypto (react-native-quick-crypto); bring `keys` of your own for one in the Secure Enclave.
 */
export function nativePorts({ store, place }: Kept, browser: Browser, crypto: RandomModule): NativePorts {
  return {
    store,
    ...(subtle() && { keys: webCryptoKeys(place, true) }),
    browser,
    hash: async (bytes) => sha256(bytes),
    random: (bytes) => crypto.getRandomValues(bytes),
    stream: xhrStream,
    languages,
    language: Intl.DateTimeFormat().resolvedOptions().locale,
  };
}
