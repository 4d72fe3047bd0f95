// One request to the server, and what its answer is worth. Whatever a proxy, a captive portal or a tunnel makes of it is no
// answer: it never signs anyone out.
import { isKind, offline } from './errors.js';
import type { Fetch } from './ports.js';

/** No answer of the server is larger, decoded. */
export const maxBody = 1 << 20;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON object in the body; empty where there is none. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Ask {
  readonly url: string;
  readonly form?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Whether a status says that no endpoint is at that address (any more). */
export const notHere = (status: number): boolean => [404, 405, 410].includes(status);

/** Until the header has come, and until all has. */
const patience = { header: 10_000, all: 30_000 };

/** ask sends one request and reads its answer. It throws `retry` for everything that is not the server's own JSON. */
export async function ask(fetch: Fetch, a: Ask): Promise<Answer> {
  const stop = new AbortController();
  const timers = [setTimeout(() => stop.abort(), patience.header), setTimeout(() => stop.abort(), patience.all)];
  try {
    const response = await fetch(a.url, request(a, stop.signal));
    clearTimeout(timers[0]);
    return await judge(response, a.url);
  } catch (cause) {
    stop.abort(); // the connection of a body that was not read to its end
    throw isKind(cause, 'offline') ? cause : offline('The server did not answer.', cause);
  } finally {
    timers.forEach(clearTimeout);
  }
}

function request(a: Ask, signal: AbortSignal): RequestInit {
  const headers: Record<string, string> = { Accept: 'application/json', ...a.headers };
  const init: RequestInit = { headers, signal, redirect: 'manual', cache: 'no-store', credentials: 'omit' };
  if (!a.form) return init;
  headers['Content-Type'] = 'application/x-www-form-urlencoded';
  return { ...init, method: 'POST', body: encode(a.form) };
}

/** Scheme, host and port of an address, as they are written. By hand, because React Native's URL is not whole. */
export const originOf = (url: string): string => /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(url)?.[0].toLowerCase() ?? '';

/** given is what of an object has a value. */
export const given = <T extends object>(all: T): Given<T> => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Given<T>;

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** encode writes a form or a query (application/x-www-form-urlencoded), without what is undefined. */
export function encode(form: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(given(form)).map((pair) => (pair as string[]).map(encodeURIComponent).join('=')).join('&');
}

async function judge(response: Response, url: string): Promise<Answer> {
  const { status, headers } = response;
  const wait = retryAfter(headers);
  // No endpoint of ours redirects, so someone in between does. React Native follows without asking: the address tells.
  const moved = response.type === 'opaqueredirect' || (status >= 300 && status < 400) || response.redirected;
  if (moved || (response.url && originOf(response.url) !== originOf(url))) {
    throw offline('The request was led elsewhere; a captive portal does that.');
  }
  const text = await read(response);
  const type = headers.get('Content-Type') ?? '';
  // Good news must say that it is JSON; bad news is believed by its members.
  const body = status >= 400 || /[/+]json\s*(;|$)/i.test(type) ? object(text) : undefined;
  // Nothing is an answer too, where nothing was asked (RFC 7009 §2.2). A page is none.
  if (!body && (status >= 300 || /html/i.test(type) || /^\s*</.test(text))) {
    throw offline(`What came back (${status}) is not the server's answer.`, undefined, wait);
  }
  return { status, headers, body: body ?? {} };
}

function object(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** read takes a body of at most maxBody bytes, counted after decompression. */
async function read(response: Response): Promise<string> {
  const tooLarge = (): Error => offline('The answer is far too large.');
  if (!response.body?.getReader) {
    const text = await response.text(); // React Native has no streams
    if (text.length > maxBody) throw tooLarge();
    return text;
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    if ((size += value.byteLength) > maxBody) throw tooLarge();
    text += decoder.decode(value, { stream: true });
  }
}

/** The seconds of Retry-After (RFC 9110 §10.2.3), a date too; undefined without. */
export function retryAfter(headers: Headers): number | undefined {
  const text = headers.get('Retry-After');
  if (!text) return undefined;
  const seconds = /^\d+$/.test(text.trim()) ? Number(text) : (Date.parse(text) - (dateOf(headers) ?? Date.now())) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(0, seconds), 86_400) : undefined;
}

/** The server's time of day, in milliseconds. */
export function dateOf(headers: Headers): number | undefined {
  const date = Date.parse(headers.get('Date') ?? '');
  return Number.isNaN(date) ? undefined : date;
}
