/**
 * Shows that no test's outcome depends on speed: runs the tests that touch threads, time or a
 * server where there is little speed to be had, and expects no failure.
 *
 * Four passes: three of them with `--maxWorkers=4` beside two busy loops per CPU, the last of these
 * at low priority; and one on a single CPU. `GOHEAP_STRESS_SECONDS` bounds the whole: each pass
 * gets a quarter, and takes as many files as fit, a few at a time, in an order of its own; the seed
 * of the orders is printed, and `GOHEAP_STRESS_SEED` repeats them. Without a bound every pass takes
 * all.
 *
 * A failure ends the run at once: a single one is a bug, in the test or in goheap.
 */

import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const root = resolve(import.meta.dirname, '..');
/** These run in `npm run test:long` only. */
const LONG = /^test\/(long\/|heap\/(recover-gc|scavenge-crash)|sched\/gc-death)/;
/** What starts a thread, a process or a server, or reads a clock. */
const TOUCHES =
  /Worker|Thread|spawn|fork\(|newHost|HeapHost|TestApp|testShell|Server|chromium|setTimeout|setInterval|performance\.now|Date\.now|\.poll\(|useFakeTimers|runCli|cli\/run/;

const seconds = Number(process.env.GOHEAP_STRESS_SECONDS ?? Infinity);
const seed = Number(process.env.GOHEAP_STRESS_SEED ?? Date.now() % 1e9);
const files = readdirSync(join(root, 'test'), { recursive: true })
  .map((name) => `test/${String(name).replaceAll('\\', '/')}`)
  .filter((name) => name.endsWith('.test.ts') && !LONG.test(name))
  .filter((name) => TOUCHES.test(readFileSync(join(root, name), 'utf8')))
  .sort();

/** Files at a time: enough to keep four workers busy, few enough to stop soon when time is up. */
const BATCH = Number.isFinite(seconds) ? 4 : 12;
/**
 * Beside loops of the usual priority, this leaves a test about a third of what it would have had.
 */
const NICE = ['nice', '-n', '5'];
const PASSES = [
  { name: 'busy', loops: 2, prefix: [], workers: 4 },
  { name: 'busy again', loops: 2, prefix: [], workers: 4 },
  { name: 'busy, at low priority', loops: 2, prefix: NICE, workers: 4 },
  { name: 'on one CPU', loops: 0, prefix: ['taskset', '-c', '0'], workers: 2 },
];

// Ended from outside, it takes the loops and the tests with it.
for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.once(signal, () => process.exit(status));
}

console.log(`stress: ${files.length} files, seed ${seed}${Number.isFinite(seconds) ? `, ${seconds} s` : ''}`);
const began = Date.now();
for (const [i, pass] of PASSES.entries()) {
  if (pass.prefix.length > 0 && spawnSync(pass.prefix[0], ['--version']).error !== undefined) {
    console.log(`${pass.name}: skipped, there is no ${pass.prefix[0]} here`);
    continue;
  }
  const until = began + ((i + 1) / PASSES.length) * seconds * 1000;
  await run(pass, shuffled(files, seed + i), until);
}

async function run({ name, loops, prefix, workers }, order, until) {
  const busy = Array.from({ length: loops * availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );
  const quiet = () => {
    for (const child of busy) child.kill('SIGKILL');
  };
  process.once('exit', quiet);
  let done = 0;
  let tests = 0;
  // At least one batch, however late it is.
  while (done < order.length && (done === 0 || Date.now() < until)) {
    const batch = order.slice(done, done + BATCH);
    tests += await vitest(name, prefix, workers, batch);
    done += batch.length;
  }
  quiet();
  console.log(`${name}: ${done} of ${order.length} files, ${tests} tests, 0 failed`);
}

/** The number of tests that passed; ends the process if one did not. */
function vitest(name, prefix, workers, batch) {
  const command = [
    ...prefix,
    process.execPath,
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    `--maxWorkers=${workers}`,
    '--reporter=dot',
    ...batch,
  ];
  const child = spawn(command[0], command.slice(1), { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece) => {
      said += piece;
    });
  }
  return new Promise((resolve) => {
    child.once('close', (code) => {
      process.off('exit', end);
      const passed = /Tests .*?(\d+) passed/.exec(stripVTControlCharacters(said))?.[1];
      if (code !== 0 || passed === undefined) {
        console.log(said);
        console.log(`${name}: FAILED in one of\n  ${batch.join('\n  ')}`);
        process.exit(1);
      }
      resolve(Number(passed));
    });
  });
}

/** Fisher and Yates', on a small generator of our own: the same order for the same seed. */
function shuffled(list, from) {
  const out = [...list];
  let state = (from >>> 0) + 0x9e3779b9;
  for (let i = out.length - 1; i > 0; i--) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x297a2d39;
    const j = (state >>> 0) % (i + 1);
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}
