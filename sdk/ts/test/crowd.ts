// Many devices in one process, for sdk/contract's weather (sdk/contract/README.md, "A crowd"): each with a folder, an app and a person's
// session of its own. It speaks the driver's lines of JSON.
import { createInterface } from 'node:readline';
import { createApp, nodePorts, type App, type Clock, type Store } from '../src/node/index.js';

type Json = Record<string, unknown>;
interface Command {
  readonly id: number;
  readonly do: string;
  readonly device: number;
  readonly store: string;
  readonly issuer: string;
  readonly client_id: string;
  readonly redirect_uri: string;
  readonly url: string;
  readonly seconds: number;
  readonly hurry: number;
}

const say = (line: Json): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** How much faster than life time goes since `at`, and what had gone by then: signing in takes the time that it takes. */
let [hurry, at, passed] = [1, performance.now(), 0];
const began = Date.now();
const elapsed = (): number => passed + (performance.now() - at) * hurry;
const hasten = (to: number): void => void ([hurry, at, passed] = [to, performance.now(), elapsed()]);

/** The same numbers for the same device (mulberry32). */
function diceOf(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * What a process has until it is killed. Afterwards its network and its store refuse everything, so that nothing it still does can
 * be seen: a process that is gone, as far as the server and the files know.
 */
class Life {
  private readonly gone = new AbortController();
  readonly over = new Promise<void>((resolve) => this.gone.signal.addEventListener('abort', () => resolve()));
  /** Kills it at the next save: before, or after it. */
  dieAt: 'received' | 'written' | undefined;

  constructor(private readonly device: string) {}

  kill(): void {
    this.gone.abort();
  }

  private alive(): void {
    this.gone.signal.throwIfAborted();
  }

  store(files: Store): Store {
    return {
      load: async () => (this.alive(), files.load()),
      check: async () => (this.alive(), files.check()),
      save: async (record, alone) => {
        if (this.dieAt === 'received') this.kill();
        this.alive();
        await files.save(record, alone);
        if (this.dieAt === 'written') this.kill();
        this.alive();
      },
    };
  }

  readonly fetch = (url: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set('Weather-Device', this.device);
    const signal = init.signal ? AbortSignal.any([init.signal, this.gone.signal]) : this.gone.signal;
    return fetch(url, { ...init, headers, signal });
  };

  /** It goes as fast as the weather. */
  readonly clock: Clock = {
    wall: () => began + elapsed(),
    elapsed,
    wait: async (ms, _idle, signal) => {
      const until = performance.now() + ms / hurry;
      while (performance.now() < until && !signal?.aborted) {
        await sleep(Math.min(50, until - performance.now()));
        this.alive();
      }
    },
  };
}

class Phone {
  private life: Life;
  private app: App;
  private readonly dice: () => number;
  readonly seen = { forced: 0, asked: 0, kills: 0 };

  constructor(private readonly c: Command) {
    this.dice = diceOf(c.device);
    [this.life, this.app] = this.open();
  }

  private open(): [Life, App] {
    const life = new Life(String(this.c.device));
    const { browser: _, store, ...ports } = nodePorts(this.c.store);
    const { issuer, client_id: clientId, redirect_uri: redirectUri } = this.c;
    return [life, createApp({ ...ports, issuer, clientId, redirectUri, store: life.store(store), clock: life.clock, fetch: life.fetch })];
  }

  begin = (): Promise<string> => this.app.begin();
  redirect = (url: string): Promise<unknown> => this.app.finish(url);

  /** Uses the app about once a minute, and is killed about every fourth time: at a save, or wherever it is. */
  async live(url: string, seconds: number): Promise<void> {
    const until = performance.now() + (seconds * 1000) / hurry;
    while (performance.now() < until) {
      await sleep((30_000 + this.dice() * 60_000) / hurry);
      const life = this.life;
      const fate = this.dice() * 12;
      if (fate < 2) life.dieAt = fate < 1 ? 'received' : 'written';
      else if (fate < 3) setTimeout(() => life.kill(), this.dice() * 300);
      // A death comes in the middle of a refresh.
      const task = fate < 3 ? () => this.app.token({ fresh: true }) : () => this.app.fetch(url).then((response) => response.arrayBuffer());
      await Promise.race([this.use(task), life.over]);
      if (fate < 3) await this.restart();
    }
  }

  /** A new process on the same store. */
  private async restart(): Promise<void> {
    this.life.kill();
    this.seen.kills++;
    await sleep(1000); // a process takes a moment to start
    [this.life, this.app] = this.open();
    if ((await this.app.state()).status !== 'signed_in') this.seen.forced++;
  }

  private async use(task: () => Promise<unknown>): Promise<boolean> {
    this.seen.asked++;
    try {
      await task();
      return true;
    } catch (error) {
      if (['ended', 'signed_out', 'invalid', 'lost'].includes((error as { kind?: string }).kind ?? '')) this.seen.forced++;
      return false;
    }
  }

  /** Refreshes in good weather; a wait that a server asked for in the storm may not be over. */
  async settle(): Promise<boolean> {
    for (let i = 0; i < 50; i++) {
      if (await this.use(() => this.app.token({ fresh: true }))) return true;
      await sleep(100);
    }
    return false;
  }
}

const phones = new Map<number, Phone>();
const all = async <T>(task: (phone: Phone) => Promise<T>): Promise<T[]> => Promise.all([...phones.values()].map(task));

const commands: Record<string, (c: Command) => Promise<Json> | Json> = {
  open: (c) => (phones.set(c.device, new Phone(c)), {}),
  begin: async (c) => ({ url: await phones.get(c.device)!.begin() }),
  redirect: async (c) => (await phones.get(c.device)!.redirect(c.url), {}),
  live: async (c) => (hasten(c.hurry), await all((phone) => phone.live(c.url, c.seconds)), {}),
  settle: async () => {
    const well = (await all((phone) => phone.settle())).filter(Boolean).length;
    const sum = (name: keyof Phone['seen']): number => [...phones.values()].reduce((n, phone) => n + phone.seen[name], 0);
    return { well, forced: sum('forced'), asked: sum('asked'), kills: sum('kills') };
  },
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const c = JSON.parse(line) as Command;
    void Promise.resolve(commands[c.do]!(c)).then(
      (ok) => say({ id: c.id, ok }),
      (error: unknown) => say({ id: c.id, error: { kind: 'internal', message: String((error as Error).stack) } }),
    );
  })
  .on('close', () => process.exit(0));
