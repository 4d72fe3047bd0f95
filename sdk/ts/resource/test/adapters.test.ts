import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import createExpress from 'express';
import createFastify from 'fastify';
import { claimsOf, createGuard, express, fastify, fastifyMetadata, handler, metadata, type Guard } from '../src/index.js';
import { Authority, Phone, until } from './authority.js';

const read = { scopes: ['notes.read'] };
const write = { scopes: ['notes.write'], acr: 'mfa', maxAge: 300 };
let authority: Authority;
let guard: Guard;
type Call = (path: string, headers?: Record<string, string>) => Promise<Response>;
const apis = new Map<string, { call: Call; url: string }>();
const ends: (() => unknown)[] = [];

function offer(name: string, url: string, call: Call = (path, headers = {}) => fetch(url + path, { headers })): void {
  apis.set(name, { url, call });
}

before(async () => {
  authority = await new Authority().start();
  guard = createGuard(authority.config());
  await until(() => guard.status().current);

  const app = createExpress();
  app.use(metadata(guard));
  app.get('/notes', express(guard, read), (request, response) => void response.json({ sub: claimsOf(request).sub }));
  app.get('/write', express(guard, write), (_, response) => void response.json({}));
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  offer('express', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);

  const other = createFastify();
  other.addHook('onRequest', fastifyMetadata(guard));
  other.get('/notes', { onRequest: fastify(guard, read) }, async (request) => ({ sub: claimsOf(request).sub }));
  other.get('/write', { onRequest: fastify(guard, write) }, async () => ({}));
  offer('fastify', await other.listen({ port: 0, host: '127.0.0.1' }));

  const served = handler(guard, read, (request) => Response.json({ sub: claimsOf(request).sub }));
  const written = handler(guard, write, () => Response.json({}));
  offer('fetch', 'http://api.test', (path, headers = {}) => (path === '/write' ? written : served)(new Request(`http://api.test${path}`, { headers })));
  ends.push(() => server.closeAllConnections(), () => server.close(), () => other.close(), () => guard.close(), () => authority.close());
});

after(async () => {
  for (const end of ends) await end();
});

for (const name of ['express', 'fastify', 'fetch']) {
  const call: Call = (path, headers) => apis.get(name)!.call(path, headers);
  const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });

  test(`${name}: who has a good token is served, and the handler knows who it is`, async () => {
    const response = await call('/notes', bearer(authority.token()));
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { sub: 'ada' });
  });

  test(`${name}: who has none is told how to get one`, async () => {
    const response = await call('/notes');
    assert.equal(response.status, 401);
    const said = response.headers.get('WWW-Authenticate') ?? '';
    assert.match(said, /Bearer scope="notes.read", resource_metadata="http.*\/.well-known\/oauth-protected-resource", DPoP scope="notes.read", algs="ES256"/);
    const where = /resource_metadata="([^"]+)"/.exec(said)![1]!;
    const document = (await (await call(new URL(where).pathname)).json()) as Record<string, unknown>;
    assert.deepEqual(document['authorization_servers'], [authority.issuer]);
    assert.equal(document['resource'], apis.get(name)!.url);
  });

  test(`${name}: a missing scope and a sign-in that is not enough are said`, async () => {
    const scope = await call('/write', bearer(authority.token()));
    assert.equal(scope.status, 403);
    assert.match(scope.headers.get('WWW-Authenticate')!, /error="insufficient_scope".*scope="notes.write"/);
    const stepUp = await call('/write', bearer(authority.token({ scope: 'notes.write', acr: 'pwd' })));
    assert.equal(stepUp.status, 401);
    assert.match(stepUp.headers.get('WWW-Authenticate')!, /error="insufficient_user_authentication".*acr_values="mfa", max_age="300"/);
  });

  test(`${name}: a session that is over is refused, without a call to the server`, async () => {
    const [sid, { calls }] = [`sid-${name}`, guard.status()];
    const token = authority.token({ sid });
    assert.equal((await call('/notes', bearer(token))).status, 200);
    authority.end(['s', sid]);
    await until(async () => (await call('/notes', bearer(token))).status === 401);
    const response = await call('/notes', bearer(token));
    assert.deepEqual(await response.json(), { error: 'invalid_token', error_description: 'The session is over.' });
    assert.deepEqual(guard.status().calls, calls);
  });

  test(`${name}: a bound token needs its key's proof, each of which counts once`, async () => {
    const phone = new Phone();
    const token = authority.token({ cnf: { jkt: phone.thumbprint } });
    assert.equal((await call('/notes', bearer(token))).status, 401);
    const proved = { Authorization: `DPoP ${token}`, DPoP: phone.proof('GET', `${apis.get(name)!.url}/notes`, token) };
    assert.equal((await call('/notes', proved)).status, 200);
    const again = await call('/notes', proved);
    assert.equal(again.status, 401);
    assert.match(again.headers.get('WWW-Authenticate')!, /^DPoP error="invalid_dpop_proof"/);
  });
}
