// What a refresh costs the SDK itself, proof and file store included: node build.mjs --tests && node build/test/bench.js
// The answers are made here: neither a server's work nor the HTTP client's is counted.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodePorts } from '../src/node/index.js';
import { stage } from './stage.js';

const folder = mkdtempSync(join(tmpdir(), 'refresh-'));
const { store, keys } = nodePorts(folder);
let [answered, proved, canned] = [0, 0, false];

const answer: typeof fetch = async (url, init) => {
  if (!canned) return fetch(url, init);
  answered++;
  if (new Headers(init?.headers).has('DPoP')) proved++;
  return Response.json({ access_token: `a${answered}`, refresh_token: `r${answered}`, token_type: 'DPoP', expires_in: 600 });
};
const { app, signIn } = await stage({ store, keys, fetch: answer });
await signIn();
canned = true;

async function spent(times: number): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) await app.token({ fresh: true });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / times;
}

await spent(100);
console.log(`${(await spent(300)).toFixed(2)} ms of processor time a refresh; ${answered} refreshes, ${proved} with a proof`);
rmSync(folder, { recursive: true });
process.exit(0);
