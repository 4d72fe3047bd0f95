import { createHash, randomBytes } from 'node:crypto';
import type { Claims } from './claims.js';
import type { Clock } from './clock.js';
import { Table, type Hash } from './table.js';

const firstWindow = 660_000; // until the feed says another
export const maxWindow = 7_200_000;
const maxKept = 16; // marks of one person that keep some sessions, of a generation

/** One line of what an API must not believe any more. */
export interface Mark {
  kind: 's' | 't' | 'p' | 'c';
  name: string; // sid, jti, sub, client_id
  epoch: number; // of p and c
  keep: string[]; // of p: sessions that live on
}

interface Keeping {
  epoch: number;
  keep: Uint32Array; // hashes, in two halves each
}

/** What came in one window. It goes as a whole when the next one is over. */
class Generation {
  readonly ended = new Table(); // sessions and tokens
  readonly epochs = new Table(true); // people and clients, with the greatest epoch
  readonly kept = new Map<number, Keeping[]>(); // people of whom some sessions live on
  extra = 0; // entries in kept

  get size(): number {
    return this.ended.entries + this.epochs.entries + this.extra;
  }
}

/** Hashes of names by a key that is ours alone, so that nobody can make names that collide. */
export class Hasher {
  readonly #key = randomBytes(32);

  of(kind: string, name: string): Hash {
    const digest = createHash('sha256').update(this.#key).update(kind).update(name).digest();
    return { hi: digest.readUInt32LE(0), lo: digest.readUInt32LE(4) || 1 };
  }
}

/** The hashes that a token is looked up by. */
export interface Names {
  session: Hash;
  token: Hash;
  person: Hash;
  client: Hash;
}

const narrow = (h: Hash): number => h.hi * 2 ** 21 + (h.lo >>> 11);

function has(keep: Uint32Array, h: Hash): boolean {
  for (let i = 0; i < keep.length; i += 2) if (keep[i] === h.hi && keep[i + 1] === h.lo) return true;
  return false;
}

/**
 * What was ended, held for the window in which a token could still say otherwise. It is a set: nothing is taken back, and a mark
 * that comes twice or late does no harm.
 */
export class Marks {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #hasher = new Hasher();
  readonly #names = new WeakMap<Claims, Names>();
  #window = firstWindow;
  #began: number;
  #young = new Generation();
  #old = new Generation();
  #lost = -Infinity; // until when there were too many

  constructor(clock: Clock, most = 4_000_000) {
    this.#clock = clock;
    this.#most = most; // of a generation
    this.#began = clock.elapsed();
  }

  /** Holds marks. Where there are too many, `whole` is false for as long as one that had no room could matter. */
  add(list: readonly Mark[]): void {
    this.#turn();
    for (const one of list) {
      if (this.#young.size + one.keep.length >= this.#most) {
        this.#lost = this.#clock.elapsed() + this.#window;
        return;
      }
      this.#hold(one);
    }
  }

  #hold(one: Mark): void {
    const h = this.#hasher.of(one.kind, one.name);
    if (one.kind === 's' || one.kind === 't') return this.#young.ended.add(h);
    const held = this.#young.kept.get(narrow(h)) ?? [];
    if (one.keep.length === 0 || held.length >= maxKept) return this.#young.epochs.add(h, one.epoch); // too many to tell apart: those that were kept refresh once
    const keep = new Uint32Array(one.keep.flatMap((sid) => Object.values(this.#hasher.of('s', sid))));
    if (held.some((k) => k.epoch === one.epoch && String(k.keep) === String(keep))) return;
    this.#young.kept.set(narrow(h), [...held, { epoch: one.epoch, keep }]);
    this.#young.extra += 1 + one.keep.length;
  }

  /** Begins a new generation when the young one is as old as the window. */
  #turn(): void {
    const now = this.#clock.elapsed();
    if (now - this.#began < this.#window) return;
    [this.#young, this.#old, this.#began] = [new Generation(), this.#young, now];
  }

  /** Sets the window: the longest life of an access token, and some. It never shrinks: tokens of before live as long as they were given. */
  keepFor(window: number): void {
    this.#window = Math.min(Math.max(window, this.#window), maxWindow);
    this.#turn();
  }

  /** Whether all marks are held that could matter. */
  get whole(): boolean {
    return this.#clock.elapsed() >= this.#lost;
  }

  get held(): number {
    return this.#young.size + this.#old.size;
  }

  /** Whether a mark refuses a token. */
  end(c: Claims): boolean {
    const names = this.#namesOf(c);
    return over(this.#young, c, names) || over(this.#old, c, names);
  }

  /** Hashing costs more than looking up: a token's are kept as long as its claims are. */
  #namesOf(c: Claims): Names {
    let names = this.#names.get(c);
    if (!names) {
      const of = (kind: string, name: string): Hash => this.#hasher.of(kind, name);
      names = { session: of('s', c.sid ?? ''), token: of('t', c.jti ?? ''), person: of('p', c.sub ?? ''), client: of('c', c.clientId ?? '') };
      this.#names.set(c, names);
    }
    return names;
  }
}

function over(g: Generation, c: Claims, names: Names): boolean {
  const client = g.epochs.find(names.client);
  if (g.ended.find(names.token) !== undefined || (client !== undefined && c.clientEpoch < client)) return true;
  if (!c.sid) return false; // a client's own: its sub is no person's
  const person = g.epochs.find(names.person);
  if (g.ended.find(names.session) !== undefined || (person !== undefined && c.subEpoch < person)) return true;
  return (g.kept.get(narrow(names.person)) ?? []).some((k) => c.subEpoch < k.epoch && !has(k.keep, names.session));
}
