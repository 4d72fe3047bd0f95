import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createApp, fileKeys, fileLock, fileStore, loopbackBrowser, nodePorts } from '../src/node/index.js';
import { records } from '../src/record.js';
import { Provider } from './provider.js';
import { kind } from './stage.js';

const folder = (): string => join(mkdtempSync(join(tmpdir(), 'sojourn-')), 'app');
const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);

test('the record and the key are for this user alone', async () => {
  const at = folder();
  const store = fileStore(at);
  assert.equal(await store.load(), undefined);
  await store.check();
  await store.save({ v: 1 }, false);
  await fileKeys(at).make();
  assert.deepEqual([mode(at), mode(join(at, 'record.json')), mode(join(at, 'key.json'))], ['700', '600', '600']);
  assert.deepEqual(await store.load(), { v: 1 });
});

test('a key is found again, and is the same', async () => {
  const at = folder();
  assert.equal(await fileKeys(at).load(), undefined);
  const { jwk } = await fileKeys(at).make();
  assert.deepEqual((await fileKeys(at).load())?.jwk, jwk);
  truncateSync(join(at, 'key.json'), 10);
  assert.equal(await fileKeys(at).load(), undefined);
});

test('where the newest record is damaged, the one before it is read; after an ending there is none', async () => {
  const at = folder();
  const store = fileStore(at);
  await store.save({ n: 1 }, false);
  await store.save({ n: 2 }, false);
  truncateSync(join(at, 'record.json'), 3);
  assert.deepEqual(await store.load(), { n: 1 });
  await store.save({ n: 3 }, true);
  assert.equal(existsSync(join(at, 'record.old.json')), false);
  truncateSync(join(at, 'record.json'), 3);
  assert.equal(await kind(store.load()), 'lost');
});

test('a process that stood still while another took its lock writes nothing over what that one has written', async () => {
  const at = folder();
  const ports = nodePorts(at);
  const mine = records(ports.store, ports.lock, { seen: () => undefined, learnt: () => ({ skew: 0, nonces: {} }) });
  await mine.hold(({ save }) => save({ install: 'first' }));
  const late = mine.hold(async ({ save }) => {
    writeFileSync(join(at, 'lock'), JSON.stringify({ pid: process.pid, host: 'another', id: 'another' }));
    await ports.store.save({ v: 1, install: 'theirs' }, false);
    await save({ install: 'mine' });
  });
  assert.equal(await kind(late), 'store');
  assert.equal((await mine.load()).install, 'theirs');
  assert.match(readFileSync(join(at, 'lock'), 'utf8'), /"another"/); // nor does it let go of what is not its own
});

test('a record that was readable for others is for this user alone once it is written', async () => {
  const at = folder();
  mkdirSync(at);
  writeFileSync(join(at, 'record.new.json'), '');
  chmodSync(join(at, 'record.new.json'), 0o644);
  await fileStore(at).save({}, false);
  assert.equal(mode(join(at, 'record.json')), '600');
});

test('one task of all processes is let in, also when holders are killed', async () => {
  const at = folder();
  mkdirSync(at);
  const [file, sum] = [join(at, 'lock'), join(at, 'sum')];
  writeFileSync(sum, '0');
  const worker = fileURLToPath(new URL('./counter.js', import.meta.url));
  const children = Array.from({ length: 6 }, (_, i) => fork(worker, [file, sum, i < 2 ? 'die' : '40'], { stdio: 'inherit' }));
  await Promise.all(children.map((child) => new Promise((resolve) => child.on('exit', resolve))));
  assert.equal(readFileSync(sum, 'utf8'), '160');
});

test('a process signs in through the loopback address', async () => {
  const provider = await new Provider().start();
  try {
    const browser = loopbackBrowser({ open: (url) => void fetch(provider.follow(url)) });
    const app = createApp({ issuer: provider.issuer, clientId: 'notes', redirectUri: 'http://127.0.0.1/callback', ...nodePorts(folder()), browser });
    assert.equal((await app.signIn()).sub, 'ada');
    assert.equal((await app.token()).type, 'DPoP');
    assert.match(provider.sent('/token')[0]!.form['redirect_uri']!, /^http:\/\/127\.0\.0\.1:\d+\/callback$/);
  } finally {
    provider.stop();
  }
});

test('the lock is free after the task, whatever came of it', async () => {
  const lock = fileLock(join(folder(), 'lock'));
  await assert.rejects(lock.run(() => Promise.reject(new Error('x'))));
  assert.equal(await lock.run(async () => 1), 1);
});
