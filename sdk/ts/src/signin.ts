// Signing in: what is asked is written down before the browser opens, so that a process that was killed meanwhile finishes with
// the next one; and a redirect counts only if it answers something that was asked (RFC 6749 §10.12, RFC 9207).
import { insist } from './backoff.js';
import { serverTime, type Context } from './context.js';

import { digest, thumbprint, token, uuid } from './crypto.js';
import { AppError, isKind, offline } from './errors.js';
import { encode } from './http.js';
import type { AppRecord, Discovery, Held, Identity, Pending } from './record.js';
import { boundKey, describeDevice, discovery, newestKey, post } from './server.js';
import { check, endOf, identityOf, tokensOf } from './tokens.js';
import { userInfo } from './userinfo.js';
import { refusal, verdict } from './verdict.js';

export interface Asked {
  /** `login`: the password again; `none`: without a word to the person, which brings an error where that is not possible. */
  readonly prompt?: 'login' | 'none' | 'consent' | 'create' | 'select_account';
  readonly scope?: string;
  /** More parameters of the authorization request. */
  readonly extra?: Readonly<Record<string, string>>;
}

const hour = 3_600_000;
/** So long the same code may be sent again (docs/mobile.md). */
const codeLife = 20_000;
const most = 4;

/** begin writes down what is asked, and returns the address that the browser is to open. */
export async function begin(ctx: Context, asked: Asked = {}, redirectUri = ctx.options.redirectUri): Promise<string> {
  const document = await insist(ctx.clock, () => discovery(ctx));
  const pending = { state: token(ctx.random), nonce: token(ctx.random), verifier: token(ctx.random), redirectUri, began: ctx.clock.wall() };
  const install = await ctx.records.hold(async (held) => {
    await held.check();
    const key = await newestKey(ctx, document);
    const one: Pending = key ? { ...pending, jkt: await thumbprint(ctx.hash, key.jwk) } : pending;
    const known = held.record.install ?? uuid(ctx.random);
    await held.save({ pending: [...waiting(ctx, held.record), one].slice(-most), install: known });
    ctx.memory.begun.set(one.state, ctx.clock.elapsed());
    return { id: known, jkt: one.jkt };
  });
  return address(ctx, document, asked, { ...pending, install });
}

async function address(ctx: Context, document: Discovery, asked: Asked, p: Pending & { install: { id: string; jkt: string | undefined } }): Promise<string> {
  const { clientId, resource } = ctx.options;
  const scope = asked.scope ?? ctx.options.scope ?? 'openid profile email offline_access';
  const query = encode({
    response_type: 'code', client_id: clientId, redirect_uri: p.redirectUri, scope, state: p.state, nonce: p.nonce,
    code_challenge: await digest(ctx.hash, p.verifier), code_challenge_method: 'S256', dpop_jkt: p.install.jkt, prompt: asked.prompt ?? promptFor(document, scope), resource,
    ...describeDevice(ctx, p.install.id), ...asked.extra,
  });
  const endpoint = document.authorization_endpoint;
  return `${endpoint}${endpoint.includes('?') ? '&' : '?'}${query}`;
}

/** Without it most servers take no note of offline_access (OpenID Connect Core §11); ours does. */
const promptFor = ({ signout_endpoint }: Discovery, scope: string): string | undefined =>
  !signout_endpoint && scope.split(' ').includes('offline_access') ? 'consent' : undefined;

/** The sign-ins that a redirect may still answer. */
export const waiting = (ctx: Context, { pending }: AppRecord): Pending[] =>
  (pending ?? []).filter((p) => p.brought || Math.abs(since(ctx, p.state, p.began)) < hour);

/** How long ago that was: by the clock that nobody sets, where it was here. */
function since({ clock, memory }: Context, name: string, wall: number): number {
  const here = memory.begun.get(name);
  return here === undefined ? clock.wall() - wall : clock.elapsed() - here;
}

