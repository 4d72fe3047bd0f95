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
  /** Before this (elapsed) no attempt may begin. */
  until = -Infinity;
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
      this.wait = pause(this.misses++, error);
      this.until = now + this.wait;
      if (error.retryAfter) this.asked = this.until;
    }
  }

  /**
   * Waits until the next attempt may begin. It throws `offline` at once where that is after the deadline (elapsed), and what the last
   * attempt was stopped with as long as asking again is no use.
   */
  async turn(deadline: number): Promise<void> {
    if (this.stopped && this.clock.elapsed() < this.stoppedUntil) throw this.stopped;
    for (let left = this.left; left > 0; left = this.left) {
      if (this.until > deadline) throw this.notYet();
      // The wait begins here, though a moment has gone by since the answer.
      await this.clock.wait(this.wait - left < 100 ? this.wait : left);
    }
  }

  private get left(): number {
    return this.until - this.clock.elapsed();
  }

  /** Whether an attempt may begin at once. */
  get ready(): boolean {
    return this.left <= 0;
  }

  private notYet(): AppError {
    const seconds = Math.ceil((this.asked - this.clock.elapsed()) / 1000);
    return offline('The server gave no usable answer. Nothing is lost; try again later.', undefined, seconds > 0 ? seconds : undefined);
  }
}

/** pause is the wait after so many misses, in milliseconds, and not less than the error's Retry-After. */
export const pause = (misses: number, error?: unknown, most = 60): number =>
  1000 * Math.max(Math.min(most, 2 ** misses) * (0.5 + Math.random() / 2), (isKind(error) && error.retryAfter) || 0);

/** insist does a task until it has an answer, or the next wait would end too late: then it throws what the last try did. */
export async function insist<T>(clock: Clock, task: () => Promise<T>): Promise<T> {
  const deadline = clock.elapsed() + patience;
  for (let misses = 0; ; misses++) {
    try {
      return await task();
    } catch (error) {
      const wait = pause(misses, error);
      if (!isKind(error, 'offline') || clock.elapsed() + wait > deadline) throw error;
      await clock.wait(wait);
    }
  }
}
