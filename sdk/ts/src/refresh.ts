// A token that can be used: the one in the record while it lives, else a new one. One refresh at a time, for all tasks and
// processes that share the store; what is not written down is not used (docs/mobile.md, rules 2 to 5).
import { patience } from './backoff.js';
import type { Context } from './context.js';
import { endedError, left, nobody, refused, serverTime } from './context.js';
import { isKind } from './errors.js';
import type { Answer } from './http.js';
import type { ProofKey } from './ports.js';
import type { AppRecord, Discovery, Held, Session } from './record.js';
import { boundKey, describeDevice, discovery, post } from './server.js';
import { check, endOf, identityOf, tokensOf } from './tokens.js';
import { refusal, verdict } from './verdict.js';

/** The session of a record, or the error that stands for there being none. */
function sessionIn(ctx: Context, record: AppRecord): Session {
  const { session } = record;
  const over = session && ctx.memory.over.get(session.id);
  if (over) throw endedError(ctx, over);
  if (session) return session;
  throw nobody(ctx, record);
}

/** Ahead of its end: with a tenth of its life left, or a minute. */
const due = (ctx: Context, session: Session): boolean => left(ctx, session) <= Math.min(60_000, session.life / 10);

/** usable returns a session whose access token lives. `spent` is one that must not be used any more though it seems to. */
export async function usable(ctx: Context, spent?: string): Promise<Session> {
  const session = await current(ctx);
  if (session.access !== spent && !due(ctx, session)) return session;
  const lives = session.access !== spent && left(ctx, session) > 0;
  if (lives && !ctx.memory.backoff.ready) return session;
  const deadline = ctx.clock.elapsed() + (lives ? 0 : patience);
  try {
    return await renew(ctx, spent ?? (lives ? session.access : undefined), deadline);
  } catch (error) {
    if (lives && isKind(error, 'offline', 'stop', 'store', 'invalid') && left(ctx, session) > 0) return session;
    throw error;
  }
}

/** The session in the store; while that can't be read, the one that was read last. */
async function current(ctx: Context): Promise<Session> {
  try {
    return sessionIn(ctx, await ctx.records.load());
  } catch (error) {
    const last = ctx.memory.record;
    if (isKind(error, 'store') && last?.session && left(ctx, last.session) > 0) return sessionIn(ctx, last);
    throw error;
  }
}

/** renew joins the attempt that is waited for or under way, or begins one, until one succeeds or the deadline (elapsed) has passed. */
async function renew(ctx: Context, spent: string | undefined, deadline: number): Promise<Session> {
  const { memory, clock } = ctx;
  if (!memory.flight && deadline > clock.elapsed()) memory.backoff.restart();
  for (;;) {
    memory.flight ??= memory.backoff.turn(deadline).then(() => attempt(ctx, spent)).finally(() => (memory.flight = undefined));
    try {
      return await memory.flight;
    } catch (error) {
      if (!isKind(error, 'offline') || memory.backoff.until > deadline) throw error;
    }
  }
}

/** attempt refreshes once, under the lock, unless another process has done it meanwhile. */
async function attempt(ctx: Context, spent: string | undefined): Promise<Session> {
  const { backoff } = ctx.memory;
  try {
    const document = await discovery(ctx);
    return await ctx.records.hold(async (held) => {
      const session = sessionIn(ctx, held.record);
      if (session.access !== spent && !due(ctx, session)) return session;
      const renewed = await refresh(ctx, held, session, document);
      backoff.clear();
      return renewed;
    });
  } catch (error) {
    backoff.note(error);
    throw error;
  }
}

async function refresh(ctx: Context, held: Held, session: Session, document: Discovery): Promise<Session> {
  const key = await keyOf(ctx, held, session);
  if (!session.refresh) return left(ctx, session) > 0 ? session : end(ctx, held, session, { reason: 'expired' });
  await held.check();
  const form = { grant_type: 'refresh_token', refresh_token: session.refresh, resource: ctx.options.resource, ...describeDevice(ctx, held.record.install) };
  const answer = await post(ctx, document.token_endpoint, form, key);
  switch (verdict(answer)) {
    case 'tokens':
      return keep(ctx, held, session, answer, document);
    case 'login':
      return end(ctx, held, session, { reason: answer.body['reason'] });
    default:
      throw refusal(answer);
  }
}

/** The key that the session is bound to. Losing it is losing the session; nothing is sent with another. */
export async function keyOf(ctx: Context, held: Held, session: Session): Promise<ProofKey | undefined> {
  if (!session.jkt) return undefined;
  return (await boundKey(ctx, session.jkt)) ?? end(ctx, held, session, { reason: 'key_lost' });
}

/** keep writes the new tokens down, and only then hands them out. What can't be written is dropped, and the old ones stay. */
async function keep(ctx: Context, held: Held, session: Session, answer: Answer, document: Discovery): Promise<Session> {
  const next: Session = { ...session, ...tokensOf(ctx, answer) };
  const before = held.record.identity;
  const end = endOf(ctx, answer);
  let identity = before && { ...before, since: serverTime(ctx), ...end };
  if (next.idToken !== session.idToken && next.idToken) {
    const { claims, verified } = await check(ctx, document, next.idToken, before ? { sub: before.sub } : {});
    if (verified) identity = { ...identityOf(ctx, { ...before?.claims, ...claims }, end) };
  }
  await held.save({ session: next, identity });
  return next;
}

/** Told is what the server says of an ending, in an answer or an event; `at` in seconds. */
interface Told {
  readonly reason?: unknown;
  readonly at?: unknown;
}

/** end forgets the tokens of a session that is over, and says why. Who was signed in stays known, for the sign-in page. */
export async function end(ctx: Context, held: Held, session: Session, { reason, at }: Told): Promise<never> {
  const ended = {
    id: session.id,
    reason: typeof reason === 'string' ? reason : 'unknown',
    at: typeof at === 'number' ? at * 1000 : serverTime(ctx),
    message: '',
  };
  refused(ctx, session);
  ctx.memory.over.set(session.id, ended);
  await held.save({ session: undefined, ended }).catch(() => ctx.tell('ended', endedError(ctx, ended).ended!));
  throw endedError(ctx, ended);
}
