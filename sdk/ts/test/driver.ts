// The driver that sdk/contract plays this SDK with: lines of JSON in, lines of JSON out (sdk/contract/README.md). It is the SDK,
// a clock that can be set, and a store that can be spoilt.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createApp, fileLock, isKind, nodePorts, type App, type Clock, type Keys, type Store } from '../src/node/index.js';
import { vector } from './vectors.js';

type Json = Record<string, unknown>;
interface Command extends Json {
  id: number;
  do: string;
}

const say = (line: Json): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

/** Until the app is closed: afterwards nothing of it is sent, written or said. */
let life = new AbortController();

const shift = { wall: 0, elapsed: 0 };
const sleepers = new Set<() => void>();

/** The clock is the real one and what `clock` added. A wait is over when its elapsed clock has got there. */
const clockOf = (mine: AbortSignal): Clock => ({
  wall: () => Date.now() + shift.wall,
  elapsed: () => performance.now() + shift.elapsed,
  wait: async (ms, idle, signal) => {
    if (!mine.aborted) say({ event: 'waiting', seconds: ms / 1000 });
    const elapsed = (): number => performance.now() + shift.elapsed;
    const until = elapsed() + ms;
    while (mine.aborted || (elapsed() < until && !signal?.aborted)) {
      await new Promise<void>((resolve) => {
        if (mine.aborted) return; // it waits for ever
        const timer = setTimeout(resolve, until - elapsed());
        if (idle) timer.unref();
        sleepers.add(resolve);
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  },
});

let mode = 'ok';
let pause: { at: string; left: number } | undefined;
let dns = 'ok';
let folder = '';

async function fails(...modes: string[]): Promise<void> {
  if (modes.includes(mode)) throw new Error(`the store is ${mode}`);
}

/** Stands still for ever when the pause is reached: the player kills this process then. */
async function stand(at: string): Promise<void> {
  if (pause?.at !== at || --pause.left > 0) return;
  say({ event: 'paused', at });
  await new Promise(() => undefined);
}

const spoilt = (store: Store, mine: AbortSignal): Store => ({
  load: async () => (mine.throwIfAborted(), await fails('locked'), store.load()),
  check: async () => (mine.throwIfAborted(), await fails('locked', 'readonly'), store.check()),
  save: async (record, alone) => {
    mine.throwIfAborted();
    await stand('received');
    await fails('locked', 'readonly', 'full');
    if (mode !== 'lying') await store.save(record, alone);
    await stand('written');
  },
});

const spoiltKeys = (keys: Keys): Keys => ({
  load: async () => (await fails('locked'), keys.load()),
  make: () => keys.make(),
});

function spoil(to: string): void {
  const record = join(folder, 'record.json');
  if (to === 'truncated') return writeFileSync(record, readFileSync(record).subarray(0, readFileSync(record).length / 2));
  if (to === 'keyless') return rmSync(join(folder, 'key.json'), { force: true });
  mode = to;
}

let app: App | undefined;
let stopListening: (() => void) | undefined;
const opened = (): App => app ?? fail('nothing is open');
const fail = (what: string): never => {
  throw new Error(what);
};

async function open(c: Json): Promise<Json> {
  const { signal } = life;
  const told = (line: Json): void => void (signal.aborted || say(line));
  folder = String(c['store']);
  shift.wall += 1000 * Number(c['wall'] ?? 0);
  const { browser: _, keys, store, ...ports } = nodePorts(folder);
  const clock = clockOf(signal);
  app = createApp({
    ...ports,
    lock: fileLock(join(folder, 'lock'), clock),
    issuer: String(c['issuer']),
    clientId: String(c['client_id']),
    redirectUri: String(c['redirect_uri']),
    ...(c['scope'] !== undefined && { scope: String(c['scope']) }),
    language: String(c['lang'] ?? 'en'),
    apis: (c['resources'] as string[] | undefined) ?? [],
    store: spoilt(store, signal),
    ...(c['dpop'] !== false && { keys: spoiltKeys(keys) }),
    clock,
    fetch: async (url, init) => {
      signal.throwIfAborted();
      if (dns === 'fail') throw new TypeError('fetch failed', { cause: { code: 'ENOTFOUND' } });
      return fetch(url, init);
    },
  });
  app.on('ended', ({ reason, message }) => told({ event: 'ended', reason, sentence: message }));
  app.on('changed', () => told({ event: 'changed' }));
  app.on('signedOut', () => told({ event: 'signed_out', heard: true }));
  app.on('heard', (name, data) => told({ event: 'heard', name, data }));
  return { state: (await app.state()).status };
}

/** Where Node keeps the connections of its fetch. */
const connections = Symbol.for('undici.globalDispatcher.1');
type Dispatcher = { constructor: new () => Dispatcher; destroy(): Promise<void> };

/** Ends the app as if its process had been killed, and makes room for another. */
async function close(): Promise<Json> {
  life.abort();
  stopListening?.();
  const global = globalThis as unknown as Record<symbol, Dispatcher | undefined>;
  const old = global[connections];
  if (old) global[connections] = new old.constructor();
  await old?.destroy();
  [life, app, stopListening, pause, mode, dns] = [new AbortController(), undefined, undefined, undefined, 'ok', 'ok'];
  [shift.wall, shift.elapsed] = [0, 0];
  return {};
}

async function identity(): Promise<Json> {
  const { identity: who, endsIn, signInSoon } = await opened().state();
  if (!who) return {};
  const { sub, name, email, since } = who;
  return { sub, name, email, since: since / 1000, session_ends_in: endsIn, sign_in_soon: signInSoon };
}

async function token(fresh: boolean): Promise<Json> {
  const { accessToken, type, expiresIn } = await opened().token({ fresh });
  return { access_token: accessToken, token_type: type, expires_in: expiresIn };
}

async function burst(n: number): Promise<Json> {
  const all = await Promise.allSettled(Array.from({ length: n }, () => opened().token()));
  const tokens = all.flatMap((one) => (one.status === 'fulfilled' ? [one.value.accessToken] : []));
  const errors = all.flatMap((one) => (one.status === 'rejected' ? [kindOf(one.reason)] : []));
  return { tokens: [...new Set(tokens)], errors: [...new Set(errors)] };
}

async function call(c: Json): Promise<Json> {
  const init = { method: String(c['method'] ?? 'GET'), ...(c['body'] !== undefined && { body: String(c['body']) }) };
  const response = await opened().fetch(String(c['url']), init);
  return { status: response.status, body: (await response.text()).slice(0, 1000), type: response.headers.get('Content-Type') };
}

function tick(c: Json): Json {
  const [pass, sleep, wall] = [c['pass'], c['sleep'], c['wall']].map((seconds) => 1000 * Number(seconds ?? 0)) as [number, number, number];
  shift.wall += pass + sleep + wall;
  shift.elapsed += pass;
  sleepers.forEach((wake) => wake());
  sleepers.clear();
  return {};
}

const commands: Record<string, (c: Command) => Promise<Json> | Json> = {
  open,
  close,
  begin: async (c) => ({ url: await opened().begin(c['prompt'] === undefined ? {} : { prompt: c['prompt'] as 'login' }) }),
  redirect: async (c) => (await opened().finish(String(c['url'])), identity()),
  cancel: () => ({}),
  token: () => token(false),
  refresh: () => token(true),
  burst: (c) => burst(Number(c['n'])),
  call,
  identity,
  signout: async () => ({ ...(await opened().signOut()) }),
  listen: () => ((stopListening = opened().listen()), {}),
  unlisten: () => (stopListening?.(), {}),
  clock: tick,
  store: (c) => (spoil(String(c['mode'])), {}),
  dns: (c) => ((dns = String(c['mode'])), {}),
  pause: (c) => ((pause = { at: String(c['at']), left: Number(c['nth'] ?? 1) }), {}),
  vectors: async (c) => ({ output: await vector(String(c['kind']), c['input'] as Json) }),
};

const kindOf = (error: unknown): string => (error instanceof Error && error.name === 'AppError' ? (error as unknown as { kind: string }).kind : 'internal');

async function run(c: Command): Promise<void> {
  try {
    const command = commands[c.do];
    say(command ? { id: c.id, ok: await command(c) } : { id: c.id, error: { kind: 'unsupported', message: c.do } });
  } catch (error) {
    const told = { kind: kindOf(error), message: String(error) };
    if (told.kind === 'internal') console.error(error);
    if (!isKind(error, 'ended', 'offline', 'stop', 'refused')) return say({ id: c.id, error: told });
    const { retryAfter: retry_after, code, ended } = error;
    say({ id: c.id, error: { ...told, retry_after, code, reason: ended?.reason, sentence: ended?.message } });
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => void run(JSON.parse(line) as Command))
  .on('close', () => process.exit(0));
if (process.env['CONTRACT_CA'] && !existsSync(process.env['CONTRACT_CA'])) fail('CONTRACT_CA names no file');
