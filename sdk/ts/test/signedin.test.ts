import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json, lost } from './provider.js';
import { kind, stage, until } from './stage.js';

test('calls carry the token and a proof, to the addresses that were named alone', async () => {
  const s = await stage();
  await s.signIn();
  const { issuer } = s.provider;
  assert.equal((await s.app.fetch(`${issuer}/api/notes?x=1`)).status, 200);
  for (const url of [`${issuer}/apis`, `${issuer}/api/../other`, `${issuer}/`, `${issuer}/api/%2e%2e/other`]) await s.app.fetch(url);
  const carried = s.provider.heard.filter(({ headers }) => headers.authorization).map(({ path }) => path);
  assert.deepEqual(carried, ['/api/notes']);
});

test('a 401 refreshes once and sends again', async () => {
  const s = await stage();
  await s.signIn();
  s.provider.next('/api/a', ({ res }) => json(res, 401, {}));
  assert.equal((await s.app.fetch(`${s.provider.issuer}/api/a`, { method: 'POST', body: 'x' })).status, 200);
  assert.equal(s.provider.sent('/token').length, 2);
  for (let i = 0; i < 2; i++) s.provider.next('/api/b', ({ res }) => json(res, 401, {}));
  assert.equal((await s.app.fetch(`${s.provider.issuer}/api/b`)).status, 401);
  assert.equal(s.provider.sent('/api/b').length, 2);
});

test('userinfo is kept as the identity, and of another person it is refused', async () => {
  const s = await stage();
  await s.signIn();
  assert.equal((await s.app.userInfo()).name, 'Ada');
  assert.equal((await s.app.state()).identity?.name, 'Ada');
  s.provider.next('/userinfo', ({ res }) => json(res, 200, { sub: 'eve' }));
  assert.equal(await kind(s.app.userInfo()), 'invalid');
});

test('a sign-out holds here at once, and is told to the server when that can be reached', async () => {
  const s = await stage();
  await s.signIn();
  let heard = 0;
  s.app.on('signedOut', () => heard++);
  for (let i = 0; i < 8; i++) s.provider.next('/signout', lost.before);
  assert.deepEqual(await s.app.signOut(), { heard: false });
  assert.equal(await kind(s.app.token()), 'signed_out');
  const { status, identity, unheard } = await s.app.state();
  assert.deepEqual([status, identity, unheard], ['signed_out', undefined, 1]);
  await until(() => heard === 1);
  assert.equal((await s.app.state()).unheard, 0);
});

test('a sign-out that was not heard is told after a restart', async () => {
  const s = await stage();
  await s.signIn();
  for (let i = 0; i < 8; i++) s.provider.next('/signout', lost.html(502));
  s.clock.wait = async (ms, idle?: boolean) => (idle ? new Promise(() => undefined) : s.clock.pass(ms / 1000));
  assert.deepEqual(await s.app.signOut(), { heard: false });
  const next = s.another({ clock: { ...s.clock, wait: async () => undefined } });
  assert.equal(await kind(next.token()), 'signed_out');
  await until(async () => (await next.state()).unheard === 0);
});

test('a provider without endpoints for it is told nothing; with revocation, that', async () => {
  const s = await stage();
  s.provider.described = { signout_endpoint: undefined };
  await s.signIn();
  assert.deepEqual(await s.app.signOut(), { heard: true });
  const r = await stage();
  r.provider.described = { signout_endpoint: undefined, revocation_endpoint: `${r.provider.issuer}/revoke` };
  r.provider.next('/revoke', ({ res }) => void res.writeHead(200).end());
  await r.signIn();
  assert.deepEqual(await r.app.signOut(), { heard: true });
  assert.equal(r.provider.sent('/revoke')[0]!.form['token_type_hint'], 'refresh_token');
});

test('an ending is heard while in front, with its reason', async () => {
  const s = await stage();
  await s.signIn();
  const heard: string[] = [];
  s.app.on('ended', ({ reason, message }) => heard.push(reason, message));
  s.app.on('heard', (name) => heard.push(name));
  const stop = s.app.listen();
  await until(() => heard.includes('ready'));
  for (const stream of s.provider.streams) {
    stream.write('id: 1\nevent: session.ended\ndata: {"sid":"other","reason":"idle"}\n\n');
    stream.write(`id: 2\nevent: session.ended\ndata: {"sid":"${s.provider.sid}","reason":"ended_by_user","at":1}\n\n`);
  }
  await until(() => heard.length === 4);
  assert.deepEqual(heard, ['ready', 'session.ended', 'ended_by_user', 'Sie haben dieses Gerät von einem anderen aus abgemeldet. Bitte melden Sie sich neu an.']);
  assert.equal(await kind(s.app.token()), 'ended');
  stop();
});

test('a stream that closes is opened again where it was, and a dead one too', async () => {
  const s = await stage();
  await s.signIn();
  let ready = 0;
  s.app.on('heard', (name) => void (name === 'ready' && ready++));
  const stop = s.app.listen();
  await until(() => ready === 1);
  for (const stream of s.provider.streams) stream.write('id: 7\nevent: profile.changed\ndata: {}\n\n', () => stream.destroy());
  await until(() => ready === 2);
  assert.equal(s.provider.sent('/me/events')[1]!.headers['last-event-id'], '7');
  s.clock.pass(41); // of silence
  await until(() => ready === 3);
  s.provider.streams.forEach((stream) => stream.write('event: replaced\ndata: {}\n\n'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(s.provider.sent('/me/events').length, 3);
  stop();
});

test('what was read before a sign-out is not true after it', async () => {
  const s = await stage();
  await s.signIn();
  let read: () => void = () => undefined;
  let slow = false;
  const slowly = {
    ...s.store,
    load: async () => {
      const record = await s.store.load();
      if (slow) await ((slow = false), new Promise<void>((resolve) => (read = resolve)));
      return record;
    },
  };
  const app = s.another({ store: slowly });
  assert.equal((await app.state()).status, 'signed_in');
  slow = true;
  const late = app.state();
  await until(() => !slow);
  await app.signOut();
  read();
  assert.equal((await late).status, 'signed_out');
});
