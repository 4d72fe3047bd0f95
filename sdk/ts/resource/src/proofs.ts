import { createHash } from 'node:crypto';
import { Bad, number, readObject, Unavailable } from './claims.js';
import type { Settings } from './config.js';
import { fits, isSigned, parse, readKey, type Alg } from './jws.js';
import { Hasher } from './marks.js';
import { Table } from './table.js';

const maxProof = 8192;
const proofLife = 60; // seconds, either way
const replayLife = 120_000;
const maxReplays = 1_000_000; // of a generation

/** What a DPoP proof says (RFC 9449 §4.2), signed by its own key. What it proves is another question. */
interface Proof {
  id: string;
  method: unknown;
  url: unknown;
  token: unknown;
  issuedAt: number;
  thumbprint: string;
}

function read(text: string, algs: readonly Alg[]): Proof {
  if (text.length > maxProof) throw new Bad('the proof is too long');
  const jws = parse(text);
  if (jws.typ !== 'dpop+jwt') throw new Bad('the proof is no dpop+jwt');
  if (!algs.includes(jws.alg as Alg)) throw new Bad('the proof has no alg that is taken here');
  const key = readKey(jws.header['jwk']);
  if (!key || !fits(key, jws.alg)) throw new Bad('the proof has no public key that fits');
  if (!isSigned(jws, key)) throw new Bad('the proof is not signed by its key');
  const all = readObject(jws.payload, 'what the proof says');
  const { jti, htm, htu, ath } = all;
  const issuedAt = number(all, 'iat');
  if (typeof jti !== 'string' || !jti || jti.length > 1024 || issuedAt === undefined) throw new Bad('the proof lacks a claim');
  return { id: jti, method: htm, url: htu, token: ath, issuedAt, thumbprint: key.thumbprint };
}

/** An address as it is compared, without query and fragment (RFC 9449 §4.3, RFC 3986 §6.2.2 and §6.2.3). */
export function normal(address: unknown): string {
  const [, scheme = '', host = '', path = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#@\s]+)([^?#\s]*)(?:[?#]\S*)?$/i.exec(String(address)) ?? [];
  if (typeof address !== 'string' || !host || /%(?![0-9a-f]{2})/i.test(path)) throw new Bad('the proof is for no address');
  const port = { https: /:443$/, http: /:80$/ }[scheme.toLowerCase()] ?? /$^/;
  return `${scheme.toLowerCase()}://${host.toLowerCase().replace(port, '')}${path.replace(/%../g, (triplet) => triplet.toUpperCase()) || '/'}`;
}

/** Proofs, and those that were seen, in two generations. */
export class Proofs {
  readonly #settings: Settings;
  readonly #hasher = new Hasher();
  #began: number;
  #young = new Table();
  #old = new Table();

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#began = settings.clock.elapsed();
  }

  /** Checks the proof of a request whose token is bound to a key (RFC 9449 §4.3). */
  check(values: readonly string[], asked: { method: string; url: string; token: string; thumbprint: string }): void {
    if (values.length !== 1) throw new Bad('send one DPoP proof');
    const p = read(values[0]!, this.#settings.algs);
    const age = Math.floor(this.#settings.clock.wall() / 1000) - p.issuedAt;
    if (p.thumbprint !== asked.thumbprint) throw new Bad("the proof is by another key than the token's");
    if (p.method !== asked.method) throw new Bad('the proof is for another method');
    if (normal(p.url) !== normal(asked.url)) throw new Bad('the proof is for another address');
    if (p.token !== createHash('sha256').update(asked.token).digest('base64url')) throw new Bad('the proof is for another token');
    if (Math.abs(age) > proofLife) throw new Bad('the proof was made at another time');
    this.#first(p);
  }

  /** Fails for a proof that was seen. One is of a key: keys can't use up each other's jti. */
  #first(p: Proof): void {
    const now = this.#settings.clock.elapsed();
    if (now - this.#began >= replayLife) [this.#young, this.#old, this.#began] = [new Table(), this.#young, now];
    const h = this.#hasher.of(p.thumbprint, p.id);
    if (this.#young.find(h) !== undefined || this.#old.find(h) !== undefined) throw new Bad('the proof was used before');
    if (this.#young.entries >= maxReplays) throw new Unavailable('too many proofs in too short a time'); // what can't be remembered can't be told from one that is sent twice
    this.#young.add(h);
  }
}
