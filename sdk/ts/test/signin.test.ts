import assert from 'node:assert/strict';
import { test } from 'node:test';
import { context } from '../src/context.js';
import type { Browser, Opened } from '../src/index.js';
import { begin, redirected } from '../src/signin.js';
import { signOut } from '../src/signout.js';
import { json, lost } from './provider.js';
import { kind, stage, until } from './stage.js';

test('a person signs in, and the app knows who they are', async () => {
  const s = await stage({ device: { name: 'Ada’s phone', model: 'Pixel 9', appVersion: '4.2' } });
  assert.equal((await s.app.state()).status, 'signed_out');
  assert.equal(await kind(s.app.token()), 'signed_out');
  const url = new URL(await s.app.begin({ prompt: 'login' }));
  assert.equal((await s.app.state()).status, 'pending');
  const asked = Object.fromEntries(url.searchParams);
  assert.deepEqual([asked['code_challenge_method'], asked['prompt'], asked['device_name']], ['S256', 'login', 'Ada’s phone']);
  assert.equal(asked['dpop_jkt']?.length, 43);
  assert.match(asked['install_id']!, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const { sub, name } = await s.app.finish(s.provider.follow(url.href));
  assert.deepEqual([sub, name], ['ada', 'Ada Łovelace']);
  const { type } = await s.app.token();
  assert.equal(type, 'DPoP');
  const state = await s.app.state();
  assert.deepEqual([state.status, state.signInSoon, state.endsIn! > 15_000_000], ['signed_in', false, true]);
});

test('a process that was killed meanwhile finishes with the next one', async () => {
  const s = await stage();
  const back = s.provider.follow(await s.app.begin());
  const next = s.another();
  assert.equal((await next.state()).status, 'pending');
  assert.equal((await next.finish(back)).sub, 'ada');
});

test('a code whose answer was lost is sent again, and a killed exchange goes on by itself', async () => {
  const s = await stage();
  const back = s.provider.follow(await s.app.begin());
  s.provider.next('/token', lost.after);
  await s.app.finish(back);
  const [first, second] = s.provider.sent('/token');
  assert.equal(first!.form['code'], second!.form['code']);

  const other = await stage();
  const again = other.provider.follow(await other.app.begin());
  other.provider.next('/token', () => undefined); // no answer, ever: the process is killed
  void other.app.finish(again).catch(() => undefined);
  await until(() => other.provider.sent('/token').length === 1);
  assert.equal((await other.another().token()).type, 'DPoP');
});

test('after twenty seconds a code is worth nothing', async () => {
  const s = await stage();
  const back = s.provider.follow(await s.app.begin());
  for (let i = 0; i < 20; i++) s.provider.next('/token', lost.before);
  assert.equal(await kind(s.app.finish(back)), 'start_again');
  assert.equal(await kind(s.app.finish(back)), 'not_mine');
  assert.equal((await s.app.state()).status, 'signed_out');
});

test('a redirect that is delivered twice is answered twice, and sent once', async () => {
  const s = await stage();
  const back = s.provider.follow(await s.app.begin());
  const [one, two] = await Promise.all([s.app.finish(back), s.app.finish(back)]);
  assert.equal(one.sub, two.sub);
  assert.equal((await s.another().finish(back)).sub, 'ada');
  assert.equal(s.provider.sent('/token').length, 1);
});

test('a redirect with another state, another issuer or none changes nothing', async () => {
  const s = await stage();
  const url = await s.app.begin();
  assert.equal(await kind(s.app.finish(s.provider.follow(url, { state: 'other' }))), 'not_mine');
  assert.equal(await kind(s.app.finish(s.provider.follow(url, { iss: 'https://evil.example' }))), 'wrong_issuer');
  assert.equal(await kind(s.app.finish(s.provider.follow(url).replace(/&iss=[^&]*/, ''))), 'wrong_issuer');
  assert.equal(await kind(s.app.finish('com.example.notes:/cb?%E0%A4%A')), 'not_mine');
  assert.equal(s.provider.sent('/token').length, 0);
  await s.app.finish(s.provider.follow(url));
});

test('an error ends the sign-in, and leaves who was signed in before', async () => {
  const s = await stage();
  await s.signIn();
  const url = await s.app.begin();
  const state = new URL(url).searchParams.get('state');
  const refused = `com.example.notes:/cb?error=access_denied&state=${state}&iss=${encodeURIComponent(s.provider.issuer)}`;
  await assert.rejects(s.app.finish(refused), { kind: 'refused', code: 'access_denied' });
  assert.equal(await kind(s.app.finish(refused)), 'not_mine');
  await s.app.token();
});

test('a second sign-in does no harm to the first; the first to come back wins, and the session before is signed out', async () => {
  const s = await stage();
  await s.signIn();
  const before = s.provider.sent('/token').length;
  const [one, two] = [await s.app.begin(), await s.app.begin()];
  await s.app.finish(s.provider.follow(one));
  assert.equal(await kind(s.app.finish(s.provider.follow(two))), 'not_mine');
  assert.equal(s.provider.sent('/token').length, before + 1);
  await s.app.token();
  await until(() => s.provider.sent('/signout').length === 1);
});

test('an ID token for someone else is dropped', async () => {
  for (const claims of [{ aud: 'other' }, { iss: 'https://evil.example' }, { nonce: 'other' }, { exp: 1 }, { aud: ['notes', 'other'], azp: 'other' }]) {
    const s = await stage();
    s.provider.claims = claims;
    assert.equal(await kind(s.signIn()), 'invalid', JSON.stringify(claims));
    assert.equal((await s.app.state()).status, 'signed_out');
  }
});

test('an ID token that the server’s keys did not sign is dropped', async () => {
  const s = await stage();
  s.provider.next('/jwks', ({ res }) => json(res, 200, { keys: [] }));
  s.provider.next('/token', async ({ res }, serve) => {
    const end = res.end.bind(res) as (text: string) => typeof res;
    res.end = ((text: string) => end(text.replace(/[A-Za-z0-9_-]{86}"/, `${'A'.repeat(86)}"`))) as never;
    await serve();
  });
  assert.equal(await kind(s.signIn()), 'invalid');
});

test('while the keys can’t be had the tokens are kept unused, and verified later', async () => {
  const s = await stage();
  for (let i = 0; i < 3; i++) s.provider.next('/jwks', lost.html(503));
  await s.signIn();
  assert.equal((await s.app.state()).status, 'signed_in');
  assert.equal((await s.app.token()).type, 'DPoP');
  assert.equal(s.provider.sent('/token').length, 1);
});

test('the browser that is closed cancels; its redirect may still come as a link', async () => {
  const opened: string[] = [];
  let outcome: Opened = { type: 'closed' };
  const browser: Browser = { open: async (url) => (opened.push(url), outcome) };
  const s = await stage({ browser });
  assert.equal(await kind(s.app.signIn()), 'cancelled');
  await s.app.finish(s.provider.follow(opened[0]!));
  const waits: Browser = { open: (url, _, signal) => new Promise((resolve) => (opened.push(url), signal.addEventListener('abort', () => resolve({ type: 'closed' })))) };
  const other = s.another({ browser: waits });
  const first = kind(other.signIn());
  await until(() => opened.length === 2);
  const second = other.signIn().catch(() => undefined);
  assert.equal(await first, 'cancelled');
  await until(() => opened.length === 3);
  outcome = { type: 'redirect', url: s.provider.follow(opened[2]!) };
  assert.equal((await other.finish(outcome.url)).sub, 'ada');
  void second;
});

test('nothing is remembered of a sign-in that is over, in a process that lives for months', async () => {
  const s = await stage();
  const ctx = context({ issuer: s.provider.issuer, clientId: 'notes', redirectUri: 'a:/b', store: s.store, clock: s.clock, keys: s.keys });
  const { begun } = ctx.memory;
  await begin(ctx);
  assert.equal(begun.size, 1);
  s.clock.pass(7200);
  const second = await begin(ctx);
  assert.equal(begun.size, 1, 'the first is over its hour');
  assert.equal(await kind(redirected(ctx, s.provider.follow(second, { error: 'access_denied' }))), 'refused');
  assert.equal(begun.size, 0);
  await redirected(ctx, s.provider.follow(await begin(ctx)));
  assert.equal(begun.size, 0);
  await begin(ctx);
  await signOut(ctx);
  assert.equal(begun.size, 0);
});
