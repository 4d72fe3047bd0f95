// Follows a quickstart: its files are written and its commands run, in their order, in an empty folder.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, freePort, ready, repository } from './sojourn.js';

export interface Followed {
  readonly folder: string;
  readonly issuer: string;
  /** Where the app's own page is. */
  readonly home: string;
  readonly files: ReadonlyMap<string, string>;
  stop(): void;
}

/** follow does what a page of docs says. Only the ports are others, and what `instead` puts in a command's place. */
export async function follow(doc: string, instead: (command: string, folder: string) => string = (command) => command): Promise<Followed> {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-quickstart-'));
  const [server, site, admin] = [await freePort(), await freePort(), await freePort()];
  const issuer = `http://localhost:${server}`;
  const tools = join(folder, '..', `${folder.split('/').pop()}-bin`);
  mkdirSync(tools);
  build(tools);
  const env = {
    ...process.env, PATH: `${tools}:${process.env['PATH']}`, SOJOURN: repository, SOJOURN_ISSUER: issuer, SOJOURN_LISTEN: `127.0.0.1:${server}`,
    SOJOURN_ADMIN_LISTEN: `127.0.0.1:${admin}`, SOJOURN_LOG_LEVEL: 'warn',
  };
  const groups: number[] = [];
  const stop = (): void => groups.forEach((group) => end(group));
  const files = new Map<string, string>();
  const text = readFileSync(join(repository, 'docs', doc), 'utf8').replaceAll('localhost:8080', `localhost:${server}`).replaceAll('5173', String(site));
  try {
    for (const [, language, name, body] of text.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```/gm)) {
      if (name) {
        files.set(name, body!);
        writeFileSync(join(folder, name), body!);
      } else if (language === 'sh') {
        await run(instead(body!, folder), { folder, env, groups });
        if (/sojourn serve &/.test(body!)) await ready(`http://127.0.0.1:${admin}/readyz`);
        if (/serve\.mjs &/.test(body!)) await ready(`http://localhost:${site}/`);
      }
    }
  } catch (error) {
    stop();
    throw error;
  }
  return { folder, issuer, home: `http://localhost:${site}/`, files, stop };
}

/** What was left running in the background, as a shell that closes would end it. */
function end(group: number): void {
  try {
    process.kill(-group, 'SIGTERM');
  } catch {
    // nothing was left
  }
}

interface Place {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly groups: number[];
}

function run(commands: string, { folder, env, groups }: Place): Promise<void> {
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', commands], { cwd: folder, env, detached: true, stdio: ['ignore', 'inherit', 'inherit'] });
  groups.push(shell.pid!);
  return new Promise((resolve, reject) => {
    shell.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`exit ${code} of:\n${commands}`))));
  });
}
