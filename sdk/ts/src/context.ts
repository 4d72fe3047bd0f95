// What the parts of an app share: its options, its record, the clock as the server has it, and what is remembered only while
// the process lives.
import type { Ended } from './ended.js';
import { sentence } from './ended.js';
import { AppError } from './errors.js';
import type { Clock, Fetch, Hash, Lock, Options, Random } from './ports.js';
import { systemClock, taskLock } from './ports.js';
import type { AppRecord, Records, Session } from './record.js';
import { records } from './record.js';
import type { Jwk } from './idtoken.js';
import { webHash, webRandom } from './crypto.js';
import { Backoff } from './backoff.js';

/** What an app may listen to. */
export interface Happenings {
  /** A session of this app ended: its tokens are forgotten. */
  ended: (ended: Ended) => void;
  /** Tokens, sign-in, sign-out, or what is known of the person: read `state` anew. */
  changed: () => void;
  /** A sign-out that had to wait was heard by the server. */
  signedOut: () => void;
  /** Something came by `/me/events`, `ready` too (docs/mobile.md). */
  heard: (name: string, data: Readonly<Record<string, unknown>>) => void;
}

export interface Context {
  readonly options: Options;
  readonly records: Records;
  readonly clock: Clock;
  readonly fetch: Fetch;
  readonly hash: Hash;
  readonly random: Random;
  readonly memory: Memory;
  tell<K extends keyof Happenings>(name: K, ...told: Parameters<Happenings[K]>): void;
  listen<K extends keyof Happenings>(name: K, listener: Happenings[K]): () => void;
}

/** What is forgotten when the process ends. */
export interface Memory {
  /** The server's clock less this device's, in milliseconds, as the last Date header taught. */
  skew: number;
  /** The newest DPoP nonce of each origin (RFC 9449 §8.2). */
  readonly nonces: Map<string, string>;
  /** Where an endpoint was asked and nothing was there: discovery is to be read anew. */
  moved?: boolean;
  /** The newest access tokens that were refused. */
  dead: readonly string[];
  /** The access token that is kept, and when it was first seen here, by the elapsed clock. */
  seen?: { readonly access: string; readonly at: number };
  /** When sign-ins were begun here and their codes came, by the elapsed clock, as long as the record has them. */
  readonly begun: Map<string, number>;
  /** Sessions that are over although the store could not be told. */
  readonly over: Map<string, Ended>;
  readonly backoff: Backoff;
  jwks?: { readonly at: number; readonly keys: readonly Jwk[] } | undefined;
  /** The last record that was read or written. */
  record?: AppRecord | undefined;
  /** The attempt to refresh that is under way. */
  flight?: Promise<Session> | undefined;
  flushing?: Promise<void> | undefined;
}

export function context(options: Options): Context {
  const clock = options.clock ?? systemClock;
  const lock: Lock = options.lock ?? taskLock();
  const listeners = new Map<string, Set<(...told: never[]) => void>>();
  const memory: Memory = { skew: 0, nonces: new Map(), dead: [], begun: new Map(), over: new Map(), backoff: new Backoff(clock) };
  const ctx: Context = {
    options,
    clock,
    memory,
    hash: options.hash ?? webHash,
    random: options.random ?? webRandom,
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    records: records(options.store, lock, {
      seen: (record) => notice(ctx, record),
      learnt: () => ({ skew: memory.skew, nonces: Object.fromEntries(memory.nonces) }),
    }),
    tell: (name, ...told) => listeners.get(name)?.forEach((listener) => (listener as (...t: unknown[]) => void)(...told)),
    listen: (name, listener) => {
      const all = listeners.get(name) ?? new Set();
      listeners.set(name, all.add(listener as (...told: never[]) => void));
      return () => void all.delete(listener as (...told: never[]) => void);
    },
  };
  return ctx;
}

/** notice compares a record with the last one, and tells of what another task, tab or process has done. */
function notice(ctx: Context, record: AppRecord): void {
  const { memory, clock } = ctx;
  const before = memory.record;
  memory.record = record;
  if (!before && record.learnt) {
    memory.skew = record.learnt.skew;
    for (const [origin, nonce] of Object.entries(record.learnt.nonces)) memory.nonces.set(origin, nonce);
  }
  const { session, pending } = record;
  for (const name of memory.begun.keys()) if (!pending?.some((p) => p.state === name || p.code === name)) memory.begun.delete(name);
  if (session && memory.seen?.access !== session.access) memory.seen = { access: session.access, at: clock.elapsed() };
  if (!before) return;
  if (record.ended && record.ended.id !== before.ended?.id) ctx.tell('ended', spoken(ctx, record.ended));
  if (shown(before) !== shown(record)) ctx.tell('changed');
}

/** What a page may show of a record, to compare it. The name and the e-mail address are among the claims. */
const shown = ({ session, ended, identity }: AppRecord): string => JSON.stringify([session?.access, ended?.id, identity?.claims]);

/** spoken is an ending in the app's language. */
export function spoken(ctx: Context, { reason, at }: Ended): Ended {
  const language = ctx.options.language ?? globalThis.navigator?.language;
  return { reason, at, message: sentence(reason, language, ctx.options.languages) };
}

/** The server's time, in milliseconds since 1970. */
export const serverTime = (ctx: Context): number => ctx.clock.wall() + ctx.memory.skew;

/** endedError is what everyone is told who asks for a token of a session that is over. */
export function endedError(ctx: Context, ended: Ended): AppError {
  const said = spoken(ctx, ended);
  return new AppError('ended', said.message, { ended: said });
}

/** nobody is the error that stands for a record without a session. */
export const nobody = (ctx: Context, { ended }: AppRecord): AppError =>
  ended ? endedError(ctx, ended) : new AppError('signed_out', 'Nobody is signed in.');

/** refused remembers an access token that must not be used any more. It is over after minutes, so the newest few will do. */
export function refused({ memory }: Context, { access }: Session): void {
  memory.dead = [access, ...memory.dead].slice(0, 99);
}

/** What is left of an access token, in milliseconds, by the clock that says less. A wall clock that went back says nothing. */
export function left(ctx: Context, session: Session): number {
  const { clock, memory } = ctx;
  if (memory.dead.includes(session.access)) return 0;
  const { access, at } = memory.seen ?? {};
  return session.life - Math.max(0, clock.wall() - session.came, access === session.access ? clock.elapsed() - at! : 0);
}
