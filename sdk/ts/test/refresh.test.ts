import assert from 'node:assert/strict';
import { test } from 'node:test';
import { context, left, refused } from '../src/context.js';
import { createApp, memoryStore } from '../src/index.js';
import { json, lost } from './provider.js';
import { kind, stage, until } from './stage.js';

test('an access token is used while it lives, and renewed ahead of its end', async () => {
  const s = await stage();
  await s.signIn();
  const first = await s.app.token();
  s.clock.pass(500);
  assert.equal((await s.app.token()).accessToken, first.accessToken);
  s.clock.pass(50); // less than a minute is left
  assert.notEqual((await s.app.token()).accessToken, first.accessToken);
  assert.equal(s.provider.sent('/token').length, 2);
});

test('where a renewal ahead fails, the token that still lives is used', async () => {
  const s = await stage();
  await s.signIn();
  const first = await s.app.token();
  s.clock.pass(550);
  s.provider.next('/token', lost.html(502));
  assert.equal((await s.app.token()).accessToken, first.accessToken);
  assert.equal(s.clock.waits.length, 0);
});

for (const [name, fault] of Object.entries({ ...lost, html: lost.html(200), gateway: lost.html(502) })) {
  test(`a refresh whose answer is lost is sent again with the same token: ${name}`, async () => {
    const s = await stage();
    await s.signIn();
    s.clock.pass(700);
    s.provider.next('/token', fault);
    await s.app.token();
    const [, first, second] = s.provider.sent('/token');
    assert.equal(second!.form['refresh_token'], first!.form['refresh_token']);
    assert.ok(s.clock.waits[0]! >= 500 && s.clock.waits[0]! <= 1000);
    assert.notEqual(first!.headers['dpop'], second!.headers['dpop']);
  });
}

test('fifty tasks and two processes refresh once', async () => {
  const s = await stage();
  await s.signIn();
  const other = s.another({ lock: { run: (task) => task() } });
  s.clock.pass(700);
  const tokens = await Promise.all(Array.from({ length: 50 }, () => s.app.token()));
  tokens.push(await other.token());
  assert.equal(new Set(tokens.map((token) => token.accessToken)).size, 1);
  assert.equal(s.provider.sent('/token').length, 2);
});

test('no answer at all is offline within twenty seconds, and nobody is signed out', async () => {
  const s = await stage();
  await s.signIn();
  s.clock.pass(700);
  for (let i = 0; i < 20; i++) s.provider.next('/token', lost.before);
  assert.equal(await kind(s.app.token()), 'offline');
  const waited = s.clock.waits.reduce((a, b) => a + b, 0);
  assert.ok(waited > 7000 && waited < 20_000, `${waited} ms`);
  const { status, identity } = await s.app.state();
  assert.deepEqual([status, identity?.sub], ['signed_in', 'ada']);
});

for (const status of [503, 429]) {
  test(`${status} never signs out, whatever its body says, and Retry-After is kept to`, async () => {
    const s = await stage();
    await s.signIn();
    s.clock.pass(700);
    s.provider.next('/token', ({ res }) => {
      res.setHeader('Retry-After', '90');
      json(res, status, { error: 'invalid_grant', action: 'login' });
    });
    await assert.rejects(s.app.token(), { kind: 'offline', retryAfter: 90 });
    assert.equal(await kind(s.app.token()), 'offline');
    assert.equal(s.provider.sent('/token').length, 2); // nothing was sent before it was over
    s.clock.pass(91);
    await s.app.token();
  });
}

test('action login ends the session, once, with a sentence for the person', async () => {
  const s = await stage();
  await s.signIn();
  const endings: string[] = [];
  s.app.on('ended', ({ message }) => endings.push(message));
  s.clock.pass(700);
  s.provider.endSession();
  await assert.rejects(s.app.token(), { kind: 'ended', message: 'Sie wurden abgemeldet. Bitte melden Sie sich neu an.' });
  assert.equal(await kind(s.app.token()), 'ended');
  assert.equal(await kind(s.another().token()), 'ended');
  assert.equal(s.provider.sent('/token').length, 2);
  assert.deepEqual(endings, ['Sie wurden abgemeldet. Bitte melden Sie sich neu an.']);
  const { status, ended, identity } = await s.app.state();
  assert.deepEqual([status, ended?.reason, identity?.sub], ['ended', 'unknown', 'ada']);
});

test('without action, invalid_grant alone ends the session, and a mistake of the app stops', async () => {
  const s = await stage();
  await s.signIn();
  s.clock.pass(700);
  s.provider.next('/token', ({ res }) => json(res, 401, { error: 'invalid_client' }));
  await assert.rejects(s.app.token(), { kind: 'stop', code: 'invalid_client' });
  assert.equal(await kind(s.app.token()), 'stop');
  assert.equal(s.provider.sent('/token').length, 2); // not asked again at once
  s.clock.pass(301);
  await s.app.token();
  s.clock.pass(700);
  s.provider.next('/token', ({ res }) => json(res, 400, { error: 'invalid_grant' }));
  assert.equal(await kind(s.app.token()), 'ended');
});

