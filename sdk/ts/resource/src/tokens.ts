import { createHash } from 'node:crypto';
import { age, moment, type Moment } from './clock.js';
import { Bad, isFor, number, readClaims, readObject, Unavailable, type Claims } from './claims.js';
import type { Settings } from './config.js';
import { fits, isSigned, parse, type Alg, type Jws, type Key } from './jws.js';
import type { Server } from './server.js';

const maxHeld = 10_000; // tokens, and answers of each kind
const unknownKeyWait = 10_000; // between fetches for keys that are not known
const firstKeysWait = 1000; // while there are none at all
const keysLife = 300_000; // then they are fetched again: one that leaked is published no more
const slack = 60; // seconds that a clock which says when something was made may be ahead
const activeLife = 60_000;
const inactiveLife = 10_000;
const staleLife = 10_000; // of active answers while the feed is stale
const maxAsking = 32; // at once
const maxWaiting = 1000;

/** How tokens are remembered: by their SHA-256, so that memory holds none. */
export const sumOf = (token: string): string => createHash('sha256').update(token).digest('base64');

/** The issuer's keys (RFC 7517). Those that were good stay while no better ones are to be had. */
export class Keys {
  readonly #server: Server;
  #known: Key[] = [];
  #read: Moment = { elapsed: 0, wall: 0 };
  #epoch = 0;
  #fetching: Promise<void> | undefined;
  #tried = -Infinity;
  #error: unknown;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Another one when others are known: what was verified before is verified anew. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The payload of a JWS that the issuer signed. */
  async verify(jws: Jws): Promise<Buffer> {
    const found = await this.#find(jws.kid, jws.alg);
    if (!found.some((key) => isSigned(jws, key))) throw new Bad('no key of the issuer signed it');
    return jws.payload;
  }

