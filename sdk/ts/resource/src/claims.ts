/** Who calls: what an access token says, and it was true a moment ago. */
export interface Claims {
  readonly sub: string | undefined; // the person; of a client's own token the client
  readonly sid: string | undefined; // the app's session; not there where a client got the token for itself
  readonly clientId: string | undefined;
  readonly jti: string | undefined;
  readonly scopes: readonly string[];
  readonly acr: string | undefined;
  readonly authTime: Date | undefined; // when the person signed in
  readonly all: Readonly<Record<string, unknown>>;
  /** @internal the key that it is bound to (cnf.jkt) */
  readonly thumbprint: string | undefined;
  /** @internal seconds */
  readonly expires: number | undefined;
  /** @internal */
  readonly subEpoch: number;
  /** @internal */
  readonly clientEpoch: number;
}

/** Why a token is not good: a sentence's middle, for developers. */
export class Bad extends Error {
  override name = 'Bad';
}

/** The lack of a verdict: nothing is wrong with the token as far as is known. */
export class Unavailable extends Error {
  override name = 'Unavailable';
}

export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a JSON object, or says what is none. */
export function readObject(text: string | Buffer, what: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text.toString());
  } catch {
    value = undefined;
  }
  if (!isObject(value)) throw new Bad(`${what} is no JSON object`);
  return value;
}

function text(all: Json, name: string): string | undefined {
  const value = all[name];
  if (value !== undefined && typeof value !== 'string') throw new Bad(`its ${name} is no text`);
  return value;
}

/** A whole number that is not negative; a NumericDate may have a fraction, which is left out (RFC 7519 §2). */
export function number(all: Json, name: string): number | undefined {
  const value = all[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= 0) || value > Number.MAX_SAFE_INTEGER) throw new Bad(`its ${name} is no number as it should be`);
  return Math.floor(value);
}

function thumbprint(all: Json): string | undefined {
  if (all['cnf'] === undefined) return undefined;
  const jkt = isObject(all['cnf']) ? all['cnf']['jkt'] : undefined;
  if (typeof jkt !== 'string' || jkt === '' || Object.keys(all['cnf'] as Json).length > 1) throw new Bad('it is bound to something that is not known here'); // such as a certificate (RFC 8705)
  return jkt;
}

/** Reads what JWT access tokens and introspection answers have in common. */
export function readClaims(all: Json): Claims {
  const authTime = number(all, 'auth_time');
  return {
    sub: text(all, 'sub'),
    sid: text(all, 'sid'),
    clientId: text(all, 'client_id'),
    jti: text(all, 'jti'),
    scopes: (text(all, 'scope') ?? '').split(' ').filter(Boolean),
    acr: text(all, 'acr'),
    authTime: authTime ? new Date(1000 * authTime) : undefined,
    all,
    thumbprint: thumbprint(all),
    expires: number(all, 'exp'),
    subEpoch: number(all, 'sub_epoch') ?? 0,
    clientEpoch: number(all, 'client_epoch') ?? 0,
  };
}

/** Whether aud, a text or a list (RFC 7519 §4.1.3), has the audience. */
export const isFor = (aud: unknown, audience: string): boolean => aud === audience || (Array.isArray(aud) && aud.includes(audience));
