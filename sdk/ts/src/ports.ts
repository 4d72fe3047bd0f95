// What an app runs on: a store, a lock, a browser, keys, a clock, the network. Everything else in this package is the same
// everywhere. Each port has a few methods, so that an app can bring its own.
import type { Languages } from './ended.js';

/**
 * Store keeps one record for all processes of the app. It holds the refresh token, so a store belongs into the Keychain, the
 * Keystore, IndexedDB or a file of mode 0600, outside of backups that may land on another device.
 */
export interface Store {
  /**
   * The newest record that can be read whole, or undefined where there never was one. It throws while none can be read (a
   * locked keychain), and a `lost` AppError where it is damaged for good.
   */
  load(): Promise<unknown>;
  /** Throws if a record could not be written now. */
  check(): Promise<void>;
  /** Resolves once the record survives a crash: all of it or nothing is there. `alone`: the one before it must be gone too. */
  save(record: unknown, alone: boolean): Promise<void>;
  /** Calls back when another process or tab has saved. Returns what stops that. */
  watch?(changed: () => void): () => void;
}

/**
 * Lock lets one task of one process of the app in at a time, and goes with the process that holds it. Where it can be taken from a
 * holder that stood still, the task gets `still`, which throws if that has happened: it asks before it writes.
 */
export interface Lock {
  run<T>(task: (still?: () => Promise<void>) => Promise<T>): Promise<T>;
}

/** What became of a browser that was opened for a sign-in. */
export type Opened =
  | { readonly type: 'redirect'; readonly url: string } // the browser came back
  | { readonly type: 'closed' } // the person closed it; a redirect may still arrive by itself
  | { readonly type: 'away' }; // this page or process goes away: the redirect comes to `finish` of the next one

/** Browser shows a page of the server to the person and waits for the redirect. */
export interface Browser {
  /** Where redirects come to, once it is ready for them: a loopback address with the port that was free. Default: as it is. */
  ready?(redirectUri: string): Promise<string>;
  open(url: string, redirectUri: string, signal: AbortSignal): Promise<Opened>;
}

/** ProofKey is an ES256 key that proofs are signed with (RFC 9449). */
export interface ProofKey {
  /** The public key as a JWK: kty, crv, x, y. */
  readonly jwk: PublicJwk;
  /** The 64 bytes r ‖ s of ES256 over `data`. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

export interface PublicJwk {
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
}

/** Keys keeps the key of this store beside the record: a hardware key, a CryptoKey, or a JWK where nothing better is at hand. */
export interface Keys {
  /** The key, or undefined where there is none (any more). It throws while it cannot be read. */
  load(): Promise<ProofKey | undefined>;
  make(): Promise<ProofKey>;
}

/** Clock is the time of day, which people set, and one that nobody sets. Both in milliseconds. */
export interface Clock {
  wall(): number;
  elapsed(): number;
  /** Resolves when so much has elapsed, or the signal aborts. `idle`: nobody waits for it, so a process may end meanwhile. */
  wait(ms: number, idle?: boolean, signal?: AbortSignal): Promise<void>;
}

/** SHA-256. */
export type Hash = (bytes: Uint8Array) => Promise<Uint8Array>;

/** Fills bytes with random ones and returns them. */
export type Random = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array;

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

export interface Ports {
  readonly store: Store;
  /** Default: the tasks of this process wait for each other. */
  readonly lock?: Lock;
  /** Not needed where nobody signs in. */
  readonly browser?: Browser;
  /** Without them, tokens are bound to no key. */
  readonly keys?: Keys;
  readonly clock?: Clock;
  /** Default: WebCrypto's. */
  readonly hash?: Hash;
  /** Default: crypto.getRandomValues. */
  readonly random?: Random;
  readonly fetch?: Fetch;
  /** A fetch whose answers can be read while they come, where the usual one can't: `expo/fetch`. */
  readonly stream?: Fetch;
}

/** What people find their device by (docs/mobile.md, “Say where you run”). */
export interface Device {
  readonly name?: string;
  readonly model?: string;
  readonly appVersion?: string;
}

export interface Options extends Ports {
  /** As it stands in discovery's `issuer`, character for character. */
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
  /** Default: `openid profile email offline_access`. */
  readonly scope?: string;
  /** Base URLs that `fetch` sends the access token to, besides the server's own endpoints: `https://api.example.com/`. */
  readonly apis?: readonly string[];
  /** The resource server that access tokens are for (RFC 8707). */
  readonly resource?: string;
  readonly device?: Device;
  /** Of the sentences for people: `de-CH`, default the device's. */
  readonly language?: string;
  /** What those are in, besides English: `languages` of `@sojourn-auth/app/languages`. */
  readonly languages?: Languages;
}

export const systemClock: Clock = {
  wall: () => Date.now(),
  elapsed: () => performance.now(),
  wait: (ms, idle, signal) =>
    new Promise((resolve) => {
      const timer: unknown = setTimeout(resolve, ms);
      if (idle) (timer as { unref?: () => void }).unref?.();
      signal?.addEventListener('abort', () => (clearTimeout(timer as number), resolve()), { once: true });
    }),
};

/** memoryStore forgets everything when the process ends: for tests, and for pages that may forget. */
export function memoryStore(): Store {
  let kept: unknown;
  return {
    load: async () => kept,
    check: async () => undefined,
    save: async (record) => void (kept = JSON.parse(JSON.stringify(record))),
  };
}

/** taskLock lets the tasks of one process in, one after the other. */
export function taskLock(): Lock {
  let last: Promise<unknown> = Promise.resolve();
  return {
    run: (task) => {
      const next = last.then(() => task());
      last = next.catch(() => undefined);
      return next;
    },
  };
}
