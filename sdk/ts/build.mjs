// Builds the package of the folder that it is run in, this one or resource: dist/esm and dist/cjs, with types.
// --tests [FOLDER]: the sources and their tests, for node --test.
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace('package.json', 'bin/tsc');

function compile(out, ...options) {
  rmSync(out, { recursive: true, force: true });
  const ran = spawnSync(process.execPath, [tsc, '--noEmit', 'false', '--outDir', out, ...options], { stdio: 'inherit' });
  if (ran.status !== 0) process.exit(1);
}

if (process.argv[2] === '--tests') {
  const out = process.argv[3] ?? 'build';
  compile(out, '-p', 'tsconfig.json');
  writeFileSync(`${out}/package.json`, '{ "type": "module" }\n');
} else {
  compile('dist/esm', '-p', 'tsconfig.package.json');
  compile('dist/cjs', '-p', 'tsconfig.package.json', '--module', 'commonjs', '--verbatimModuleSyntax', 'false');
  writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');
  cpSync(new URL('../../LICENSE', import.meta.url), 'LICENSE');
}
