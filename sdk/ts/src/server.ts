// The server as this app knows it: its discovery document, its keys, its clock and its nonces; and requests to it.
import { type Context, serverTime } from './context.js';
import { thumbprint, token } from './crypto.js';
import { AppError, offline } from './errors.js';
import type { Answer, Ask } from './http.js';
import { ask, dateOf, given, notHere, originOf } from './http.js';
import type { Jwk } from './idtoken.js';
import type { Fetch, ProofKey } from './ports.js';
import { proof, type ProofOf } from './proof.js';
import type { Discovery } from './record.js';
import { verdict } from './verdict.js';

const day = 86_400_000;

/** discovery is the server's description of itself: the one in the record, read again after a day, or where an endpoint has moved. */
export async function discovery(ctx: Context): Promise<Discovery> {
  const { memory } = ctx;
  const kept = (memory.record ?? (await ctx.records.load())).discovery;
  if (kept && !memory.moved && Math.abs(ctx.clock.wall() - kept.at) < day) return kept.document;
  memory.moved = false; // once for each failure, whatever it brings
  try {
    const document = await describe(ctx);
    await ctx.records.hold((held) => held.save({ discovery: { at: ctx.clock.wall(), document } })).catch(() => undefined);
    return document;
  } catch (error) {
    if (kept) return kept.document; // whoever answers there now
    throw error;
  }
}

async function describe(ctx: Context): Promise<Discovery> {
  const { issuer } = ctx.options;
  secure(issuer);
  const { status, body } = await send(ctx, { url: `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration` }, ctx.fetch);
  if (status !== 200 || !body['issuer']) throw offline(`There is no discovery document (${status}).`);
  if (body['issuer'] !== issuer) {
    throw new AppError('stop', `${issuer} is described as ${body['issuer'] as string}.`, { code: 'invalid_issuer' });
  }
  const known = given(Object.fromEntries(members.map((name) => [name, body[name]])));
  for (const [name, value] of Object.entries(known)) if (/_(endpoint|uri)$/.test(name)) secure(value);
  secure(known['authorization_endpoint']);
  secure(known['token_endpoint']);
  return known as unknown as Discovery;
}

const members: readonly (keyof Discovery)[] = [
  'issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri', 'userinfo_endpoint', 'revocation_endpoint',
  'signout_endpoint', 'me_endpoint', 'dpop_signing_alg_values_supported', 'authorization_response_iss_parameter_supported',
];

/** Tokens go over TLS alone, and in clear to this very device, for developers. */
function secure(url: unknown): void {
  if (typeof url === 'string' && /^(https:\/\/|http:\/\/(localhost|127\.0\.0\.1|\[::1\]|10\.0\.2\.2)([:/]|$))/.test(url)) return;
  throw new AppError('stop', `${url as string} is no address of https.`, { code: 'invalid_issuer' });
}

/** keys are those of jwks_uri, or undefined while they can't be had. They are read once a minute at most. */
export async function keys(ctx: Context, { jwks_uri: url }: Discovery, fresh: boolean): Promise<readonly Jwk[] | undefined> {
  const { clock, memory } = ctx;
  const kept = memory.jwks;
  if (kept && (!fresh || clock.elapsed() - kept.at < 60_000)) return kept.keys;
  const answer = url ? await send(ctx, { url }).catch(() => undefined) : undefined;
  if (Array.isArray(answer?.body['keys'])) memory.jwks = { at: clock.elapsed(), keys: answer.body['keys'] as Jwk[] };
  return memory.jwks?.keys;
}

/** send asks the server, and takes over its time and its nonce. */
export async function send(ctx: Context, a: Ask, fetch = atEndpoint(ctx)): Promise<Answer> {
  const answer = await ask(fetch, a);
  learn(ctx, a.url, answer.headers);
  return answer;
}

/** atEndpoint is a fetch for what the discovery document names. Where it finds nothing, the document is read anew before the next try. */
export const atEndpoint = (ctx: Context, fetch: Fetch = ctx.fetch): Fetch => async (...asked) => {
  const answer = fetch(...asked);
  if (notHere(await answer.then(({ status }) => status, () => 404))) ctx.memory.moved = true;
  return answer;
};

/** learn takes over what every answer of the server teaches: its time of day and its newest nonce. */
export function learn(ctx: Context, url: string, headers: Headers): void {
  const date = dateOf(headers);
  // A Date of whole seconds: nothing is learnt from less than two.
  if (date !== undefined && Math.abs(date - serverTime(ctx)) > 2000) ctx.memory.skew = date - ctx.clock.wall();
  const nonce = headers.get('DPoP-Nonce');
  if (nonce) ctx.memory.nonces.set(originOf(url), nonce);
}

/** proofFor is the DPoP header of one request. */
export async function proofFor(ctx: Context, key: ProofKey, of: Pick<ProofOf, 'method' | 'url' | 'token'>): Promise<string> {
  return proof(ctx.hash, key, { ...of, jti: token(ctx.random), nonce: ctx.memory.nonces.get(originOf(of.url)), iat: Math.floor(serverTime(ctx) / 1000) });
}

/** post sends a form to an endpoint, with a proof of the key if there is one. */
export async function post(ctx: Context, url: string, form: Readonly<Record<string, string | undefined>>, key?: ProofKey): Promise<Answer> {
  for (let nonces = 0, timed = false; ; ) {
    const headers: Record<string, string> = key ? { DPoP: await proofFor(ctx, key, { method: 'POST', url }) } : {};
    const answer = await send(ctx, { url, form: { client_id: ctx.options.clientId, ...form }, headers });
    const judged = key && verdict(answer);
    if (judged === 'nonce' && nonces++ < 3) continue; // with the new one, at once
    if (judged !== 'retry' || answer.body['error'] !== 'invalid_dpop_proof' || timed) return answer;
    // It had the wrong time: once more, by the Date of the answer.
    timed = true;
    ctx.memory.nonces.delete(originOf(url));
  }
}

/** boundKey is the key that tokens are bound to: undefined where it is gone, or is another one. */
export async function boundKey(ctx: Context, jkt: string): Promise<ProofKey | undefined> {
  const key = await ctx.options.keys?.load();
  return key && (await thumbprint(ctx.hash, key.jwk)) === jkt ? key : undefined;
}

/** newestKey is the key that a new session is bound to, made if there is none; undefined where tokens are bound to none. */
export async function newestKey(ctx: Context, document: Discovery): Promise<ProofKey | undefined> {
  const { keys: kept } = ctx.options;
  if (!kept || !document.dpop_signing_alg_values_supported?.includes('ES256')) return undefined;
  return (await kept.load()) ?? kept.make();
}

/** The device as people find it in their list (docs/mobile.md), of at most 64 bytes each. */
export function describeDevice(ctx: Context, install: string | undefined): Record<string, string | undefined> {
  const { device } = ctx.options;
  return { device_name: device?.name, device_model: device?.model, app_version: device?.appVersion, install_id: install };
}
