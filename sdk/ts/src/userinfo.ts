// What the server says of the person now (OpenID Connect Core 1.0 §5.3).
import { call } from './call.js';
import { nobody, type Context } from './context.js';
import { AppError, offline } from './errors.js';
import { given } from './http.js';
import type { Identity } from './record.js';
import { atEndpoint, discovery } from './server.js';
import { identityOf } from './tokens.js';

/** userInfo asks, and keeps the answer as the identity. */
export async function userInfo(ctx: Context): Promise<Identity> {
  const { userinfo_endpoint: url } = await discovery(ctx);
  const response = url ? await call({ ...ctx, fetch: atEndpoint(ctx) }, url) : undefined;
  if (response?.status !== 200) throw offline(`There is no userinfo (${response?.status ?? 'no endpoint'}).`);
  const told = (await response.json()) as Record<string, unknown>;
  return ctx.records.hold(async ({ record, save }) => {
    const { identity } = record;
    if (!identity) throw nobody(ctx, record);
    if (told['sub'] !== identity.sub) throw new AppError('invalid', 'userinfo tells of another person.'); // §5.3.2
    const next = identityOf(ctx, { ...identity.claims, ...told, sub: identity.sub }, given({ endsAt: identity.endsAt }));
    await save({ identity: next });
    return next;
  });
}
