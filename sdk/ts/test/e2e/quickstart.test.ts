// docs/quickstart-web.md and docs/quickstart-react-native.md, followed from an empty folder.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import type { Browser } from 'playwright-core';
import type { App } from '../../src/index.js';
import { fillIn, followed, openBrowser } from './person.js';
import { follow } from './quickstart.js';
import { person, repository } from './sojourn.js';

let browser: Browser | undefined;
after(() => browser?.close());

test('docs/quickstart-web.md', async () => {
  const followed = await follow('quickstart-web.md');
  browser ??= await openBrowser();
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(followed.home);
    await page.getByText('Nobody is signed in.').waitFor();
    assert.equal((await fetch(`${followed.home}sojourn-data/sojourn.db.secret`)).status, 404); // the server runs in the same folder
    await page.click('#in');
    await fillIn(page);
    await page.getByText(`Hello ${person.name}`).waitFor();
    assert.equal(page.url(), followed.home);
    await page.reload();
    await page.getByText(`Hello ${person.name}`).waitFor();
    await page.click('#out');
    await page.getByText('Nobody is signed in.').waitFor();
    await page.reload();
    await page.getByText('Nobody is signed in.').waitFor();
  } finally {
    await context.close();
    followed.stop();
  }
});

const example = join(repository, 'examples', 'expo');

/** The packages of Expo are those of the example: as many megabytes again would show nothing else. */
function withExpo(commands: string, folder: string): string {
  const named = [...commands.matchAll(/^npm install (?:--save-dev )?((?:[a-z@][\w/.-]*@[\d.]+ ?|expo-[\w-]+@?\d* ?)+)$/gm)].flatMap((found) => found[1]!.split(' '));
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(example, 'package.json'), 'utf8')) as Record<string, Record<string, string>>;
  for (const one of named) {
    const [, name, version] = /^(@?[^@]+)@(.+)$/.exec(one)!;
    assert.ok({ ...dependencies, ...devDependencies }[name!]?.startsWith(version!), `${one} is not what examples/expo has`);
  }
  if (named.length > 0) link(join(example, 'node_modules'), join(folder, 'node_modules'));
  return commands.replace(/^npm install (?!\.\/).*$/gm, 'true');
}

function link(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    if (name.startsWith('@')) {
      mkdirSync(join(to, name), { recursive: true });
      if (name !== '@sojourn-auth') link(join(from, name), join(to, name));
    } else if (name !== '.package-lock.json') {
      symlinkSync(join(from, name), join(to, name));
    }
  }
}

test('docs/quickstart-react-native.md, with stand-ins for the modules of the phone', async () => {
  const quickstart = await follow('quickstart-react-native.md', withExpo);
  browser ??= await openBrowser();
  const page = await (await browser.newContext()).newPage();
  const phone = { items: new Map<string, string>(), open: (url: string, redirectUri: string) => followed(page, url, redirectUri) };
  Object.assign(globalThis, { phone });
  try {
    const { app } = await started(quickstart.folder, 1);
    await app.signIn();
    assert.equal((await app.userInfo()).name, person.name);
    const before = await app.token();
    const { app: restarted } = await started(quickstart.folder, 2);
    assert.equal((await restarted.state()).status, 'signed_in');
    assert.notEqual((await restarted.token({ fresh: true })).accessToken, before.accessToken);
    assert.equal((await restarted.fetch(`${quickstart.issuer}/me`)).status, 200);
    assert.deepEqual(await restarted.signOut(), { heard: true });
    assert.ok([...phone.items.values()].every((item) => !item.includes('sj_rt_')));
  } finally {
    await page.close();
    quickstart.stop();
  }
});

/** A start of the app: its auth.ts, with the phone's modules stood in for. */
function started(folder: string, nth: number): Promise<{ app: App }> {
  const standIn = (name: string): string => join(repository, 'sdk/ts/test/e2e/standins', `${name}.ts`);
  const outfile = join(folder, `started-${nth}.mjs`);
  buildSync({
    entryPoints: [join(folder, 'auth.ts')], outfile, bundle: true, format: 'esm', platform: 'node', target: 'es2022',
    alias: Object.fromEntries(['expo-crypto', 'expo-secure-store', 'expo-web-browser'].map((name) => [name, standIn(name)])),
  });
  return import(pathToFileURL(outfile).href) as Promise<{ app: App }>;
}

test('examples/expo is what the quickstart ends with', () => {
  const doc = readFileSync(join(repository, 'docs/quickstart-react-native.md'), 'utf8');
  for (const name of ['auth.ts', 'App.tsx', 'index.js', 'app.json', 'tsconfig.json']) {
    const block = new RegExp(`^\`\`\`\\w+ ${name.replace('.', '\\.')}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(doc)?.[1];
    assert.equal(block, readFileSync(join(example, name), 'utf8'), name);
  }
});
