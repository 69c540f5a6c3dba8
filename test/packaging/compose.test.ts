/** docker-compose.yml: what every service must have, so that none of them can take the machine or the others along. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VARIABLES } from '../../src/server/config.js';
import { M_BYTES, PROCESS_BYTES } from '../../src/server/memory-budget.js';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const text = read('docker-compose.yml');
const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line));

/** The lines of each service, two levels less indented. The file has no anchors and no flow maps at this level. */
function services(): Record<string, string[]> {
  const out: Record<string, string[]> = {};
  let name = '';
  let inside = false;
  for (const line of lines) {
    if (/^\S/.test(line)) inside = line === 'services:';
    else if (inside && /^ {2}\S/.test(line)) {
      name = line.trim().replace(/:$/, '');
      out[name] = [];
    } else if (inside) out[name].push(line.slice(4));
  }
  return out;
}

/** The value of a key of a service; `${NAME:-value}` is `value`. */
function value(service: string[], key: string): string | undefined {
  const line = service.find((l) => l.startsWith(`${key}: `));
  return line
    ?.slice(key.length + 2)
    .replace(/^\$\{[A-Z_]+:-(.*)\}$/, '$1')
    .replace(/^'(.*)'$/, '$1');
}

const bytes = (size: string): number => {
  const [, n, unit] = /^(\d+)([mg])$/.exec(size) as RegExpExecArray;
  return Number(n) * (unit === 'g' ? 2 ** 30 : 2 ** 20);
};

const all = services();

it('is read right by this test', () => {
  expect(Object.keys(all)).toEqual(['goheap', 'prometheus', 'grafana', 'autocannon']);
  expect(text).not.toContain('\t');
});

describe.each(Object.entries(all))('%s', (name, service) => {
  it('has bounds on memory, swap, threads and processors, and says whether it is started again', () => {
    const memory = bytes(value(service, 'mem_limit') as string);
    expect(memory).toBeGreaterThanOrEqual(256 << 20);
    // No swap on top: a heap that swaps measures the disk.
    expect(value(service, 'memswap_limit')).toBe(value(service, 'mem_limit'));
    expect(Number(value(service, 'pids_limit'))).toBeGreaterThanOrEqual(64);
    expect(Number(value(service, 'cpus'))).toBeLessThanOrEqual(1);
    expect(value(service, 'restart')).toBe(name === 'autocannon' ? 'no' : 'unless-stopped');
  });

  it('names a version of its image, and publishes on loopback only', () => {
    const image = value(service, 'image');
    // Other people's images by their digest, too: a tag may be moved.
    const version = name === 'goheap' ? /:\d+\.\d+\.\d+$/ : /:v?\d+\.\d+\.\d+@sha256:[0-9a-f]{64}$/;
    if (image !== undefined) expect(image).toMatch(version);
    const at = service.indexOf('ports:');
    if (at < 0) return;
    for (let i = at + 1; service[i]?.startsWith('  - '); i++) expect(service[i]).toMatch(/^ {2}- 127\.0\.0\.1:/);
  });
});

it('gives goheap the memory that its heaps may hold together, and their threads on 16 processors', () => {
  const env = (key: string): string => {
    const line = all.goheap.find((l) => l.trim().startsWith(`${key}: `)) as string;
    return (/\$\{[A-Z_]+:-(.+)\}/.exec(line) as RegExpExecArray)[1];
  };
  const heaps = VARIABLES.maxHeaps.parse(env('GOHEAP_MAX_HEAPS')) as number;
  const reserve = VARIABLES.reserve.parse(env('GOHEAP_RESERVE')) as number;
  const memory = bytes(value(all.goheap, 'mem_limit') as string);
  expect(memory).toBeGreaterThan(heaps * (reserve + 16 * M_BYTES) + PROCESS_BYTES);
  expect(Number(value(all.goheap, 'pids_limit'))).toBeGreaterThan(heaps * 64);
});

it('makes nobody an administrator of Grafana who has not set a password', () => {
  const grafana = all.grafana.join('\n');
  expect(grafana).toContain('GF_AUTH_ANONYMOUS_ORG_ROLE: Viewer');
  expect(grafana).not.toMatch(/Admin$|Editor$/m);
  expect(grafana).not.toContain('DISABLE_LOGIN_FORM');
  // A password is never in the file, and an administrator comes with it only.
  expect(grafana).toMatch(/GF_SECURITY_ADMIN_PASSWORD: \$\{GRAFANA_PASSWORD:-\}$/m);
  expect(grafana).toMatch(/GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: \$\{GRAFANA_PASSWORD:\+false\}$/m);
  expect(grafana).toContain('- ./grafana/grafana.ini:/etc/grafana/grafana.ini:ro');
  expect(read('grafana/grafana.ini')).toMatch(/^\[security\]\ndisable_initial_admin_creation = true$/m);
});

it('builds the image with all that the build names', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: { build: string } };
  expect(scripts.build).toBe('node scripts/build.mjs');
  const inputs = /const INPUTS = \[([^\]]+)\]/.exec(read('scripts/build.mjs'))?.[1] ?? '';
  const needed = [...inputs.matchAll(/'([^']+)'/g)].map(([, path]) => path.split('/')[0]);
  expect(needed.length).toBeGreaterThan(5);
  const build = read('Dockerfile').split('\nFROM ')[1];
  const copied = [...build.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, from]) => from.split(' '));
  expect(build).toContain('npm run build');
  // Of test/ the build takes a folder: what is copied has to be let through as it is written.
  const folder = (path: string): string => path.split('/')[0];
  for (const path of needed) expect(copied.map(folder)).toContain(path);
  const ignored = read('.dockerignore').split('\n');
  for (const path of copied) expect(ignored).toContain(`!${path}`);
});
