// A process that counts under the lock, or is killed while it holds it (files.test.ts).
import { readFileSync, writeFileSync } from 'node:fs';
import { fileLock } from '../src/node/index.js';

const [file, sum, times] = process.argv.slice(2) as [string, string, string];
const lock = fileLock(file);
if (times === 'die') await lock.run(async () => process.kill(process.pid, 'SIGKILL'));
for (let i = 0; i < Number(times); i++) {
  await lock.run(async () => {
    const n = Number(readFileSync(sum, 'utf8'));
    await new Promise((resolve) => setTimeout(resolve, 1));
    writeFileSync(sum, String(n + 1));
  });
}
