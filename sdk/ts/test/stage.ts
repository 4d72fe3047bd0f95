// Where the tests of this folder play: a provider, an app on it, and a clock that can be set.
import { after } from 'node:test';
import { languages } from '../src/languages.js';
import { createApp, memoryStore, webCryptoKeys, type App, type Clock, type Keys, type Options, type Store } from '../src/index.js';
import { Provider } from './provider.js';

/** A clock whose waits take no time: what is waited for has elapsed at once. */
export class TestClock implements Clock {
  waits: number[] = [];
  private shift = { wall: 0, elapsed: 0 };
  wall = (): number => Date.now() + this.shift.wall;
  elapsed = (): number => performance.now() + this.shift.elapsed;
  wait = async (ms: number): Promise<void> => {
    this.waits.push(ms);
    this.pass(ms / 1000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  /** What has gone by, for everyone. */
  passed = 0;
  pass(seconds: number): void {
    this.passed += 1000 * seconds;
    this.shift.wall += 1000 * seconds;
    this.shift.elapsed += 1000 * seconds;
  }
  jump(seconds: number): void {
    this.shift.wall += 1000 * seconds;
  }
}

export function memoryKeys(): Keys & { lose(): void } {
  let kept: unknown;
  return { ...webCryptoKeys({ load: async () => kept, save: async (key) => void (kept = key) }, true), lose: () => (kept = undefined) };
}

export interface Stage {
  readonly provider: Provider;
  readonly clock: TestClock;
  readonly store: Store;
  readonly keys: ReturnType<typeof memoryKeys>;
  readonly app: App;
  /** Another process on the same store. */
  another(over?: Partial<Options>): App;
  signIn(app?: App): Promise<void>;
}

export async function stage(over: Partial<Options> = {}): Promise<Stage> {
  const provider = await new Provider().start();
  after(() => provider.stop());
  const [clock, store, keys] = [new TestClock(), memoryStore(), memoryKeys()];
  provider.now = () => Date.now() + clock.passed;
  const another = (more: Partial<Options> = {}): App =>
    createApp({
      issuer: provider.issuer, clientId: 'notes', redirectUri: 'com.example.notes:/cb', store, clock, keys, apis: [`${provider.issuer}/api`], language: 'de', languages,
      ...over, ...more,
    });
  const app = another();
  return { provider, clock, store, keys, app, another, signIn: async (who = app) => void (await who.finish(provider.follow(await who.begin()))) };
}

/** The kind of the error that a promise ends with. */
export const kind = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: Error & { kind?: string }) => error.kind ?? String(error),
  );

/** Comes back when something is so. */
export async function until(so: () => unknown): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await so()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never: ${so}`);
}
