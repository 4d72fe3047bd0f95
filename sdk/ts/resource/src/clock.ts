/** The two clocks of a machine, in milliseconds, and waiting. The usual one is the system's; tests bring their own. */
export interface Clock {
  /** The time of day, which people set: tokens and proofs are judged by it. */
  wall(): number;
  /** Counts from any moment, and nobody sets it; it may stand still while the machine sleeps. */
  elapsed(): number;
  /** Resolves after so many milliseconds of `elapsed`, or when the signal is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

/** A moment by both clocks. */
export interface Moment {
  elapsed: number;
  wall: number;
}

export const moment = (clock: Clock): Moment => ({ elapsed: clock.elapsed(), wall: clock.wall() });

/** How long ago that was, by the clock that says more: the elapsed one, which nobody sets, stands still while the machine sleeps. */
export const age = (clock: Clock, at: Moment): number => Math.max(clock.elapsed() - at.elapsed, clock.wall() - at.wall);

export const systemClock: Clock = {
  wall: () => Date.now(),
  elapsed: () => performance.now(),
  wait: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = setTimeout(done, Math.min(ms, 2 ** 31 - 1));
      timer.unref(); // a guard keeps no program running
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
    }),
};

/** A signal that aborts after so many milliseconds of the clock, or with the outer one, until `stop` is called. */
export function within(clock: Clock, ms: number, outer?: AbortSignal): { signal: AbortSignal; stop: () => void } {
  const [limit, stopped] = [new AbortController(), new AbortController()];
  const abort = (): void => limit.abort();
  if (outer?.aborted) abort();
  outer?.addEventListener('abort', abort);
  void clock.wait(ms, stopped.signal).then(() => {
    if (!stopped.signal.aborted) abort();
  });
  const stop = (): void => {
    stopped.abort();
    outer?.removeEventListener('abort', abort);
  };
  return { signal: limit.signal, stop };
}

/** How long to wait before trying again: between half and the whole of a wait that doubles from 0.1 to 5 seconds. */
export function backoff(failures: number): number {
  const whole = Math.min(100 * 2 ** Math.min(failures, 6), 5000);
  return whole / 2 + (Math.random() * whole) / 2;
}
