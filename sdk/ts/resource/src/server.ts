import { Bad, isFor, isObject, readClaims, type Claims, type Json } from './claims.js';
import { within } from './clock.js';
import type { Settings } from './config.js';
import { readKey, type Key } from './jws.js';

const maxBody = 1 << 20; // after decompression
const fetchLimit = 10_000;
const documentLife = 24 * 3600_000;
const failedLife = 1000; // in which nobody tries again

/** An answer that is not 200. */
export class Answered extends Error {
  override name = 'Answered';
  constructor(
    readonly status: number,
    readonly after: number, // milliseconds of Retry-After; 0: none
  ) {
    super(`it answers ${status}`);
  }
}

/** What discovery says (OpenID Connect Discovery §3). */
export interface Document {
  keys: string;
  introspection: string;
  endings: string | undefined;
}

/** Refuses what nobody should send secrets to: anything but https, and http to this machine. */
export function safeURL(text: unknown): string {
  let url: URL | undefined;
  if (typeof text === 'string' && URL.canParse(text)) url = new URL(text);
  if (!url?.host || url.username || url.password || url.hash) throw new Error(`${String(text)} is no URL such as https://id.example.com`);
  const loopback = url.hostname === 'localhost' || url.hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) throw new Error(`${String(text)} must be https`);
  return text as string;
}

/** Reads Retry-After, seconds or a date (RFC 9110 §10.2.3), in milliseconds: 0 where there is none to be read, an hour at most. */
function retryAfter(value: string | null, now: number): number {
  if (value === null) return 0;
  const wait = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - now;
  return Math.min(Math.max(wait || 0, 0), 3600_000);
}

/** The form of client_secret_basic (RFC 6749 §2.3.1). */
const quoted = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1);

async function readBounded(response: Response, most: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > most) throw new Error(`the answer is over ${most >> 20} MB`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString();
}

/** The issuer: where it has what, and how it is asked. */
export class Server {
  readonly calls = { discovery: 0, jwks: 0, introspection: 0, feed: 0 };
  readonly settings: Settings;
  readonly #gone = new AbortController();
  #document: Document | undefined;
  #read = 0;
  #failed: Error | undefined;
  #tried = 0;
  #asking: Promise<Document> | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** Ends what is on its way. */
  close(): void {
    this.#gone.abort();
  }

  /** The discovery document: read when first needed and again after a day; while that fails, the one that was good. */
  async where(): Promise<Document> {
    const now = this.settings.clock.elapsed();
    if (this.#document && now - this.#read < documentLife) return this.#document;
    if (this.#failed && now - this.#tried < failedLife) {
      if (this.#document) return this.#document;
      throw this.#failed;
    }
    return (this.#asking ??= this.#ask().finally(() => (this.#asking = undefined)));
  }

  async #ask(): Promise<Document> {
    try {
      this.#document = await this.#discover();
      this.#failed = undefined;
      this.#read = this.settings.clock.elapsed();
      return this.#document;
    } catch (error) {
      this.#failed = new Error(`discovery: ${(error as Error).message}`);
      this.#tried = this.settings.clock.elapsed();
      if (this.#document) return this.#document;
      throw this.#failed;
    }
  }

  async #discover(): Promise<Document> {
    this.calls.discovery++;
    const { issuer } = this.settings;
    const said = await this.fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {}, maxBody);
    if (said['issuer'] !== issuer) throw new Error(`it is of ${String(said['issuer'])}, not of ${issuer}`);
    const endings = said['endings_endpoint'];
    return {
      keys: safeURL(said['jwks_uri']),
      introspection: safeURL(said['introspection_endpoint']),
      endings: endings === undefined || endings === '' ? undefined : safeURL(endings),
    };
  }

  /** A request to an endpoint where the API's client authenticates. */
  form(fields: Record<string, string>, accept: string): RequestInit {
    const { clientId, clientSecret } = this.settings;
    const basic = Buffer.from(`${quoted(clientId)}:${quoted(clientSecret)}`).toString('base64');
    return {
      method: 'POST',
      headers: { Authorization: `Basic ${basic}`, 'Content-Type': 'application/x-www-form-urlencoded', Accept: accept },
      body: new URLSearchParams(fields).toString(),
    };
  }

  /** Sends a request and follows no redirect; the answer is a 200, or thrown. */
  async send(url: string, init: RequestInit): Promise<Response> {
    const response = await this.settings.fetch(url, { ...init, redirect: 'manual' });
    if (response.status === 200) return response;
    await response.body?.cancel();
    throw new Answered(response.status, retryAfter(response.headers.get('Retry-After'), this.settings.clock.wall()));
  }

  /** Reads a JSON object of bounded size in bounded time. */
  async fetch(url: string, init: RequestInit, most: number): Promise<Json> {
    const { signal, stop } = within(this.settings.clock, fetchLimit, this.#gone.signal);
    try {
      const value: unknown = JSON.parse(await readBounded(await this.send(url, { ...init, signal }), most));
      if (!isObject(value)) throw new Error('the answer is no JSON object');
      return value;
    } finally {
      stop();
    }
  }

  /** The public signing keys. One that can't be read is left out: it may be of a kind that is newer than this. */
  async fetchKeys(): Promise<Key[]> {
    const { keys } = await this.where();
    this.calls.jwks++;
    const { keys: list } = await this.fetch(keys, {}, maxBody);
    const good = (Array.isArray(list) ? list : [])
      .filter((jwk: Json | null) => jwk?.['use'] === undefined || jwk['use'] === 'sig')
      .flatMap((jwk) => readKey(jwk) ?? []);
    if (good.length === 0) throw new Error(`${keys} has no key to verify with`);
    return good;
  }

  /** Asks about a token (RFC 7662); undefined: it is no active access token for this API. */
  async introspect(token: string): Promise<Claims | undefined> {
    const { introspection } = await this.where();
    this.calls.introspection++;
    const all = await this.fetch(introspection, this.form({ token, token_type_hint: 'access_token' }, 'application/json'), maxBody);
    if (typeof all['active'] !== 'boolean') throw new Error('introspection: the answer has no active');
    if (!all['active'] || !this.#isOurs(all)) return undefined;
    try {
      const claims = readClaims(all);
      return claims.sub && claims.clientId ? claims : undefined; // without them no mark could strike it
    } catch (error) {
      if (error instanceof Bad) return undefined; // an answer that does not fit is no yes
      throw error;
    }
  }

  /** Whether an active answer is about an access token of the issuer for this API: refresh tokens are active too. */
  #isOurs(all: Json): boolean {
    const { iss, token_type: kind, aud } = all;
    if (iss !== undefined && iss !== this.settings.issuer) return false;
    if (kind !== undefined && !/^(bearer|dpop)$/i.test(String(kind))) return false;
    return isFor(aud, this.settings.audience);
  }
}
