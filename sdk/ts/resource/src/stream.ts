import { randomBytes } from 'node:crypto';
import { age, moment, type Moment } from './clock.js';
import type { Follower } from './follower.js';
import type { Beat } from './message.js';

const firstByte = 3000; // in which a stream must begin, or something buffers it
const proven = 10_000; // a stream that lived so long is a good one
const freshness = 5000;
const pollPause = 50; // at least, from one poll to the next
const maxEvent = 4 << 20; // a batch of 500 people who keep 100 sessions each
const maxPolled = 16 << 20;
export const pollingTime = 600_000;

/** A way to the server on which streams don't work. */
export class Buffered extends Error {
  override name = 'Buffered';
}

const newNonce = (): string => randomBytes(16).toString('base64url');

/** Opens the feed where the follower is. */
function ask(f: Follower, nonce: string, accept: string): RequestInit {
  f.server.calls.feed++;
  const { cursor } = f;
  return f.server.form({ nonce, wait: '2', ...(cursor !== undefined && { after: cursor }) }, accept);
}

/** One stream, and what proves that it is live. */
class Connection {
  readonly nonce = newNonce();
  readonly sent: Moment;
  begun = false; // a byte came
  beats = 0;
  #heard = 0; // when something last proved it
  #lead = -Infinity; // of the server's clock over ours, the greatest so far: at that beat, nothing was delayed
  readonly #f: Follower;

  constructor(f: Follower) {
    this.#f = f;
    this.sent = moment(f.server.settings.clock);
    this.#heard = this.sent.elapsed;
  }

  /** Hangs up when nothing comes, or nothing that proves that it is of now. */
  async watch(hangUp: AbortController): Promise<void> {
    const { clock } = this.#f.server.settings;
    while (!hangUp.signal.aborted) {
      const left = (this.begun ? this.#heard + freshness : this.sent.elapsed + firstByte) - clock.elapsed();
      if (left < 0) return hangUp.abort();
      await clock.wait(left + 1, hangUp.signal);
    }
  }

  /**
   * Says from when a beat's age counts. Only what carries the nonce of this connection was made after it was opened; what comes
   * ever later than the server's own clock says was held back on the way.
   */
  judge(beat: Beat): Moment {
    if (beat.nonce !== this.nonce) throw new Error('a beat of another connection: it proves nothing');
    const { clock } = this.#f.server.settings;
    const now = moment(clock);
    // What waited in between may be of before.
    if (age(clock, this.sent) - (now.elapsed - this.sent.elapsed) > freshness) throw new Error('the machine slept, or its clock was set ahead: the stream proves nothing');
    const lead = beat.issuedAt - now.elapsed;
    const at = this.beats++ === 0 ? this.sent : now;
    this.#lead = Math.max(this.#lead, lead);
    if (this.#lead - lead > freshness) throw new Error("the stream is held back, or the server's clock went back");
    this.#heard = now.elapsed;
    return at;
  }

  /** Takes an event. Those of other names are for newer libraries, but an ending never comes as one. */
  async hear(name: string, data: string): Promise<void> {
    if (name === 'endings') await this.#f.takeBatch(data);
    if (name === 'beat') await this.#f.takeBeat(data, (beat) => this.judge(beat));
    if (this.beats > 1 && this.#f.server.settings.clock.elapsed() - this.sent.elapsed > proven) this.#f.good();
  }
}

/** The lines of a stream, none longer than an event may be. */
async function* lines(body: AsyncIterable<Uint8Array>, came: () => void): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    came();
    let from = rest.length;
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf('\n', from); end >= 0; end = rest.indexOf('\n', from)) {
      yield rest.slice(0, end).replace(/\r$/, '');
      rest = rest.slice(end + 1);
      from = 0;
    }
    if (rest.length > maxEvent) throw new Error('an event of the feed is over 4 MB');
  }
}

/** Reads text/event-stream (WHATWG HTML §9.2). */
async function read(c: Connection, body: AsyncIterable<Uint8Array>): Promise<void> {
  let [name, data] = ['', ''];
  for await (const line of lines(body, () => (c.begun = true))) {
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (line === '') {
      await c.hear(name, data);
      [name, data] = ['', ''];
    } else if (field === 'event') name = value;
    else if (field === 'data') data += value;
    if (data.length > maxEvent) throw new Error('an event of the feed is over 4 MB');
  }
}

/** Reads server-sent events until they end. */
export async function stream(f: Follower, endpoint: string): Promise<void> {
  const c = new Connection(f);
  const hangUp = new AbortController();
  const abort = (): void => hangUp.abort();
  f.gone.addEventListener('abort', abort);
  void c.watch(hangUp);
  try {
    const init = ask(f, c.nonce, 'text/event-stream');
    const response = await f.server.send(endpoint, { ...init, signal: hangUp.signal });
    if (!response.headers.get('Content-Type')?.startsWith('text/event-stream') || !response.body) throw new Buffered('no stream of events comes through');
    await read(c, response.body as unknown as AsyncIterable<Uint8Array>);
    if (f.server.settings.clock.elapsed() - c.sent.elapsed <= proven) throw new Error('the stream ended');
  } catch (error) {
    throw hangUp.signal.aborted ? (c.begun ? new Error('the stream fell silent') : new Buffered('no stream of events comes through')) : error;
  } finally {
    f.gone.removeEventListener('abort', abort);
    abort();
  }
}

/** Asks again and again, until streams may be tried again. */
export async function poll(f: Follower, endpoint: string): Promise<void> {
  const { clock } = f.server.settings;
  while (clock.elapsed() < f.pollUntil && !f.gone.aborted) {
    const sent = clock.elapsed();
    const more = await pollOnce(f, endpoint);
    f.good();
    const left = pollPause - (clock.elapsed() - sent);
    if (!more && left > 0) await clock.wait(left, f.gone);
  }
}

/** Reads what there is, or waits a moment for it. The beat's age counts from when it was asked for. */
async function pollOnce(f: Follower, endpoint: string): Promise<boolean> {
  const [nonce, sent] = [newNonce(), moment(f.server.settings.clock)];
  const { endings, beat, more } = await f.server.fetch(endpoint, ask(f, nonce, 'application/json'), maxPolled);
  for (const message of Array.isArray(endings) ? endings : []) await f.takeBatch(message);
  if (more === true) return true;
  await f.takeBeat(beat, (said) => {
    if (said.nonce !== nonce) throw new Error('a beat of another question: it proves nothing');
    return sent;
  });
  return false;
}
