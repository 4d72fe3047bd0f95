import { age, backoff, type Moment } from './clock.js';
import type { Marks } from './marks.js';
import { open, readBatch, readBeat, type Batch, type Beat } from './message.js';
import { Answered, type Server } from './server.js';
import { Buffered, poll, pollingTime, stream } from './stream.js';
import type { Keys } from './tokens.js';

const freshness = 5000; // without a sign of life
const refusedWait = 30_000; // after the server said that this client may not

/** A server whose log of endings is another than it was: its database was restored, or it is a different one. */
class Restored extends Error {
  override name = 'Restored';
}

/** A message that is not the next one. */
class Gap extends Error {
  override name = 'Gap';
}

/** How the feed is. */
export interface FeedStatus {
  current: boolean; // the endings are known up to now
  position: number; // of the last ending that was heard
  tag: string;
  problem: string; // why it is not current; empty where it is, or has only just begun
}

/** Follows the feed of endings: its marks, and whether they are all. */
export class Follower {
  readonly server: Server;
  readonly #keys: Keys;
  readonly #marks: Marks;
  readonly #gone = new AbortController();
  #position = 0;
  #tag = '';
  #cursor = false; // position is worth something to the server
  #beat: Beat | undefined;
  #beatAt: Moment = { elapsed: 0, wall: 0 }; // from when its age counts
  #problem = '';
  #failures = 0;
  #gaps = 0;
  pollUntil = -Infinity;

  constructor(server: Server, keys: Keys, marks: Marks) {
    this.server = server;
    this.#keys = keys;
    this.#marks = marks;
  }

  /** Aborted when the guard is closed. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  close(): void {
    this.#gone.abort();
  }

  /** Whether all is known that was ended up to a moment ago. */
  get current(): boolean {
    if (!this.#beat || this.#position < this.#beat.at) return false;
    return age(this.server.settings.clock, this.#beatAt) <= freshness && this.#marks.whole;
  }

  /** How everybody must have signed in; undefined where it is up to them. */
  get acr(): string | undefined {
    return this.#beat?.acr;
  }

  get status(): FeedStatus {
    const { current } = this;
    const problem = this.#marks.whole ? this.#problem : 'there are more endings than are held in memory';
    return { current, position: this.#position, tag: this.#tag, problem: current ? '' : problem };
  }

  /** Follows until it is closed. */
  async run(): Promise<void> {
    while (!this.gone.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        if (!this.gone.aborted) await this.server.settings.clock.wait(this.#failed(error as Error), this.gone);
      }
    }
  }

  /** Listens once, in the way that works here. */
  async #follow(): Promise<void> {
    const { endings } = await this.server.where();
    if (!endings) throw new Answered(404, 0);
    const { clock, log } = this.server.settings;
    if (clock.elapsed() < this.pollUntil) return poll(this, endings);
    try {
      await stream(this, endings);
    } catch (error) {
      if (!(error instanceof Buffered) || this.gone.aborted) throw error;
      this.pollUntil = clock.elapsed() + pollingTime;
      log("The feed of endings can't be streamed here; it is polled.");
    }
  }

  /** Notes that the feed works. */
  good(): void {
    this.#failures = 0;
  }

  /** Notes why the feed is away, and says how long to wait. */
  #failed(error: Error): number {
    if (error instanceof Gap) this.#gaps++;
    if (error instanceof Restored || this.#gaps >= 2) [this.#gaps, this.#cursor] = [0, false];
    const wait = backoff(this.#failures++);
    let problem = error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
    let least = 0;
    if (error instanceof Answered) {
      least = error.after;
      if ([401, 403, 404].includes(error.status)) {
        problem += ': may this client follow the feed of endings? (a confidential one that the operator added)';
        least = Math.max(least, refusedWait);
      }
      if (error.status === 400) this.#cursor = false;
    }
    if (problem !== this.#problem) this.server.settings.log(`The feed of endings is away: ${problem}`);
    this.#problem = problem;
    return Math.max(wait, least);
  }

  /** Where to go on; undefined: a snapshot is needed. */
  get cursor(): string | undefined {
    return this.#cursor ? `${this.#position}.${this.#tag}` : undefined;
  }

  /** Opens a batch, adds its marks and moves on. */
  async takeBatch(message: unknown): Promise<void> {
    this.#apply(readBatch(await open(message, this.#keys, this.server.settings.issuer)));
  }

  #apply(b: Batch): void {
    if (b.from !== 0 && (!this.#cursor || b.from > this.#position)) throw new Gap('the feed left endings out');
    this.#marks.add(b.marks);
    if (b.from === 0 || b.to > this.#position) [this.#position, this.#tag, this.#cursor] = [b.to, b.tag, true];
    this.#gaps = 0;
  }

  /** Opens a beat, whose age counts from what `judge` says of it. */
  async takeBeat(message: unknown, judge: (beat: Beat) => Moment): Promise<void> {
    const beat = readBeat(await open(message, this.#keys, this.server.settings.issuer));
    const at = judge(beat);
    if (beat.at < this.#position || (beat.at === this.#position && beat.tag !== this.#tag)) {
      this.#beat = undefined;
      throw new Restored("the server's endings are others than they were");
    }
    this.#marks.keepFor(beat.window);
    [this.#beat, this.#beatAt] = [beat, at];
    if (this.current && this.#problem) {
      this.#problem = '';
      this.server.settings.log('The feed of endings is followed again.');
    }
  }
}
