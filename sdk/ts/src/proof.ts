// Proofs of a key (DPoP, RFC 9449): a fresh one for every request, with the nonce that the server gave last and its time.
import { base64url, digest, subtle, utf8 } from './crypto.js';
import { AppError } from './errors.js';
import type { Hash, Keys, ProofKey, PublicJwk } from './ports.js';

export interface ProofOf {
  readonly method: string;
  readonly url: string;
  /** Seconds since 1970, by the server's clock. */
  readonly iat: number;
  readonly nonce?: string | undefined;
  /** The access token that the request carries; none at the token endpoint. */
  readonly token?: string | undefined;
  readonly jti: string;
}

/** proof signs one (RFC 9449 §4.2). */
export async function proof(hash: Hash, key: ProofKey, of: ProofOf): Promise<string> {
  const { kty, crv, x, y } = key.jwk;
  const claims = {
    jti: of.jti,
    htm: of.method,
    htu: of.url.replace(/[?#].*$/, ''),
    iat: of.iat,
    ath: of.token === undefined ? undefined : await digest(hash, of.token),
    nonce: of.nonce,
  };
  const text = [{ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } }, claims].map((part) => base64url(utf8(JSON.stringify(part)))).join('.');
  return `${text}.${base64url(await key.sign(utf8(text)))}`;
}

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' };

/** Where a key of WebCrypto is kept: a CryptoKeyPair as it is, or a private JWK where the key is extractable. */
export interface KeyPlace {
  load(): Promise<unknown>;
  save(key: unknown): Promise<void>;
}

/**
 * Keys of WebCrypto. Not extractable (browsers: IndexedDB keeps CryptoKeys as they are), nobody can copy the key; extractable,
 * the place keeps it as a JWK, as safe as the tokens beside it.
 */
export function webCryptoKeys(place: KeyPlace, extractable: boolean): Keys {
  const s = subtle();
  if (!s) throw new AppError('stop', 'There is no WebCrypto: leave `keys` out.', { code: 'no_crypto' });
  return {
    load: async () => {
      const kept = await place.load();
      return kept ? open(s, kept as CryptoKeyPair & JsonWebKey).catch(() => undefined) : undefined;
    },
    make: async () => {
      const pair = await s.generateKey(ecdsa, extractable, ['sign', 'verify']);
      const kept = extractable ? await s.exportKey('jwk', pair.privateKey) : pair;
      await place.save(kept);
      return open(s, kept as CryptoKeyPair & JsonWebKey);
    },
  };
}

/** The key in a private JWK, or in a CryptoKeyPair. */
export async function open(s: SubtleCrypto, kept: CryptoKeyPair | JsonWebKey): Promise<ProofKey> {
  if ('privateKey' in kept) return keyOf(s, kept.privateKey, await s.exportKey('jwk', kept.publicKey));
  const { kty, crv, x, y, d } = kept;
  return keyOf(s, await s.importKey('jwk', { kty, crv, x, y, d } as JsonWebKey, ecdsa, false, ['sign']), kept);
}

function keyOf(s: SubtleCrypto, key: CryptoKey, { kty, crv, x, y }: JsonWebKey): ProofKey {
  return {
    jwk: { kty, crv, x, y } as PublicJwk,
    sign: async (data) => new Uint8Array(await s.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, new Uint8Array(data))),
  };
}
