// A lock across processes, by a file that only one can make. Its holder touches it every second; it is taken from a holder that
// is dead, or has not touched it for ten seconds by the clock of whoever waits (the time of day takes no part). A holder that only
// stood still finds out before it writes.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { systemClock, taskLock, type Clock, type Lock } from '../index.js';

const touched = 1000;
const abandoned = 10_000;

type Ticks = Pick<Clock, 'elapsed'>;

/** fileLock lets in one task of all processes that use the same file. */
export function fileLock(file: string, clock: Ticks = systemClock): Lock {
  const tasks = taskLock();
  return { run: (task) => tasks.run(() => held(file, clock, task)) };
}

async function held<T>(file: string, clock: Ticks, task: (still: () => Promise<void>) => Promise<T>): Promise<T> {
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  await take(file, mine, clock);
  const touch = setInterval(() => void utimes(file, new Date(), new Date()).catch(() => undefined), touched).unref();
  try {
    return await task(async () => {
      if ((await holder(file)) !== mine) throw new Error('this process stood still, and another took the lock');
    });
  } finally {
    clearInterval(touch);
    if ((await holder(file)) === mine) await rm(file, { force: true });
  }
}

async function take(file: string, mine: string, clock: Ticks): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  let watched = { state: '', since: clock.elapsed() };
  for (;;) {
    try {
      return await writeFile(file, mine, { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const found = await holder(file);
    const state = `${found} ${await age(file)}`;
    if (state !== watched.state) watched = { state, since: clock.elapsed() };
    const turn = Math.floor((clock.elapsed() - watched.since) / abandoned);
    const gone = found !== undefined && (turn > 0 || dead(found));
    if (!gone || !(await free(file, found, turn))) await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20));
  }
}

const holder = (file: string): Promise<string | undefined> => readFile(file, 'utf8').catch(() => undefined);

const age = (file: string): Promise<number> => stat(file).then((s) => s.mtimeMs, () => 0);

/** dead reports whether the holder was a process of this machine that is there no more. */
function dead(found: string): boolean {
  try {
    const { pid, host } = JSON.parse(found) as { pid: number; host: string };
    if (host !== hostname()) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/**
 * free removes the lock of a holder that is gone, and reports whether it did. One of all that wait may: whoever makes the claim on this
 * very holder. Who comes late makes it again and finds another holder, whose lock it leaves. Each ten seconds there is another
 * turn, for a claim whose maker died too.
 */
async function free(file: string, found: string, turn: number): Promise<boolean> {
  const claim = `${file}.${createHash('sha256').update(found).digest('hex').slice(0, 16)}.${turn}`;
  try {
    await writeFile(claim, '', { flag: 'wx', mode: 0o600 });
  } catch {
    return false; // another is at it
  }
  try {
    if ((await holder(file)) !== found) return false;
    await rm(file, { force: true });
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}
