// The one record that an app keeps, and its life in the store: written before it is used, read anew before it is changed.
import type { Ended } from './ended.js';
import { isKind, storeTrouble } from './errors.js';
import { given } from './http.js';
import type { Lock, Store } from './ports.js';

/** Who is signed in, as the server confirmed it last. It outlives everything but a sign-out. */
export interface Identity {
  readonly sub: string;
  readonly name?: string;
  readonly email?: string;
  /** All claims of the ID token, and of userinfo where it was asked. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** The server's time when it confirmed this last, in milliseconds since 1970. */
  readonly since: number;
  /** The server's time when the session ends whatever the app does. */
  readonly endsAt?: number;
}

export interface Session extends Tokens {
  /** Its own name in this store: the state that it began with. A redirect with it that comes again is answered already. */
  readonly id: string;
  readonly sid?: string;
  /** Thumbprint of the key that the tokens are bound to. */
  readonly jkt?: string;
}

/** Tokens are what one answer of the token endpoint brought. */
export interface Tokens {
  readonly access: string;
  readonly type: string;
  readonly refresh?: string;
  readonly idToken?: string;
  /** This device's time when the answer came, and how many milliseconds the access token was good for then. */
  readonly came: number;
  readonly life: number;
  /** The server's time when the session ends if nothing is refreshed until then. */
  readonly idleEnd?: number;
}

/** Pending is a sign-in that the browser was opened for. */
export interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
  readonly jkt?: string;
  readonly began: number;
  /** The code that came back, and when. */
  readonly code?: string;
  readonly came?: number;
  /** What the code brought: written before it is looked at, and not used before its ID token is verified. */
  readonly brought?: Brought;
}

export interface Brought {
  readonly tokens: Tokens;
  readonly endsAt?: number;
  /** The server's time when it came. */
  readonly at: number;
}

/** SignOut is one that the server has not heard yet. */
export interface SignOut {
  readonly refresh: string;
  readonly bound: boolean;
  readonly device?: boolean;
}

export interface Discovery {
  readonly issuer: string;
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
  readonly jwks_uri?: string;
  readonly userinfo_endpoint?: string;
  readonly revocation_endpoint?: string;
  readonly signout_endpoint?: string;
  readonly me_endpoint?: string;
  readonly dpop_signing_alg_values_supported?: readonly string[];
  readonly authorization_response_iss_parameter_supported?: boolean;
}

export interface Learnt {
  readonly skew: number;
  readonly nonces: Readonly<Record<string, string>>;
}

export interface AppRecord {
  readonly v: 1;
  readonly install?: string;
  /** What answers taught: the server's clock less this device's, in milliseconds, and the newest nonces. */
  readonly learnt?: Learnt;
  readonly discovery?: { readonly at: number; readonly document: Discovery };
  readonly session?: Session;
  readonly identity?: Identity;
  readonly ended?: Ended & { readonly id: string };
  readonly pending?: readonly Pending[];
  readonly signOuts?: readonly SignOut[];
}

/** What a task under the lock may do with the record. */
export interface Held {
  /** The record as it is in the store. */
  readonly record: AppRecord;
  /** Throws unless a record could be written now: ask before anything is sent that must be written down. */
  check(): Promise<void>;
  /** Writes the record with these members instead. `undefined` takes one out. */
  save(change: Change): Promise<void>;
}

export type Change = { readonly [K in keyof AppRecord]?: AppRecord[K] | undefined };

export interface Records {
  /** The record, without the lock. */
  load(): Promise<AppRecord>;
  /** Runs a task while no other process or task changes the record. */
  hold<T>(task: (held: Held) => Promise<T>): Promise<T>;
}

/** Keeper hears of each record that was read or written, and adds to each what answers taught. */
interface Keeper {
  seen(record: AppRecord): void;
  learnt(): Learnt;
}

/** records reads and writes the record of a store. */
export function records(store: Store, lock: Lock, { seen, learnt }: Keeper): Records {
  let saves = 0;
  // What was read while this process wrote is older than what it wrote.
  const load = async (): Promise<AppRecord> => {
    const before = saves;
    const record = await read(store);
    if (saves !== before) return load();
    seen(record);
    return record;
  };
  const held = async (still?: () => Promise<void>): Promise<Held> => {
    let record = await load();
    return {
      get record() {
        return record;
      },
      check: () => guard('written', () => store.check()),
      save: async (change) => {
        const next = given({ ...record, ...change, learnt: learnt() }) as unknown as AppRecord;
        await guard('written', async () => {
          await still?.();
          await store.save(next, forgets(record, next));
        });
        saves++;
        record = next;
        seen(record);
      },
    };
  };
  return {
    load,
    hold: (task) => lock.run(async (still) => task(await held(still))),
  };
}

async function read(store: Store): Promise<AppRecord> {
  try {
    const value = await guard('read', () => store.load());
    return value && typeof value === 'object' && (value as AppRecord).v === 1 ? (value as AppRecord) : { v: 1 };
  } catch (error) {
    if (!isKind(error, 'lost')) throw error;
    return { v: 1, ended: { id: 'lost', reason: 'store_damaged', at: 0, message: '' } };
  }
}

async function guard<T>(what: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (cause) {
    throw isKind(cause, 'lost', 'store') ? cause : storeTrouble(what, cause);
  }
}

/** What an ending or a sign-out took out of the record must not come back with the record before it. */
const forgets = ({ session, signOuts = [], pending = [] }: AppRecord, after: AppRecord): boolean =>
  (session !== undefined && session.id !== after.session?.id) ||
  signOuts.length > (after.signOuts?.length ?? 0) ||
  (!after.session && pending.length > (after.pending?.length ?? 0));
