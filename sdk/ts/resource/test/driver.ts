// The driver that sdk/contract/resource plays this library with: lines of JSON in, lines of JSON out (sdk/contract/resource/README.md).
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { claimsOf, createGuard, express, metadata, type Alg, type Clock, type Guard, type Operation } from '../src/index.js';

type Json = Record<string, unknown>;

const shift = { wall: 0, elapsed: 0 };
const sleepers = new Set<() => void>();

/** The clock is the real one and what `clock` added. A wait is over when its elapsed clock has got there. */
const clock: Clock = {
  wall: () => Date.now() + shift.wall,
  elapsed: () => performance.now() + shift.elapsed,
  wait: async (ms, signal) => {
    const until = clock.elapsed() + ms;
    while (clock.elapsed() < until && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          sleepers.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, until - clock.elapsed());
        sleepers.add(done);
        signal.addEventListener('abort', done);
      });
    }
  },
};

const asked = new Set<Promise<unknown>>();

/** Requests that have no answer yet are known, so that a clock that jumps is not taken for a server that is slow. */
const watched: typeof fetch = (url, init) => {
  const response = fetch(url, init);
  const heard = response.catch(() => undefined).finally(() => asked.delete(heard));
  asked.add(heard);
  return response;
};

/** Lets what was asked be answered, by a server that answers at once. */
async function settle(): Promise<void> {
  await Promise.race([Promise.all(asked), new Promise((resolve) => setTimeout(resolve, 200))]);
  await new Promise((resolve) => setImmediate(resolve));
}

let guard: Guard | undefined;
const opened = (): Guard => {
  if (!guard) throw new Error('nothing is open');
  return guard;
};

interface Offered {
  method: string;
  path: string;
  scopes?: string[];
  acr?: string;
  max_age?: number;
}

/** Has an API over the library listen. */
async function open(c: Json): Promise<Json> {
  const offered = (c['operations'] ?? []) as Offered[];
  const handlers = new Map<string, ReturnType<typeof express>>();
  const server = createServer((request, response) => {
    metadata(opened())(request, response, () => {
      const handle = handlers.get(`${request.method} ${request.url?.replace(/\?.*$/s, '')}`);
      if (!handle) return void response.writeHead(404).end();
      handle(request, response, (error) => {
        if (error !== undefined) return void response.writeHead(500).end(String(error));
        const { sub, sid, clientId: client_id, scopes, jti } = claimsOf(request);
        const scope = scopes.length > 0 ? scopes.join(' ') : undefined;
        response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ sub, sid, client_id, scope, jti }));
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  guard = createGuard({
    issuer: String(c['issuer']),
    audience: String(c['audience'] ?? ''),
    clientId: String(c['client_id']),
    clientSecret: String(c['client_secret']),
    stale: (c['stale'] ?? 'introspect') as 'introspect',
    baseURL: String(c['base'] ?? '') || url,
    ...(c['name'] !== undefined && { name: String(c['name']) }),
    scopes: offered.flatMap((one) => one.scopes ?? []),
    algs: (c['algs'] ?? []) as Alg[],
    typJWT: c['typ_jwt'] === true,
    log: (message) => console.error(message),
    clock,
    fetch: watched,
  });
  for (const { method, path, scopes = [], acr, max_age } of offered) {
    const operation: Operation = { scopes, ...(acr && { acr }), ...(max_age && { maxAge: max_age }) };
    handlers.set(`${method} ${path}`, express(guard, operation));
  }
  return { url };
}

async function tick(c: Json): Promise<Json> {
  await settle();
  const [pass, wall] = [c['pass'], c['wall']].map((seconds) => 1000 * Number(seconds ?? 0)) as [number, number];
  shift.wall += pass + wall;
  shift.elapsed += pass;
  [...sleepers].forEach((wake) => wake());
  return {};
}

async function until(current: boolean): Promise<Json> {
  while (opened().status().current !== current) await new Promise((resolve) => setTimeout(resolve, 1));
  return {};
}

const commands: Record<string, (c: Json) => Promise<Json> | Json> = {
  open,
  clock: tick,
  state: () => ({ ...opened().status() }),
  await: (c) => until(c['current'] === true),
};

async function run(c: Json): Promise<void> {
  const say = (line: Json): void => void process.stdout.write(`${JSON.stringify({ id: c['id'], ...line })}\n`);
  try {
    say({ ok: (await commands[String(c['do'])]?.(c)) ?? {} });
  } catch (error) {
    say({ error: { kind: 'other', message: String(error) } });
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => void run(JSON.parse(line) as Json))
  .on('close', () => process.exit(0));
