/**
 * A short trial of the built server under other versions of Node: `node scripts/smoke.mjs 22 24
 * 26`.
 *
 * For each version: a heap, a batch, a collection, memory given back to the system (a native
 * module, worker threads), a replay of a recording that comes with goheap, and the check of the
 * whole heap. The binaries come from npm's packages for each platform, as plain files; nothing of
 * them is installed, and no script of theirs runs. A version that cannot be fetched is skipped with
 * a line: a machine without a network is not a failure. Everything else that goes wrong is one.
 */

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const CLI = join(root, 'dist/src/cli.js');
/** ms: only a hang takes this long. */
const PATIENCE = 240_000;

const versions = process.argv.slice(2);
if (versions.length === 0 || versions.some((version) => !/^\d+(\.\d+){0,2}$/.test(version))) {
  console.error('usage: node scripts/smoke.mjs VERSION [VERSION ...], such as 22 24 26');
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'goheap-smoke-'));
let failed = false;
try {
  for (const version of versions) {
    const binary = fetchNode(version);
    if (binary === undefined) {
      console.log(`Node ${version}: skipped, its package could not be fetched`);
      continue;
    }
    const exact = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim();
    try {
      console.log(`Node ${exact}: ${await trial(binary)}`);
    } catch (error) {
      failed = true;
      console.log(`Node ${exact}: FAILED: ${error instanceof Error ? error.message : error}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);

/** The path of a version's binary, or undefined. */
function fetchNode(version) {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const into = mkdtempSync(join(folder, `${version}-`));
  const npm = { cwd: into, encoding: 'utf8', shell: process.platform === 'win32' };
  // The newest of a major version, if no exact one was asked for.
  const packed = spawnSync('npm', ['pack', '--silent', `${name}@${version}`], npm);
  const archive = readdirSync(into).find((file) => file.endsWith('.tgz'));
  if (packed.status !== 0 || archive === undefined) return undefined;
  if (spawnSync('tar', ['-xzf', archive], { cwd: into }).status !== 0) return undefined;
  const binary = join(into, 'package/bin', process.platform === 'win32' ? 'node.exe' : 'node');
  return existsSync(binary) ? binary : undefined;
}

async function trial(binary) {
  const data = mkdtempSync(join(folder, 'data-'));
  const env = { PATH: process.env.PATH, PORT: '0', GOHEAP_DATA_DIR: data, SHUTDOWN_GRACE: '1s' };
  const child = spawn(binary, [CLI, 'serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const gone = new Promise((done) => child.once('close', (code, signal) => done(signal ?? code)));
  child.stderr.on('data', (piece) => {
    said += piece;
  });
  const hung = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  try {
    const url = await new Promise((found, reject) => {
      child.stdout.on('data', (piece) => {
        said += piece;
        const at = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(said)?.[1];
        if (at !== undefined) found(at);
      });
      gone.then((end) => reject(new Error(`the server ended with ${end}: ${said.slice(-2000)}`)));
    });
    const done = await tryAll(url);
    child.kill('SIGTERM');
    const end = await gone;
    if (end !== 0) throw new Error(`the server ended with ${end}: ${said.slice(-2000)}`);
    return done;
  } catch (error) {
    const reason = error.cause?.message === undefined ? error.message : `${error.message}: ${error.cause.message}`;
    throw new Error(`${reason}\n${said.slice(-2000)}`);
  } finally {
    clearTimeout(hung);
    child.kill('SIGKILL');
    await gone;
  }
}

/** What a user would do first. */
async function tryAll(url) {
  const call = caller(url);
  await call('PUT', '/v1/heaps/smoke', { gomaxprocs: 2, reserve: '512MiB' });
  const ops = Array.from({ length: 2000 }, (_, i) => ({
    op: 'alloc',
    size: 16 + ((i * 97) % 9000),
    noscan: i % 2 === 0,
  }));
  const { results } = await call('POST', '/v1/heaps/smoke/batch', { ops });
  const objects = results.map(({ address }) => address);
  expect(
    objects.every((address) => /^0xc0/.test(address)),
    'every object of the batch has an address',
  );
  const freed = await call('POST', '/v1/heaps/smoke/free', { addresses: objects });
  expect(freed.freed === 2000, `2,000 objects were freed, not ${JSON.stringify(freed)}`);
  const cycle = await call('POST', '/v1/heaps/smoke/gc', {});
  const scavenged = await call('POST', '/v1/heaps/smoke/scavenge', {});
  const stats = await call('GET', '/v1/heaps/smoke/memstats');
  expect(stats.HeapReleased > 0, 'free pages were released');
  // Without the optional package koffi, pages are only counted as released.
  const wanted = existsSync(join(root, 'node_modules/koffi')) ? 'madvise' : 'accounted';
  if (process.platform === 'linux') expect(scavenged.release === wanted, `pages go back by ${wanted}`);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(/^goheap_/m.test(metrics), 'there are metrics');
  const check = await call('POST', '/v1/heaps/smoke/check', {});
  expect(check.ok, `the heap is whole: ${JSON.stringify(check)}`);
  const [example] = (await call('GET', '/v1/replays/examples')).examples;
  let replay = await call('POST', '/v1/replays', { example: example.name });
  for (const { id } = replay; replay.state !== 'done'; ) {
    expect(!['failed', 'cancelled'].includes(replay.state), `the replay ends well: ${JSON.stringify(replay)}`);
    await new Promise((next) => setTimeout(next, 100));
    replay = await call('GET', `/v1/replays/${id}`);
  }
  const { releasedBytes, release } = scavenged;
  return `batch of 2,000, cycle ${cycle.number}, ${releasedBytes} bytes back by ${release}, replay of ${example.name}: well`;
}

function caller(url) {
  return async (method, path, body) => {
    const init = { method, signal: AbortSignal.timeout(PATIENCE) };
    if (body !== undefined) {
      init.headers = { 'content-type': 'application/json' };
      init.body = JSON.stringify(body);
    }
    const response = await fetch(url + path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
    return text === '' ? undefined : JSON.parse(text);
  };
}

function expect(holds, what) {
  if (!holds) throw new Error(`expected: ${what}`);
}
