import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { readClaims, type Claims } from '../src/claims.js';
import { Marks, type Mark } from '../src/marks.js';

const at = { now: 0 };
const clock = { wall: () => 0, elapsed: () => at.now, wait: async () => undefined };
const claims = (more: Record<string, unknown> = {}): Claims => readClaims({ sub: 'ada', sid: 'one', client_id: 'app', jti: 'j', ...more });
const mark = (kind: Mark['kind'], name: string, epoch = 0, keep: string[] = []): Mark => ({ kind, name, epoch, keep });
const holds = (...list: Mark[]): Marks => {
  const marks = new Marks(clock);
  marks.add(list);
  return marks;
};

test('each kind of mark refuses what it names, and nothing else', () => {
  assert.ok(holds(mark('s', 'one')).end(claims()));
  assert.ok(holds(mark('t', 'j')).end(claims()));
  assert.ok(!holds(mark('s', 'j'), mark('t', 'one'), mark('p', 'app', 1), mark('c', 'ada', 1)).end(claims()));
  assert.ok(holds(mark('p', 'ada', 3)).end(claims({ sub_epoch: 2 })));
  assert.ok(!holds(mark('p', 'ada', 3)).end(claims({ sub_epoch: 3 })));
  assert.ok(!holds(mark('p', 'ada', 3)).end(claims({ sid: undefined })));
  assert.ok(holds(mark('c', 'app', 3)).end(claims({ sid: undefined })));
});

test('a mark of a person spares the sessions that it keeps, and no later mark is lost by it', () => {
  const marks = holds(mark('p', 'ada', 3, ['one', 'two']));
  assert.ok(!marks.end(claims()));
  assert.ok(marks.end(claims({ sid: 'three' })));
  marks.add([mark('p', 'ada', 4, ['two'])]);
  assert.ok(marks.end(claims()));
  assert.ok(!marks.end(claims({ sid: 'two' })));
});

test('marks are held for the window at least, and twice that at most', () => {
  at.now = 0;
  const marks = holds(mark('s', 'one'));
  for (const [now, over] of [[659_000, true], [661_000, true], [1_319_000, true], [1_982_000, false]] as const) {
    at.now = now;
    marks.add([]);
    assert.equal(marks.end(claims()), over, `after ${now} ms`);
  }
});

test('too many marks are said, never forgotten silently', () => {
  at.now = 0;
  const marks = new Marks(clock, 10);
  marks.add(Array.from({ length: 11 }, (_, i) => mark('s', `s${i}`)));
  assert.ok(!marks.whole);
  at.now = 660_000;
  assert.ok(marks.whole);
});

test('a million marks take 32 MB at most', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = (): number => (collect(), process.memoryUsage().arrayBuffers);
  const before = held();
  const marks = new Marks(clock);
  for (let i = 0; i < 1_000_000; i += 500) marks.add(Array.from({ length: 500 }, (_, n) => mark('s', `session-${i + n}`)));
  const taken = held() - before;
  console.log(`${(taken / 1e6).toFixed(1)} MB`);
  assert.equal(marks.held, 1_000_000);
  assert.ok(taken < 32e6, `${taken} bytes`);
});
