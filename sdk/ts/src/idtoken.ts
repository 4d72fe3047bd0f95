// ID tokens (OpenID Connect Core 1.0 §3.1.3.7, §12.2). Time is the server's: phones are hours off.
import { fromBase64url, subtle, utf8 } from './crypto.js';
import { AppError } from './errors.js';
import { given } from './http.js';

export interface IdClaims {
  readonly iss: string;
  readonly sub: string;
  readonly exp: number;
  readonly aud: string | readonly string[];
  readonly azp?: string;
  readonly nonce?: string;
  readonly sid?: string;
  readonly name?: string;
  readonly email?: string;
  readonly auth_time?: number;
  readonly [claim: string]: unknown;
}

export interface Expected {
  readonly issuer: string;
  readonly clientId: string;
  readonly nonce?: string;
  /** At a refresh: who is signed in. */
  readonly sub?: string;
  /** The server's time, in milliseconds. */
  readonly now: number;
  /** The keys of jwks_uri, or undefined while they can't be had. `fresh` asks past every cache. */
  readonly keys: (fresh: boolean) => Promise<readonly Jwk[] | undefined>;
}

export interface Jwk extends JsonWebKey {
  readonly kid?: string;
}

/** Date counts whole seconds, and answers take a while. */
const leeway = 60_000;

interface Header {
  readonly alg?: string;
  readonly kid?: string;
}

const wrong = (what: string): AppError => new AppError('invalid', `The ID token is not for this app: ${what}.`);

export interface Checked {
  readonly claims: IdClaims;
  /** False while the server's keys can't be had: the signature is still to be checked. At a refresh, also where no key made it. */
  readonly verified: boolean;
}

/** checkIdToken returns the claims of an ID token that the server made for this app. It throws `invalid` for any other. */
export async function checkIdToken(token: string, want: Expected): Promise<Checked> {
  const parts = token.split('.');
  if (parts.length !== 3) throw wrong('no JWT');
  const claims = parse<IdClaims>(parts[1]!);
  checkClaims(claims, want);
  return { claims, verified: await checkSignature(parts as [string, string, string], want) };
}

function parse<T>(part: string): T {
  try {
    const escaped = Array.from(fromBase64url(part), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
    const value: unknown = JSON.parse(decodeURIComponent(escaped)); // Hermes has no TextDecoder
    if (value && typeof value === 'object') return value as T;
  } catch {
    // told below
  }
  throw wrong('no JSON');
}

function checkClaims(c: IdClaims, want: Expected): void {
  const audience = [c.aud].flat();
  if (c.iss !== want.issuer) throw wrong('another issuer');
  if (!audience.includes(want.clientId)) throw wrong('another audience');
  if ((audience.length > 1 || c.azp !== undefined) && c.azp !== want.clientId) throw wrong('another authorized party');
  if (typeof c.sub !== 'string' || !c.sub) throw wrong('no subject');
  if (want.sub === undefined && (typeof c.exp !== 'number' || c.exp * 1000 <= want.now - leeway)) throw wrong('over');
  if (want.nonce !== undefined && c.nonce !== want.nonce) throw wrong('another nonce');
  if (want.sub !== undefined && c.sub !== want.sub) throw wrong('another person');
}

/**
 * checkSignature verifies with the keys of jwks_uri. Where the platform has no WebCrypto (Hermes) TLS to the token endpoint
 * stands for the signature, as §3.1.3.7 point 6 allows.
 */
async function checkSignature([head, body, signature]: readonly [string, string, string], want: Expected): Promise<boolean> {
  const header = parse<Header>(head);
  const algorithm = algorithms[header.alg ?? ''];
  if (algorithm && !subtle()) return true;
  const data = utf8(`${head}.${body}`);
  for (const fresh of algorithm ? [false, true] : []) {
    const keys = await want.keys(fresh);
    if (!keys) return false;
    for (const key of keys.filter((k) => fits(k, header, algorithm!))) {
      if (await verifies(key, algorithm!, fromBase64url(signature), data)) return true;
    }
  }
  // At a refresh it costs no tokens either: TLS stands for it, and the claims are left.
  if (want.sub !== undefined) return false;
  throw wrong('its signature is of none of the server’s keys');
}

interface Algorithm {
  readonly kty: string;
  readonly crv?: string;
  /** WebCrypto's words for it, those of the key and of the signature. */
  readonly web: { readonly name: string; readonly namedCurve?: string; readonly hash?: string };
}

const hash = 'SHA-256';
const algorithms: Readonly<Record<string, Algorithm>> = {
  ES256: { kty: 'EC', crv: 'P-256', web: { name: 'ECDSA', namedCurve: 'P-256', hash } },
  RS256: { kty: 'RSA', web: { name: 'RSASSA-PKCS1-v1_5', hash } },
  EdDSA: { kty: 'OKP', crv: 'Ed25519', web: { name: 'Ed25519' } },
};

const fits = (k: Jwk, { kid }: Header, a: Algorithm): boolean =>
  k.kty === a.kty && (!a.crv || k.crv === a.crv) && (!kid || !k.kid || k.kid === kid) && (k.use ?? 'sig') === 'sig';

async function verifies(jwk: Jwk, a: Algorithm, signature: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>): Promise<boolean> {
  let key: CryptoKey;
  try {
    const { kty, crv, x, y, n, e } = jwk;
    const bare = given({ kty, crv, x, y, n, e });
    key = await subtle()!.importKey('jwk', bare, a.web, false, ['verify']);
  } catch (cause) {
    // A browser without Ed25519 leaves it to TLS, as above; a broken key verifies nothing.
    if (cause instanceof Error && cause.name === 'NotSupportedError') return true;
    return false;
  }
  return subtle()!.verify(a.web, key, signature, data);
}
