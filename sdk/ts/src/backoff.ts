// When to ask again: after 1, 2, 4 … 60 seconds, each between half and the whole of that, so that a thousand phones that come out
// of one tunnel don't come at once; not before a Retry-After is over; after a mistake of the app's, in 5 minutes, 10 … 60.
import { AppError, isKind } from './errors.js';
import type { Clock } from './ports.js';

/** Whoever asks for a token hears after so many milliseconds that there is none now. */
export const patience = 20_000;

export class Backoff {
  private misses = 0;
  private stops = 0;
  private until = -Infinity;
  /** The server's own word: waiting for less is no use. */
  private asked = -Infinity;
  private stopped: AppError | undefined;
  private stoppedUntil = -Infinity;

  constructor(private readonly clock: Clock) {}

  /** An answer came that was one. */
  clear(): void {
    this.misses = this.stops = 0;
    this.until = this.asked = -Infinity;
    this.stopped = undefined;
  }

  /** Takes over what an attempt failed with. */
  note(error: unknown): void {
    const now = this.clock.elapsed();
    if (isKind(error, 'stop')) {
      this.stopped = error;
      this.stoppedUntil = now + Math.min(60, 5 * 2 ** this.stops++) * 60_000;
    } else if (isKind(error, 'offline', 'store', 'invalid')) {
      const wait = pause(this.misses++);
      this.asked = now + 1000 * (error.retryAfter ?? -Infinity);
      this.until = Math.max(now + wait, this.asked);
    }
  }

  /** Throws what the last attempt was stopped with, as long as asking again is no use. */
  refuse(): void {
    if (this.stopped && this.clock.elapsed() < this.stoppedUntil) throw this.stopped;
  }

  /** Waits until the next attempt may begin. It throws `offline` where that is not before the deadline (elapsed). */
  async turn(deadline: number): Promise<void> {
    for (;;) {
      this.refuse();
      const now = this.clock.elapsed();
      if (now >= this.until) return;
      if (now >= deadline || this.asked > deadline) throw this.notYet();
      await this.clock.wait(Math.min(this.until, deadline) - now);
    }
  }

  /** Whether an attempt may begin at once. */
  get ready(): boolean {
    return this.clock.elapsed() >= this.until;
  }

  private notYet(): AppError {
    const seconds = Math.ceil((this.until - this.clock.elapsed()) / 1000);
    return new AppError('offline', 'The server gave no usable answer. Nothing is lost; try again later.', { retryAfter: Math.max(0, seconds) });
  }
}

/** pause is the wait after so many misses, in milliseconds. */
export const pause = (misses: number): number => 1000 * Math.min(60, 2 ** misses) * (0.5 + Math.random() / 2);
