// What a request costs an API: node build/test/bench.js
import { createGuard, type Incoming } from '../src/index.js';
import { Authority, Phone, until } from './authority.js';

const authority = await new Authority().start();
const guard = createGuard({ ...authority.config(), stale: 'accept' });
await until(() => guard.status().current);
const asked = (scheme: string, token: string, ...dpop: string[]): Incoming => ({ method: 'GET', origin: 'http://a', path: '/notes', authorization: [`${scheme} ${token}`], dpop });

/** The median of the later half's hundredths: the first half warms. */
async function measure(what: string, list: Incoming[], times = list.length): Promise<void> {
  const part = times / 100;
  const spans: number[] = [];
  for (let p = 0; p < 100; p++) {
    const start = performance.now();
    for (let i = 0; i < part; i++) await guard.check(list[(p * part + i) % list.length]!, { scopes: ['notes.read'] });
    spans.push((1000 * (performance.now() - start)) / part);
  }
  console.log(`${what}: ${spans.slice(50).sort((a, b) => a - b)[25]!.toFixed(1)} µs`);
}

await measure('a token that was seen before', Array.from({ length: 100 }, () => asked('Bearer', authority.token())), 200_000);
await measure('a new token', Array.from({ length: 5000 }, () => asked('Bearer', authority.token())));
const phone = new Phone();
const bound = authority.token({ cnf: { jkt: phone.thumbprint } });
await measure('a bound token with its proof', Array.from({ length: 5000 }, () => asked('DPoP', bound, phone.proof('GET', 'http://a/notes', bound))));
guard.close();
authority.close();
