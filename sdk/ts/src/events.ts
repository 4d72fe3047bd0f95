// What the server tells while the app is in front (docs/mobile.md, “Hear of it at once”): a stream that is opened again and again,
// for a closed one is no verdict.
import { pause } from './backoff.js';
import { carry } from './call.js';
import { refused, type Context } from './context.js';
import { isKind, offline } from './errors.js';
import { retryAfter } from './http.js';
import type { Session } from './record.js';
import { end, usable } from './refresh.js';
import { atEndpoint, discovery } from './server.js';
import { userInfo } from './userinfo.js';

/** A line comes every 15 seconds; without one for so long the connection is dead. */
const silence = 40_000;

interface Place {
  /** The id of the last event, with which the stream is opened again. */
  last?: string;
  misses: number;
}

/** hear listens until the signal aborts, nobody is signed in any more, or another stream has replaced this one. */
export async function hear(ctx: Context, signal: AbortSignal): Promise<void> {
  const place: Place = { misses: 0 };
  while (!signal.aborted) {
    let trouble: unknown;
    try {
      const { me_endpoint: me } = await discovery(ctx);
      if (!me || (await stream(ctx, { url: `${me}/events`, place, signal }))) return;
    } catch (error) {
      if (isKind(error, 'ended', 'signed_out')) return;
      trouble = error;
    }
    if (!signal.aborted) await ctx.clock.wait(pause(place.misses++, trouble), false, signal);
  }
}

interface Stream {
  readonly url: string;
  readonly place: Place;
  readonly signal: AbortSignal;
}

/** stream reads one to its end. True: it must not be opened again. */
async function stream(ctx: Context, { url, place, signal }: Stream): Promise<boolean> {
  const session = await usable(ctx);
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  signal.addEventListener('abort', abort, { once: true });
  let heard = ctx.clock.elapsed();
  const watch = setInterval(() => ctx.clock.elapsed() - heard > silence && abort(), 1000);
  try {
    const headers = { Accept: 'text/event-stream', ...(place.last !== undefined && { 'Last-Event-ID': place.last }) };
    const response = await carry(ctx, session, { url, init: { headers, signal: stop.signal, cache: 'no-store' }, fetch: atEndpoint(ctx, ctx.options.stream) });
    if (response.status === 401) {
      refused(ctx, session);
      throw offline('The access token is over.');
    }
    const lines = /^text\/event-stream/i.test(response.headers.get('Content-Type') ?? '') ? response.body?.getReader() : undefined;
    if (response.status !== 200 || !lines) throw offline('This is no stream.', undefined, retryAfter(response.headers));
    for await (const event of events(lines, () => (heard = ctx.clock.elapsed()))) {
      place.misses = 0;
      if (event.id !== undefined) place.last = event.id;
      if (await take(ctx, session, event)) return true;
    }
    return false;
  } finally {
    clearInterval(watch);
    signal.removeEventListener('abort', abort);
    stop.abort();
  }
}

interface ServerEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly id?: string | undefined;
}

/** take does what an event says, and passes it on. True: no more is to be heard. */
async function take(ctx: Context, session: Session, { name, data }: ServerEvent): Promise<boolean> {
  if (name === 'session.ended' && data['sid'] === session.sid) {
    await ctx.records.hold(async (held) => {
      if (held.record.session?.id !== session.id) return;
      await end(ctx, held, session, data);
    });
    return true;
  }
  if (name === 'token.expired') refused(ctx, session);
  if (name === 'profile.changed') void userInfo(ctx).catch(() => undefined);
  ctx.tell('heard', name, data);
  return name === 'replaced';
}

/** Of a body; React Native's XMLHttpRequest brings text (`xhrStream`). */
interface Reader {
  read(): Promise<{ done: boolean; value?: Uint8Array | string | undefined }>;
}

/** events reads server-sent events (HTML standard §9.2.6). `alive` is called for everything that comes. */
async function* events(reader: Reader, alive: () => void): AsyncGenerator<ServerEvent> {
  let decoder: TextDecoder | undefined;
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    const more = typeof value === 'string' ? value : (decoder ??= new TextDecoder()).decode(value, { stream: true });
    text = (text + more).replace(/\r\n/g, '\n');
    if (text.length > 1 << 20) throw offline('This event is far too large.');
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = parse(text.slice(0, end));
      text = text.slice(end + 2);
      if (event) yield event;
    }
  }
}

function parse(block: string): ServerEvent | undefined {
  const fields: Record<string, string> = {};
  for (const line of block.split('\n')) {
    const [, name, value = ''] = /^(\w+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (name) fields[name] = name === 'data' && fields['data'] !== undefined ? `${fields['data']}\n${value}` : value;
  }
  if (fields['data'] === undefined) return undefined;
  try {
    return { name: fields['event'] ?? 'message', data: JSON.parse(fields['data']) as Record<string, unknown>, id: fields['id'] };
  } catch {
    return undefined;
  }
}