  /** An unknown kid has the keys fetched, unless that was done a moment ago. Old ones are fetched too, and serve on meanwhile. */
  async #find(kid: string, alg: string): Promise<Key[]> {
    const held = (): Key[] => this.#known.filter((key) => (kid === '' || key.kid === kid) && fits(key, alg));
    const known = held();
    if (known.length === 0 || age(this.#server.settings.clock, this.#read) > keysLife) {
      const fetching = (this.#fetching ??= this.#refresh().finally(() => (this.#fetching = undefined)));
      if (known.length === 0) await fetching;
    }
    if (known.length > 0) return known;
    if (this.#known.length === 0) throw new Unavailable(`the issuer's keys: ${String(this.#error)}`);
    return held();
  }

  async #refresh(): Promise<void> {
    const { clock } = this.#server.settings;
    if (clock.elapsed() - this.#tried < (this.#known.length === 0 ? firstKeysWait : unknownKeyWait)) return;
    const read = moment(clock);
    try {
      const fetched = await this.#server.fetchKeys();
      const names = (keys: Key[]): string => JSON.stringify(keys.map(({ kid, alg, thumbprint }) => [kid, alg, thumbprint]));
      if (names(fetched) !== names(this.#known)) this.#epoch++;
      [this.#known, this.#read] = [fetched, read];
    } catch (error) {
      this.#error = error;
    }
    this.#tried = clock.elapsed();
  }
}

/** Drops the oldest where there are too many. */
function makeRoom(map: Map<string, unknown>): void {
  for (const oldest of map.keys()) {
    if (map.size < maxHeld) return;
    map.delete(oldest);
  }
}

export const expired = (): Bad => new Bad('it is expired');

/** JWT access tokens (RFC 9068): those whose signature was good are remembered until they expire. */
export class Jwts {
  readonly #settings: Settings;
  readonly #keys: Keys;
  readonly #held = new Map<string, { claims: Claims; epoch: number }>();

  constructor(settings: Settings, keys: Keys) {
    this.#settings = settings;
    this.#keys = keys;
  }

  get count(): number {
    return this.#held.size;
  }

  /** What a token says that was verified before. */
  remembered(sum: string): Claims | undefined {
    const held = this.#held.get(sum);
    if (held?.epoch !== this.#keys.epoch) return undefined;
    if (held.claims.expires! > this.#settings.clock.wall() / 1000) return held.claims;
    this.#held.delete(sum);
    throw expired();
  }

  /** Verifies a token (RFC 9068 §4). */
  async verify(text: string, sum: string): Promise<Claims> {
    const jws = parse(text);
    const { typJWT, algs } = this.#settings;
    if (jws.typ !== 'at+jwt' && !(typJWT && (jws.typ === 'jwt' || jws.typ === ''))) throw new Bad('its typ is not at+jwt');
    if (!algs.includes(jws.alg as Alg)) throw new Bad('its alg is not taken here');
    const { epoch } = this.#keys;
    const claims = this.#read(await this.#keys.verify(jws));
    for (const [old, held] of this.#held) {
      if (held.claims.expires! > this.#settings.clock.wall() / 1000) break;
      this.#held.delete(old);
    }
    makeRoom(this.#held);
    this.#held.set(sum, { claims, epoch });
    return claims;
  }

  #read(payload: Buffer): Claims {
    const all = readObject(payload, 'what it says');
    const c = readClaims(all);
    const now = this.#settings.clock.wall() / 1000;
    if (all['iss'] !== this.#settings.issuer) throw new Bad('it is of another issuer');
    if (!isFor(all['aud'], this.#settings.audience)) throw new Bad('it is for another audience');
    if (!c.sub || !c.clientId || !c.jti || c.expires === undefined) throw new Bad('sub, client_id, jti or exp is missing');
    if (c.expires <= now) throw expired();
    if (number(all, 'iat') === undefined) throw new Bad('iat is missing');
    for (const name of ['iat', 'nbf']) if ((number(all, name) ?? 0) > now + slack) throw new Bad(`its ${name} is ahead`);
    return c;
  }
}

interface Answer {
  claims: Claims | undefined; // undefined: it is not active
  at: Moment; // when it was asked
}

/** Introspection, its answers kept for a while. */
export class Asked {
  readonly #server: Server;
  readonly #active = new Map<string, Answer>();
  readonly #inactive = new Map<string, Answer>(); // apart, so that garbage drives nobody out
  readonly #asking = new Map<string, Promise<Answer>>();
  readonly #waiting: (() => void)[] = [];
  #free = maxAsking;

  constructor(server: Server) {
    this.#server = server;
  }

  /** What a token says that the server calls active. While the feed is stale, answers are good for ten seconds. */
  async about(token: string, sum: string, current: boolean): Promise<Claims> {
    const { clock } = this.#server.settings;
    const { claims } = this.#find(sum, current ? activeLife : staleLife) ?? (await this.#join(token, sum));
    if (!claims) throw new Bad('the server does not know it, or it is over');
    if (claims.expires !== undefined && claims.expires <= clock.wall() / 1000) throw expired();
    return claims;
  }

  #find(sum: string, life: number): Answer | undefined {
    const { clock } = this.#server.settings;
    const good = (answer: Answer | undefined, longest: number): Answer | undefined => (answer && age(clock, answer.at) < longest ? answer : undefined);
    return good(this.#active.get(sum), life) ?? good(this.#inactive.get(sum), inactiveLife);
  }

  /** Asks, or waits for whoever asks the same. */
  #join(token: string, sum: string): Promise<Answer> {
    let asking = this.#asking.get(sum);
    if (!asking) {
      asking = this.#ask(token, sum).finally(() => this.#asking.delete(sum));
      this.#asking.set(sum, asking);
    }
    return asking;
  }

  async #ask(token: string, sum: string): Promise<Answer> {
    if (this.#waiting.length >= maxWaiting) throw new Unavailable('too many introspections at once');
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      const at = moment(this.#server.settings.clock);
      const answer = { claims: await this.#server.introspect(token), at };
      this.#active.delete(sum);
      const keep = answer.claims ? this.#active : this.#inactive;
      makeRoom(keep);
      keep.set(sum, answer);
      return answer;
    } catch (error) {
      throw new Unavailable((error as Error).message);
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
