// Bytes, digests and random text: what PKCE (RFC 7636), JOSE (RFC 7515, 7638) and DPoP (RFC 9449) are made of.
import { AppError } from './errors.js';
import type { Hash, PublicJwk, Random } from './ports.js';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** base64url without padding (RFC 7515 §2). Written out, because React Native's btoa came late. */
export function base64url(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const three = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (let k = 0; k < Math.min(4, bytes.length - i + 1); k++) text += alphabet[(three >> (18 - 6 * k)) & 63];
  }
  return text;
}

/** The bytes of base64url. It throws for any other character. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let held = 0;
  let bits = 0;
  let n = 0;
  for (const letter of text) {
    const value = alphabet.indexOf(letter);
    if (value < 0) throw new AppError('invalid', 'This is no base64url.');
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) bytes[n++] = (held >> (bits -= 8)) & 255;
  }
  return bytes;
}

/** WebCrypto's subtle half, or undefined: Hermes and pages of plain http have none. */
export const subtle = (): SubtleCrypto | undefined => globalThis.crypto?.subtle;

/** Random bytes by the platform. */
export const webRandom: Random = (bytes) => {
  if (globalThis.crypto?.getRandomValues) return globalThis.crypto.getRandomValues(bytes);
  throw new AppError('stop', 'There is no crypto.getRandomValues: give `random`.', { code: 'no_crypto' });
};

/** 32 random bytes as 43 characters: a verifier, a state, a nonce, a jti. */
export const token = (random: Random): string => base64url(random(new Uint8Array(32)));

/** A random UUID (RFC 9562 §5.4). */
export function uuid(random: Random): string {
  const b = random(new Uint8Array(16));
  b[6] = (b[6]! & 15) | 64;
  b[8] = (b[8]! & 63) | 128;
  const hex = Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The S256 challenge of a verifier (RFC 7636 §4.2), and `ath` of an access token (RFC 9449 §4.2): the same sum. */
export const digest = async (hash: Hash, text: string): Promise<string> => base64url(await hash(utf8(text)));

/** SHA-256 by WebCrypto. */
export const webHash: Hash = async (bytes) => {
  const s = subtle();
  if (!s) throw new AppError('stop', 'There is no WebCrypto: give `hash`.', { code: 'no_crypto' });
  return new Uint8Array(await s.digest('SHA-256', new Uint8Array(bytes)));
};

/** The thumbprint of a public key (RFC 7638 §3): its members, without those that only describe it, in the order of their names. */
export const thumbprint = (hash: Hash, jwk: PublicJwk): Promise<string> => digest(hash, JSON.stringify(jwk, ['crv', 'e', 'kty', 'n', 'x', 'y']));
