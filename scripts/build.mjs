/**
 * Builds `dist`: TypeScript, the worker's bundle, the console and the report.
 *
 * `node scripts/build.mjs` always builds. With `--if-stale` it builds only when an input has
 * changed since the last build: `npm start`, `npm test` and the other scripts use that, so that a
 * second run starts at once. The stamp in `dist` is a hash of names and contents, not of times: a
 * fresh clone, a checkout of another branch and a copied folder all tell the truth. It is written
 * last, so that a build that failed half-way is stale.
 */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const STAMP = join(root, 'dist/.build');

/** What ends up in `dist`, and what decides how. */
const INPUTS = [
  'bench',
  'console',
  'report',
  'routes',
  'scripts/build.mjs',
  'src',
  'test/oracle',
  'package-lock.json',
  'tsconfig.json',
  'vite.worker.config.ts',
];

/** Each step is a command of its own; the steps of a row run side by side. */
const STEPS = [
  [['typescript', 'tsc', ['-p', 'tsconfig.json']]],
  [
    ['vite', 'vite', ['build', '-c', 'vite.worker.config.ts', '--logLevel', 'warn']],
    ['vite', 'vite', ['build', '-c', 'console/vite.config.ts', '--logLevel', 'warn']],
    ['vite', 'vite', ['build', '-c', 'report/vite.config.ts', '--logLevel', 'warn']],
  ],
];

const stamp = hash();
if (process.argv.includes('--if-stale') && built() === stamp) process.exit(0);

rmSync(STAMP, { force: true });
for (const row of STEPS) {
  const failed = (await Promise.all(row.map(run))).filter((code) => code !== 0);
  if (failed.length > 0) process.exit(1);
}
mkdirSync(dirname(STAMP), { recursive: true });
writeFileSync(STAMP, stamp);

function built() {
  try {
    return readFileSync(STAMP, 'utf8');
  } catch {
    return undefined;
  }
}

/** Of every input's name and bytes, in a fixed order. */
function hash() {
  const sum = createHash('sha256');
  for (const input of INPUTS) {
    for (const name of filesOf(input)) {
      const bytes = readFileSync(name);
      sum.update(`${relative(root, name)}\0${bytes.length}\0`).update(bytes);
    }
  }
  return sum.digest('hex');
}

function filesOf(input) {
  if (/\.\w+$/.test(input)) return [join(root, input)];
  return readdirSync(join(root, input), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/**
 * Runs a package's command with this Node, not through a shell, so that it works on every system.
 */
function run([name, bin, args]) {
  const file = createRequire(import.meta.url).resolve(`${name}/package.json`);
  const { bin: bins } = JSON.parse(readFileSync(file, 'utf8'));
  const script = join(dirname(file), typeof bins === 'string' ? bins : bins[bin]);
  const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  return new Promise((done) => child.on('exit', (code) => done(code ?? 1)));
}