/** The parameters of a redirect. */
export function parametersOf(url: string): Record<string, string> {
  const query = /\?([^#]*)/.exec(url)?.[1] ?? '';
  const read = (text: string): string => decodeURIComponent(text.replace(/\+/g, ' '));
  const pairs = query.split('&').map((pair) => pair.split('='));
  try {
    return Object.fromEntries(pairs.map(([name, ...value]) => [read(name!), read(value.join('='))]));
  } catch {
    return {};
  }
}

/** redirected finishes the sign-in that a redirect answers. Delivered again, it is answered again and nothing is sent. */
export async function redirected(ctx: Context, url: string): Promise<Identity> {
  const answer = parametersOf(url);
  const { state = '' } = answer;
  const record = await ctx.records.load();
  if (record.session?.id !== state) {
    if (!waiting(ctx, record).some((p) => p.state === state)) throw notMine();
    checkIssuer(ctx, await insist(ctx.clock, () => discovery(ctx)), answer['iss']);
    await ctx.records.hold((held) => take(ctx, held, state, answer));
  }
  return resume(ctx, state);
}

const notMine = (): AppError => new AppError('not_mine', 'This redirect answers nothing that this app asked.');

function checkIssuer(ctx: Context, document: Discovery, iss: string | undefined): void {
  const promised = document.authorization_response_iss_parameter_supported === true;
  if (iss === undefined ? promised : iss !== ctx.options.issuer) {
    throw new AppError('wrong_issuer', 'This redirect was not sent by the server that was asked.');
  }
}

/** take writes down what the redirect brought, before anything is done with it. */
async function take(ctx: Context, held: Held, state: string, { code, error }: Record<string, string>): Promise<void> {
  const { record } = held;
  if (record.session?.id === state) return;
  const pending = waiting(ctx, record);
  const mine = pending.find((p) => p.state === state);
  if (!mine || (!code && !error)) throw notMine();
  if (error) return drop(held, state, new AppError('refused', `The sign-in came back with ${error}.`, { code: error }));
  if (mine.code) return;
  await held.check();
  await held.save({ pending: pending.map((p) => (p === mine ? { ...p, code: code!, came: ctx.clock.wall() } : p)) });
  ctx.memory.begun.set(code!, ctx.clock.elapsed());
}

/** resume sends the code of a pending sign-in until it was answered, for twenty seconds from when it came. */
export async function resume(ctx: Context, state: string): Promise<Identity> {
  const { clock, memory, records } = ctx;
  const began = clock.elapsed();
  const trial = async (): Promise<void> => {
    const document = await discovery(ctx);
    await records.hold((held) => exchange(ctx, held, state, { document, spent: clock.elapsed() - began }));
  };
  await insist(clock, trial).catch((error: unknown) => {
    const brought = memory.record?.pending?.some((p) => p.state === state && p.brought);
    if (brought || !isKind(error, 'offline')) throw error;
    return records.hold((held) => drop(held, state, startAgain(error)));
  });
  const { identity } = await records.load();
  if (!identity) throw notMine();
  return identity.name || identity.email ? identity : inTime(userInfo(ctx), identity);
}

/** What is nice to have does not hold up who has signed in. */
function inTime<T>(task: Promise<T>, otherwise: T): Promise<T> {
  return Promise.race([task.catch(() => otherwise), new Promise<T>((resolve) => setTimeout(resolve, 3000, otherwise))]);
}

const startAgain = (cause?: unknown): AppError => new AppError('start_again', 'This sign-in took too long. Begin another.', { cause });

async function drop(held: Held, state: string, error: AppError): Promise<never> {
  await held.save({ pending: held.record.pending?.filter((p) => p.state !== state) });
  throw error;
}

interface Trial {
  readonly document: Discovery;
  /** Milliseconds that this process has tried for. */
  readonly spent: number;
}

/** exchange sends the code once, unless it has brought something already. */
async function exchange(ctx: Context, held: Held, state: string, { document, spent }: Trial): Promise<void> {
  if (held.record.session?.id === state) return;
  const mine = held.record.pending?.find((p) => p.state === state);
  if (!mine?.code) throw notMine();
  if (mine.brought) return verify(ctx, held, mine, document);
  if (Math.max(spent, since(ctx, mine.code, mine.came ?? 0)) > codeLife) return drop(held, state, startAgain());
  await held.check();
  const key = mine.jkt ? await boundKey(ctx, mine.jkt) : undefined;
  if (mine.jkt && !key) return drop(held, state, startAgain());
  const { code, verifier: code_verifier, redirectUri: redirect_uri } = mine;
  const form = { grant_type: 'authorization_code', code, redirect_uri, code_verifier, resource: ctx.options.resource };
  const answer = await post(ctx, document.token_endpoint, { ...form, ...describeDevice(ctx, held.record.install) }, key);
  switch (verdict(answer)) {
    case 'tokens': {
      const brought = { ...mine, brought: { tokens: tokensOf(ctx, answer), ...endOf(ctx, answer), at: serverTime(ctx) } };
      await held.save({ pending: held.record.pending?.map((p) => (p.state === state ? brought : p)) });
      return verify(ctx, held, brought, document);
    }
    case 'login':
      return drop(held, state, startAgain(refusal(answer)));
    case 'stop':
      return drop(held, state, refusal(answer));
    default:
      throw refusal(answer);
  }
}

/** verify makes a session of what a code has brought. What was signed in before stays until then, and is signed out after. */
async function verify(ctx: Context, held: Held, { state, nonce, jkt, brought }: Pending, document: Discovery): Promise<void> {
  const { tokens, at, ...end } = brought!;
  if (!tokens.idToken) return drop(held, state, new AppError('invalid', 'There is no ID token: ask for the scope openid.'));
  const { claims, verified } = await check(ctx, document, tokens.idToken, { nonce, now: at }).catch((error: AppError) => drop(held, state, error));
  if (!verified) throw offline('The server’s keys can’t be had yet.');
  const sid = typeof claims.sid === 'string' && { sid: claims.sid };
  await held.save({
    session: { id: state, ...sid, ...(tokens.type === 'DPoP' && jkt && { jkt }), ...tokens },
    identity: identityOf(ctx, claims, end), ended: undefined, pending: undefined, signOuts: signOutsOf(held.record, document),
  });
  ctx.memory.backoff.clear();
}

/** The session that a new one takes the place of is signed out; not where a revocation may take the new one along (RFC 7009 §2.1). */
function signOutsOf({ session, signOuts = [] }: AppRecord, { signout_endpoint }: Discovery): AppRecord['signOuts'] {
  if (!signout_endpoint) return undefined;
  return session?.refresh ? [...signOuts, { refresh: session.refresh, bound: Boolean(session.jkt) }].slice(-8) : signOuts;
}
