// What a good answer of the token endpoint becomes in the record.
import type { Context } from './context.js';
import { serverTime } from './context.js';
import type { Answer } from './http.js';
import type { Checked, Expected } from './idtoken.js';
import { checkIdToken } from './idtoken.js';
import { keys } from './server.js';
import type { Discovery, Identity, Tokens } from './record.js';

const seconds = (value: unknown): number | undefined => (typeof value === 'number' && value >= 0 ? value : undefined);
const text = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined);

/** The tokens of an answer (RFC 6749 §5.1, draft-ietf-oauth-refresh-token-expiration). */
export function tokensOf(ctx: Context, { body }: Answer): Tokens {
  const idle = seconds(body['refresh_expires_in'] ?? body['refresh_token_timeout']);
  const refresh = text(body['refresh_token']);
  const idToken = text(body['id_token']);
  return {
    access: String(body['access_token']),
    type: /^dpop$/i.test(String(body['token_type'])) ? 'DPoP' : 'Bearer',
    came: ctx.clock.wall(),
    life: (seconds(body['expires_in']) ?? 300) * 1000,
    ...(refresh && { refresh }),
    ...(idToken && { idToken }),
    ...(idle !== undefined && { idleEnd: serverTime(ctx) + idle * 1000 }),
  };
}

/** The end of the session, whatever the app does. */
export function endOf(ctx: Context, { body }: Answer): { endsAt?: number } {
  const end = seconds(body['session_expires_in'] ?? body['authorization_expires_in']);
  return end === undefined ? {} : { endsAt: serverTime(ctx) + end * 1000 };
}

/** check verifies the ID token of an answer. */
export function check(ctx: Context, document: Discovery, idToken: string, want: Partial<Expected>): Promise<Checked> {
  const { issuer, clientId } = ctx.options;
  return checkIdToken(idToken, { issuer, clientId, now: serverTime(ctx), keys: (fresh) => keys(ctx, document, fresh), ...want });
}

/** identityOf is whom an ID token names. */
export function identityOf(ctx: Context, claims: { readonly sub: string; readonly [claim: string]: unknown }, end: { endsAt?: number }): Identity {
  const name = text(claims['name']);
  const email = text(claims['email']);
  return { sub: claims.sub, ...(name && { name }), ...(email && { email }), claims, since: serverTime(ctx), ...end };
}
