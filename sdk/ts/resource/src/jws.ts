import { constants, createHash, createPublicKey, verify as verifySignature, type KeyObject } from 'node:crypto';
import { Bad, readObject, type Json } from './claims.js';

/** The algorithms that a guard may take. */
export type Alg = 'ES256' | 'RS256' | 'PS256' | 'EdDSA';
export const algs: readonly Alg[] = ['ES256', 'RS256', 'PS256', 'EdDSA'];

/** A compact JWS (RFC 7515 §7.1), taken apart; nothing about it is known to be true. */
export interface Jws {
  header: Json;
  alg: string;
  typ: string;
  kid: string;
  payload: Buffer;
  signed: Buffer;
  signature: Buffer;
}

/** Strict base64url: one text for each content. */
function decode(text: string, what: string): Buffer {
  const content = Buffer.from(text, 'base64url');
  if (content.toString('base64url') !== text) throw new Bad(`its ${what} is no base64url`);
  return content;
}

export function parse(text: string): Jws {
  const parts = text.split('.') as [string, string, string];
  if (parts.length !== 3) throw new Bad('it is no compact JWS');
  const header = readObject(decode(parts[0], 'header'), 'its header');
  const { alg, typ = '', kid = '' } = header;
  if (typeof alg !== 'string' || typeof typ !== 'string' || typeof kid !== 'string') throw new Bad('its header is no JSON as it should be');
  if (header['crit'] !== undefined) throw new Bad('its header has a crit');
  return {
    header,
    alg,
    typ: typ.toLowerCase().replace(/^application\//, ''), // RFC 7515 §4.1.9
    kid,
    payload: decode(parts[1], 'payload'),
    signed: Buffer.from(`${parts[0]}.${parts[1]}`),
    signature: decode(parts[2], 'signature'),
  };
}

/** A public key, and what it was made for. */
export interface Key {
  kid: string;
  alg: string | undefined;
  key: KeyObject;
  thumbprint: string; // RFC 7638
}

const secret = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** Reads a public key for signatures; undefined where it is none that is known here. */
export function readKey(jwk: unknown): Key | undefined {
  const { kty, kid, alg, use = 'sig' } = (jwk ?? {}) as Json;
  if (typeof jwk !== 'object' || jwk === null || use !== 'sig' || secret.some((name) => name in jwk)) return undefined;
  try {
    const key = createPublicKey({ key: jwk as Json, format: 'jwk' });
    const { crv, x, y, e, n } = key.export({ format: 'jwk' });
    const members = kty === 'RSA' ? { e, kty, n } : kty === 'EC' ? { crv, kty, x, y } : { crv, kty, x };
    const thumbprint = createHash('sha256').update(JSON.stringify(members)).digest('base64url');
    return { kid: typeof kid === 'string' ? kid : '', alg: typeof alg === 'string' ? alg : undefined, key, thumbprint };
  } catch {
    return undefined;
  }
}

/** Keeps a key from being used with an algorithm that it was not made for (RFC 8725 §3.1). */
export function fits({ key, alg: only }: Key, alg: string): boolean {
  if (only !== undefined && only !== alg) return false;
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return alg === 'ES256' && namedCurve === 'prime256v1';
    case 'rsa':
      return (alg === 'RS256' || alg === 'PS256') && modulusLength >= 2048;
    case 'ed25519':
      return alg === 'EdDSA';
    default:
      return false;
  }
}

/** Whether a key that fits signed it. */
export function isSigned(jws: Jws, { key }: Key): boolean {
  switch (jws.alg) {
    case 'ES256':
      return jws.signature.length === 64 && verifySignature('sha256', jws.signed, { key, dsaEncoding: 'ieee-p1363' }, jws.signature);
    case 'RS256':
      return verifySignature('sha256', jws.signed, key, jws.signature);
    case 'PS256':
      return verifySignature('sha256', jws.signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, jws.signature);
    default:
      return jws.alg === 'EdDSA' && verifySignature(null, jws.signed, key, jws.signature);
  }
}