test('what cannot be written is dropped, and the old token goes on', async () => {
  const s = await stage();
  await s.signIn();
  const { save, check } = s.store;
  s.clock.pass(700);
  s.store.check = () => Promise.reject(new Error('locked'));
  assert.equal(await kind(s.app.token()), 'store');
  assert.equal(s.provider.sent('/token').length, 1); // nothing is asked while nothing can be written
  s.store.check = check;
  s.store.save = () => Promise.reject(new Error('full'));
  assert.equal(await kind(s.app.token()), 'store');
  s.store.save = save;
  await s.app.token();
  const [, dropped, kept] = s.provider.sent('/token');
  assert.equal(dropped!.form['refresh_token'], kept!.form['refresh_token']);
});

test('a store that cannot be read leaves the token that lives in use', async () => {
  const s = await stage();
  await s.signIn();
  const { accessToken } = await s.app.token();
  s.store.load = () => Promise.reject(new Error('locked'));
  assert.equal((await s.app.token()).accessToken, accessToken);
  s.clock.pass(700);
  assert.equal(await kind(s.app.token()), 'store');
});

test('a wall clock that jumps, and a device that slept, sign nobody out', async () => {
  const s = await stage();
  await s.signIn();
  s.clock.jump(-7200);
  await s.app.token();
  assert.equal(s.provider.sent('/token').length, 1);
  s.clock.jump(8 * 3600); // asleep: the elapsed clock has stood still
  await s.app.token();
  assert.ok(s.provider.sent('/token').length <= 3); // one proof may have had the wrong time: the answer told the right one
});

test('a phone two hours off signs in and refreshes', async () => {
  for (const hours of [-2, 2]) {
    const s = await stage();
    s.clock.jump(hours * 3600);
    await s.signIn();
    s.clock.pass(700);
    await s.app.token();
  }
});

test('a nonce that changes in mid-flight is taken over at once', async () => {
  const s = await stage();
  s.provider.nonce = 'one';
  await s.signIn();
  s.clock.pass(700);
  s.provider.nonce = 'two';
  await s.app.token();
  assert.equal(s.clock.waits.length, 0);
  assert.equal(s.provider.sent('/token').length, 3);
});

test('losing the key is losing the session, and nothing is sent', async () => {
  const s = await stage();
  await s.signIn();
  s.clock.pass(700);
  s.keys.lose();
  await assert.rejects(s.app.token(), { kind: 'ended', message: 'Dieses Gerät hat den Schlüssel Ihrer Anmeldung verloren. Bitte melden Sie sich neu an.' });
  assert.equal(s.provider.sent('/token').length, 1);
});

test('a redirect at the token endpoint, a bomb and half an answer are no answers', async () => {
  const s = await stage();
  await s.signIn();
  s.clock.pass(700);
  s.provider.next('/token', ({ res }) => void res.writeHead(307, { Location: `${s.provider.issuer}/elsewhere` }).end());
  s.provider.next('/token', ({ res }) => void res.writeHead(200, { 'Content-Type': 'application/json' }).end(`{"access_token":"${'a'.repeat(1 << 20)}"}`));
  s.provider.next('/token', ({ res }) => void res.writeHead(200, { 'Content-Type': 'application/json' }).end('{"access_token":"a'));
  await s.app.token();
  assert.equal(s.provider.sent('/elsewhere').length, 0);
  assert.equal(s.provider.sent('/token').length, 5);
});

test('a discovery document of another issuer stops, and leads nowhere', async () => {
  const s = await stage();
  s.provider.described = { issuer: 'https://evil.example' };
  await assert.rejects(s.app.begin(), { kind: 'stop', code: 'invalid_issuer' });
  const inClear = createApp({ issuer: 'http://id.example', clientId: 'x', redirectUri: 'x:/', store: s.store, fetch: () => assert.fail('it was asked') });
  assert.equal(await kind(inClear.begin()), 'stop');
});

test('what another process does is noticed', async () => {
  const s = await stage();
  await s.signIn();
  const other = s.another();
  let changed = 0;
  s.app.on('changed', () => changed++);
  await s.app.state();
  await other.signOut();
  assert.equal(await kind(s.app.token()), 'signed_out');
  await until(() => changed === 1);
});

test('who waits for an answer in vain leaves the process to the others', async () => {
  const s = await stage();
  await s.signIn();
  s.clock.pass(700);
  for (let i = 0; i < 20; i++) s.provider.next('/token', lost.before);
  const { elapsed } = s.clock;
  let looks = 0;
  s.clock.elapsed = () => (looks++, elapsed());
  assert.equal(await kind(s.app.token()), 'offline');
  assert.ok(looks < 1000, `it looked at the clock ${looks} times`);
});

test('of the access tokens that were refused the newest are remembered, in a process that lives for months', () => {
  const ctx = context({ issuer: 'https://id.example.com', clientId: 'notes', redirectUri: 'a:/b', store: memoryStore() });
  const sessions = Array.from({ length: 1000 }, (_, n) => ({ id: 's', access: `token ${n}`, type: 'Bearer' as const, came: Date.now(), life: 600_000 }));
  sessions.forEach((session) => refused(ctx, session));
  assert.equal(left(ctx, sessions[999]!), 0);
  assert.ok(ctx.memory.dead.length < 100);
});
