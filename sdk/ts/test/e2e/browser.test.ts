// The SDK in Chromium, against Sojourn: the redirect, IndexedDB, Web Locks between tabs, the key that nobody can copy.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import type { Browser, BrowserContext, Page, Route } from 'playwright-core';
import { fillIn, openBrowser } from './person.js';
import { person, sojourn, type Sojourn } from './sojourn.js';

let server: Sojourn;
let browser: Browser;
let context: BrowserContext;
let home: string;
let site: Server;

before(async () => {
  server = await sojourn();
  home = await serve(server.issuer);
  server.command('client', 'add', '--id', 'page', '--name', 'Page', '--public', '--redirect-uri', home, '--scope', 'openid profile email offline_access');
  browser = await openBrowser();
  context = await browser.newContext();
  context.setDefaultTimeout(20_000);
});
after(async () => {
  await browser?.close();
  server?.stop();
  site?.close();
});

/** The app's page, bundled. */
async function serve(issuer: string): Promise<string> {
  const source = fileURLToPath(new URL('../../../test/e2e/page.ts', import.meta.url));
  const [script] = buildSync({ entryPoints: [source], bundle: true, write: false, format: 'iife', target: 'es2022' }).outputFiles;
  site = createServer((request, response) => {
    const isScript = request.url!.startsWith('/app.js');
    response.writeHead(200, { 'Content-Type': isScript ? 'text/javascript' : 'text/html' });
    response.end(isScript ? script!.text : `<!doctype html><title>App</title><script src="/app.js?issuer=${issuer}"></script>`);
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
}

async function tab(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(home);
  return page;
}

async function signIn(page: Page): Promise<void> {
  await page.evaluate(() => void window.app.signIn());
  await page.waitForURL(`${server.issuer}/**`);
  await fillIn(page);
  await page.waitForURL(`${home}**`);
  await page.waitForFunction(() => window.came);
}

test('a person signs in by the redirect, and the page’s address keeps nothing of it', async () => {
  const page = await tab();
  await signIn(page);
  assert.equal(page.url(), home);
  const state = await page.evaluate(() => window.app.state());
  assert.deepEqual([state.status, state.identity?.sub.length], ['signed_in', 22]);
  assert.equal(await page.evaluate(async () => (await window.app.userInfo()).name), person.name);
});

test('the key can be used and not copied', async () => {
  const page = await tab();
  const kept = await page.evaluate(
    () =>
      new Promise<{ extractable: boolean; record: string }>((resolve) => {
        indexedDB.open('sojourn-app').onsuccess = ({ target }) => {
          const drawer = (target as IDBOpenDBRequest).result.transaction('kept').objectStore('kept');
          const [key, record] = [drawer.get('key'), drawer.get('record')];
          record.onsuccess = () => resolve({ extractable: key.result.privateKey.extractable, record: JSON.stringify(record.result) });
        };
      }),
  );
  assert.equal(kept.extractable, false);
  assert.match(kept.record, /"type":"DPoP"/);
});

test('three tabs with twenty tasks each refresh once', async () => {
  const pages = await Promise.all([tab(), tab(), tab()]);
  let refreshes = 0;
  for (const page of pages) page.on('request', (r) => r.method() === 'POST' && r.url().endsWith('/oauth2/token') && refreshes++);
  await Promise.all(pages.map((page) => page.evaluate(() => void (window.shift = 700_000)))); // one device, one clock
  const tokens = await Promise.all(
    pages.map((page) =>
      page.evaluate(async () => Promise.all(Array.from({ length: 20 }, async () => (await window.app.token()).accessToken))),
    ),
  );
  assert.equal(new Set(tokens.flat()).size, 1);
  assert.ok(refreshes <= 2, `${refreshes} requests`); // one, and one more where the first proof needed the server's time
});

test('a tab whose lock was stolen writes nothing, and nobody is signed out', async () => {
  const page = await tab();
  await page.evaluate(() => void (window.shift = 1_400_000));
  const steals = async (route: Route): Promise<void> => {
    await page.evaluate(() => void navigator.locks.request('sojourn-app', { steal: true }, () => undefined));
    await route.continue();
  };
  await page.route('**/oauth2/token', steals, { times: 1 });
  const before = await page.evaluate(async () => (await window.app.state()).identity?.since);
  assert.match(await page.evaluate(() => window.app.token().then(() => 'a token', String)), /store/);
  assert.equal(await page.evaluate(async () => (await window.app.state()).identity?.since), before);
  assert.ok((await page.evaluate(() => window.app.token())).accessToken);
});

test('another tab hears of a sign-out, and the server has heard of it too', async () => {
  const [one, two] = [await tab(), await tab()];
  await two.evaluate(() => window.app.state());
  assert.deepEqual(await one.evaluate(() => window.app.signOut()), { heard: true });
  await two.waitForFunction(() => window.said.includes('changed'));
  assert.equal((await two.evaluate(() => window.app.state())).status, 'signed_out');
});

test('an ending is heard while in front, in the person’s language', async () => {
  const page = await tab();
  await signIn(page);
  await page.evaluate(() => void window.app.listen());
  await page.waitForFunction(() => window.said.includes('ready'));
  server.command('user', 'end-sessions', person.email);
  await page.waitForFunction(() => window.said.includes('ended_by_operator'));
  assert.ok((await page.evaluate(() => window.said)).includes('Vous avez été déconnecté. Veuillez vous reconnecter.'));
});
