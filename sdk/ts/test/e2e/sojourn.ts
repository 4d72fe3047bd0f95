// A Sojourn of its own for a test: `sojourn serve` on a free port, built from this repository.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../../../../', import.meta.url));
export const person = { email: 'ada@example.com', name: 'Ada Lovelace', password: 'a long enough password' };

export interface Sojourn {
  readonly issuer: string;
  /** Runs sojourn to its end, and returns what it printed. */
  command(...words: string[]): string;
  stop(): void;
}

export async function sojourn(): Promise<Sojourn> {
  const scratch = mkdtempSync(join(tmpdir(), 'sojourn-e2e-'));
  const program = build(scratch);
  const [port, admin] = [await freePort(), await freePort()];
  const issuer = `http://localhost:${port}`;
  const env = {
    ...process.env, SOJOURN_ISSUER: issuer, SOJOURN_LISTEN: `127.0.0.1:${port}`, SOJOURN_ADMIN_LISTEN: `127.0.0.1:${admin}`,
    SOJOURN_DATABASE: `sqlite:${join(scratch, 'sojourn.db')}`, SOJOURN_LOG_LEVEL: 'warn',
  };
  const server = spawn(program, ['serve'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  await ready(`http://127.0.0.1:${admin}/readyz`);
  const command = (...words: string[]): string => execFileSync(program, words, { env, input: `${person.password}\n`, encoding: 'utf8' });
  command('user', 'add', '--email', person.email, '--name', person.name, '--password-stdin');
  return { issuer, command, stop: () => void server.kill() };
}

/** build makes the program in a folder. */
export function build(scratch: string): string {
  const program = join(scratch, 'sojourn');
  execFileSync('go', ['build', '-o', program, './cmd/sojourn'], { cwd: repository, stdio: 'inherit' });
  return program;
}

/** freePort is a port that nobody listened on a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });

/** ready waits until a server answers. */
export async function ready(url: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await fetch(url).then((r) => r.ok, () => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} is not ready`);
}
