// Signing out: here at once, at the server as soon as it hears of it. Until then the refresh token waits on a list of the record,
// used for nothing else, over restarts too (docs/mobile.md, rule 9; RFC 7009 where a server has no endpoint of ours).
import { patience, pause } from './backoff.js';
import { refused, type Context } from './context.js';
import { isKind, offline } from './errors.js';
import { retryAfter } from './http.js';
import type { Discovery, SignOut } from './record.js';
import { discovery, newestKey, post } from './server.js';
import { refusal, verdict } from './verdict.js';

const most = 8;

export interface HowToSignOut {
  /** Ends the sign-in in the browser too, and all that began from it; only for apps that may (docs/signout.md). */
  readonly device?: boolean;
}

/** signOut forgets who is signed in, and says whether the server has heard of it. If not, it is told later. */
export async function signOut(ctx: Context, { device = false }: HowToSignOut = {}): Promise<{ heard: boolean }> {
  await ctx.records.hold(async ({ record, save }) => {
    const { session, pending = [], signOuts = [] } = record;
    // What a code has brought is left too, though it was not looked at yet.
    const all: { refresh?: string; jkt?: string }[] = [...pending.map(({ brought, ...p }) => ({ ...brought?.tokens, ...p })), { ...session }];
    const left = all.flatMap(({ refresh, jkt }) => (refresh ? [{ refresh, bound: Boolean(jkt), ...(device && { device }) }] : []));
    await save({ session: undefined, identity: undefined, ended: undefined, pending: undefined, signOuts: [...signOuts, ...left].slice(-most) });
    if (session) refused(ctx, session);
  });
  await drain(ctx, ctx.clock.elapsed() + patience);
  flush(ctx);
  return { heard: !ctx.memory.record?.signOuts?.length };
}

/** flush tells the server of the sign-outs that it has not heard, for as long as it takes. */
export function flush(ctx: Context): void {
  const { memory } = ctx;
  if (!memory.record?.signOuts?.length) return;
  memory.flushing ??= drain(ctx, Infinity)
    .then((heard) => void (heard && ctx.tell('signedOut')))
    .catch(() => undefined)
    .finally(() => (memory.flushing = undefined));
}

/** drain sends what waits, until the deadline (elapsed), and returns how many were heard. */
async function drain(ctx: Context, deadline: number): Promise<number> {
  const { clock } = ctx;
  let heard = 0;
  for (let misses = 0; ; misses++) {
    try {
      for (; await tellOne(ctx); heard++) misses = 0;
      return heard;
    } catch (error) {
      if (!isKind(error, 'offline', 'store', 'stop')) throw error;
      const wait = pause(misses, error, 3600);
      if (clock.elapsed() + wait > deadline) return heard;
      await clock.wait(wait, deadline === Infinity);
    }
  }
}

/** tellOne tells the server of the oldest sign-out, and takes it off the list once it was heard. False: there is none. */
async function tellOne(ctx: Context): Promise<boolean> {
  const [one] = (await ctx.records.load()).signOuts ?? [];
  if (!one) return false;
  await heardBy(ctx, await discovery(ctx), one);
  await ctx.records.hold(({ record, save }) => save({ signOuts: record.signOuts?.filter(({ refresh }) => refresh !== one.refresh) }));
  return true;
}

/** heardBy resolves once the server has heard of it, or nobody is there to hear. */
async function heardBy(ctx: Context, document: Discovery, one: SignOut): Promise<void> {
  const { signout_endpoint: ours, revocation_endpoint: standard } = document;
  const url = ours ?? standard;
  if (!url) return;
  const key = one.bound ? await newestKey(ctx, document) : undefined;
  const form = ours ? { refresh_token: one.refresh, device: one.device ? 'true' : undefined } : { token: one.refresh, token_type_hint: 'refresh_token' };
  const answer = await post(ctx, url, form, key);
  if (answer.status >= 200 && answer.status < 300) return;
  if (one.device && answer.body['error'] === 'unauthorized_client') return heardBy(ctx, document, { ...one, device: false });
  if (['login', 'stop'].includes(verdict(answer))) return;
  throw offline('The sign-out was not heard.', refusal(answer), retryAfter(answer.headers));
}
