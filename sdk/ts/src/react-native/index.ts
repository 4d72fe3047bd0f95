/**
 * What an app runs on in React Native and Expo. The modules are the app's own and are handed in, so nothing is loaded that is not
 * there.
 *
 * @packageDocumentation
 */
import { subtle } from '../crypto.js';
import { languages } from '../languages.js';
import { webCryptoKeys, type Browser, type Fetch, type Hash, type Keys, type Languages, type Store } from '../index.js';
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

export interface NativePorts {
  readonly store: Store;
  readonly keys?: Keys;
  readonly browser: Browser;
  readonly hash: Hash;
  readonly stream: Fetch;
  readonly languages: Languages;
}

/**
 * nativePorts puts a store and a browser together: `nativePorts(secureStore(SecureStore), expoBrowser(WebBrowser))`. Tokens are
 * bound to a key where there is WebCrypto (react-native-quick-crypto); bring `keys` of your own for one in the Secure Enclave.
 */
export function nativePorts({ store, place }: Kept, browser: Browser): NativePorts {
  return {
    store,
    ...(subtle() && { keys: webCryptoKeys(place, true) }),
    browser,
    hash: async (bytes) => sha256(bytes),
    stream: xhrStream,
    languages,
  };
}
