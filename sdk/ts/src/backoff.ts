// When to ask again: after 1, 2, 4 … 60 seconds, each between half and the whole of that, so that a thousand phones that come out
// of one tunnel don't come at once; not before a Retry-After is over; after a mistake of the app's, in 5 minutes, 10 … 60.
import { type AppError, isKind, offline } from './errors.js';
import type { Clock } from './ports.js';

/** Whoever asks for a token hears after so many milliseconds that there is none now. */
export const patience = 20_000;

export class Backoff {
  private misses = 0;
  private stops = 0;
  private wait = 0;
  private until = -Infinity;
  /** The server's own word: nothing is sent before. */
  private asked = -Infinity;
  private stopped: AppError | undefined;
  private stoppedUntil = -Infinity;

  constructor(private readonly clock: Clock) {}

  /** An answer came that was one. */
  clear(): void {
    this.stops = 0;
    this.asked = -Infinity;
    this.stopped = undefined;
    this.restart();
  }

  /** Someone asks anew: only what the server asked for is still waited for. */
  restart(): void {
    this.misses = 0;
    this.until = this.asked;
  }

  /** Takes over what an attempt failed with. */
  note(error: unknown): void {
    const now = this.clock.elapsed();
    if (isKind(error, 'stop')) {
      this.stopped = error;
      this.stoppedUntil = now + Math.min(60, 5 * 2 ** this.stops++) * 60_000;
    } else if (isKind(error, 'offline', 'store', 'invalid')) {
      const least = 1000 * (error.retryAfter ?? 0);
      this.wait = Math.max(pause(this.misses++), least);
      this.until = now + this.wait;
      if (least) this.asked = this.until;
    }
  }

  /** Throws what the last attempt was stopped with, as long as asking again is no use. */
  refuse(): void {
    if (this.stopped && this.clock.elapsed() < this.stoppedUntil) throw this.stopped;
  }

  /** Waits until the next attempt may begin. It throws `offline` where that is not before the deadline (elapsed). */
  async turn(deadline: number): Promise<void> {
    this.refuse();
    for (let now = this.clock.elapsed(); now < this.until; now = this.clock.elapsed()) {
      if (now >= deadline || this.asked > deadline) throw this.notYet();
      const left = this.until - now;
      // The wait begins here, though a moment has gone by since the answer.
      await this.clock.wait(Math.min(this.wait - left < 100 ? this.wait : left, deadline - now));
    }
  }

  /** Whether an attempt may begin at once. */
  get ready(): boolean {
    return this.clock.elapsed() >= this.until;
  }

  private notYet(): AppError {
    const seconds = Math.ceil((this.asked - this.clock.elapsed()) / 1000);
    return offline('The server gave no usable answer. Nothing is lost; try again later.', undefined, seconds > 0 ? seconds : undefined);
  }
}

/** pause is the wait after so many misses, in milliseconds. */
export const pause = (misses: number): number => 1000 * Math.min(60, 2 ** misses) * (0.5 + Math.random() / 2);

/** insist does a task until it has an answer, for as long as someone waits for it: then it throws what the last try did. */
export async function insist<T>(clock: Clock, task: () => Promise<T>, life = patience): Promise<T> {
  const deadline = clock.elapsed() + life;
  for (let misses = 0; ; misses++) {
    try {
      return await task();
    } catch (error) {
      if (!isKind(error, 'offline')) throw error;
      const wait = Math.max(pause(misses), 1000 * (error.retryAfter ?? 0));
      const left = deadline - clock.elapsed();
      if (left <= 0 || (error.retryAfter ?? 0) * 1000 > left) throw error;
      await clock.wait(Math.min(wait, left));
    }
  }
}
