// What a good answer of the token endpoint becomes in the record.
import type { Context } from './context.js';
import { serverTime } from './context.js';
import { given, type Answer } from './http.js';
import type { Checked, Expected } from './idtoken.js';
import { checkIdToken } from './idtoken.js';
import { keys } from './server.js';
import type { Discovery, Identity, Tokens } from './record.js';

/** A number above zero, or a text that spells one, as some servers have it. All else: nobody said. */
const seconds = (value: unknown): number | undefined => (Number(value) > 0 ? Math.min(Number(value), aCentury) : undefined);
const aCentury = 3e9;
/** The server's time when so many seconds are over. */
const from = (ctx: Context, value: unknown): number | undefined => {
  const wait = seconds(value);
  return wait === undefined ? undefined : serverTime(ctx) + wait * 1000;
};
const text = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined);

/** The tokens of an answer (RFC 6749 §5.1, draft-ietf-oauth-refresh-token-expiration). */
export function tokensOf(ctx: Context, { body }: Answer): Tokens {
  return {
    access: String(body['access_token']),
    type: /^dpop$/i.test(String(body['token_type'])) ? 'DPoP' : 'Bearer',
    came: ctx.clock.wall(),
    life: (seconds(body['expires_in']) ?? (body['refresh_token'] ? 300 : aCentury)) * 1000, // without either the server's 401 tells
    ...given({ refresh: text(body['refresh_token']), idToken: text(body['id_token']), idleEnd: from(ctx, body['refresh_expires_in'] ?? body['refresh_token_timeout']) }),
  };
}

/** The end of the session, whatever the app does. */
export function endOf(ctx: Context, { body }: Answer): { endsAt?: number } {
  return given({ endsAt: from(ctx, body['session_expires_in'] ?? body['authorization_expires_in']) });
}

/** check verifies the ID token of an answer. */
export function check(ctx: Context, document: Discovery, idToken: string, want: Partial<Expected>): Promise<Checked> {
  const { issuer, clientId } = ctx.options;
  return checkIdToken(idToken, { issuer, clientId, now: serverTime(ctx), keys: (fresh) => keys(ctx, document, fresh), ...want });
}

/** identityOf is whom an ID token names. */
export function identityOf(ctx: Context, claims: { readonly sub: string; readonly [claim: string]: unknown }, end: { endsAt?: number }): Identity {
  return { sub: claims.sub, ...given({ name: text(claims['name']), email: text(claims['email']) }), claims, since: serverTime(ctx), ...end };
}
