// Requests to the app's own servers, with the access token and, where it is bound to a key, a proof (RFC 6750, RFC 9449 §7).
import { refused, type Context } from './context.js';
import { AppError } from './errors.js';
import { originOf } from './http.js';
import type { Fetch } from './ports.js';
import type { Session } from './record.js';
import { usable } from './refresh.js';
import { boundKey, learn, proofFor } from './server.js';

/** call is `fetch` with the access token, for the addresses that the app named. Others get the request as it is. */
export async function call(ctx: Context, url: string, init: RequestInit = {}): Promise<Response> {
  if (!trusted(ctx, url)) return ctx.fetch(url, init);
  const session = await usable(ctx);
  const response = await shown(ctx, session, { url, init });
  if (response.status !== 401) return response;
  const next = await usable(ctx, session.access);
  if (!again(init)) return response;
  await response.body?.cancel();
  return shown(ctx, next, { url, init });
}

/** shown sends a request, and remembers a token that was refused. */
async function shown(ctx: Context, session: Session, carried: Carried): Promise<Response> {
  const response = await carry(ctx, session, carried);
  if (response.status === 401) refused(ctx, session);
  return response;
}

/** again reports whether the body can be sent a second time. */
const again = ({ body }: RequestInit): boolean => !(body && typeof body === 'object' && 'getReader' in body);

/** Whether the token may go there: to what the app named, and to the server's own endpoints for apps. */
function trusted(ctx: Context, url: string): boolean {
  const { userinfo_endpoint, me_endpoint } = ctx.memory.record?.discovery?.document ?? {};
  return [...(ctx.options.apis ?? []), userinfo_endpoint, me_endpoint].some((base) => base !== undefined && under(base, url));
}

function under(base: string, url: string): boolean {
  const origin = originOf(base);
  if (!origin || origin !== originOf(url) || /[\\\s]/.test(url)) return false;
  const path = base.slice(origin.length).replace(/\/$/, '');
  const rest = url.slice(origin.length);
  return !/(^|\/)(\.|%2e){2}(\/|$)/i.test(rest.replace(/[?#].*/, '')) && rest.startsWith(path) && /^([/?#]|$)/.test(rest.slice(path.length));
}

export interface Carried {
  readonly url: string;
  readonly init: RequestInit;
  readonly fetch?: Fetch;
}

/** carry sends a request with the token of a session. A nonce that the server asks for is taken over at once. */
export async function carry(ctx: Context, session: Session, { url, init, fetch = ctx.fetch }: Carried): Promise<Response> {
  const key = session.jkt ? await boundKey(ctx, session.jkt) : undefined;
  if (session.jkt && !key) throw new AppError('store', 'The key of this sign-in can’t be had now.');
  for (let nonces = 0; ; nonces++) {
    const headers = new Headers(init.headers);
    headers.set('Authorization', `${session.type} ${session.access}`);
    if (key) headers.set('DPoP', await proofFor(ctx, key, { method: (init.method ?? 'GET').toUpperCase(), url, token: session.access }));
    const response = await fetch(url, { redirect: 'manual', ...init, headers });
    learn(ctx, url, response.headers);
    const wanted = key && response.status === 401 && /use_dpop_nonce/.test(response.headers.get('WWW-Authenticate') ?? '');
    if (!wanted || nonces === 3 || !again(init)) return response;
    await response.body?.cancel();
  }
}
