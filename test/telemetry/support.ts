/** Heaps to scrape without threads, and a reader of Prometheus' text format that accepts nothing else. */

import { readFileSync } from 'node:fs';
import { initLimiter } from '../../src/gc/limits.js';
import { configure } from '../../src/gc/pacing.js';
import { Heap } from '../../src/heap/heap.js';
import type { HostStats } from '../../src/sched/host-api.js';
import { heapText } from '../../src/telemetry/table.js';
import type { Scraped } from '../../src/telemetry/view.js';

export const MIB = 1 << 20;

export function newHeap(procs = 1, reserve = 256 * MIB, arenaSize = 64 * MIB): Heap {
  const heap = Heap.create({ reserve, arenaSize, procs });
  configure(heap, 100, Number.POSITIVE_INFINITY);
  initLimiter(heap);
  return heap;
}

export function scraped(
  heap: Heap,
  host: Partial<HostStats> = {},
  settings: Partial<Scraped['settings']> = {},
): Scraped {
  const n = heap.ps.length;
  const stats: HostStats = {
    inFlight: 3,
    ran: new Array(n).fill(7),
    stolen: new Array(n).fill(1),
    queued: new Array(n).fill(2),
    globalQueued: 1,
    restarts: 0,
    stops: 4,
    stoppedSeconds: 0.25,
    worldLock: { acquisitions: 4, contended: 1, waitSeconds: 0.5 },
    ps: Array.from({ length: n }, (_, m) => ({ status: 'running', m })),
    ...host,
  };
  return { heap, settings: { gogc: 100, gomemlimit: 'off', ...settings }, stats: () => stats };
}

interface GoldenMetric {
  name: string;
  type: string;
  help: string;
  buckets?: number[];
  le?: number[];
}

/** client_golang's metrics for Go 1.27. */
export function golden(): GoldenMetric[] {
  const file = new URL('../fixtures/telemetry/client_golang_metrics.json', import.meta.url);
  const { base, memstats, runtimeMetrics } = JSON.parse(readFileSync(file, 'utf8'));
  return [...base, ...memstats, ...runtimeMetrics];
}

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface ParsedFamily {
  name: string;
  type: string;
  help: string;
  samples: Sample[];
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const PAIR = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/gy;
const unescaped = (s: string): string => s.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));

function number(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  if (/^nan$/i.test(text)) return Number.NaN; // prom-client writes Nan
  const n = Number(text);
  if (Number.isNaN(n)) throw new Error(`not a number: ${text}`);
  return n;
}

function labelsOf(text: string | undefined): Record<string, string> {
  const labels: Record<string, string> = {};
  let at = 0;
  PAIR.lastIndex = 0;
  for (let m = PAIR.exec(text ?? ''); m !== null; m = PAIR.exec(text ?? '')) {
    labels[m[1]] = unescaped(m[2]);
    at = PAIR.lastIndex;
  }
  if (at !== (text ?? '').length) throw new Error(`bad labels: ${text}`);
  return labels;
}

/** Reads a page; throws at whatever the format does not allow, and at a series or a family that comes twice. */
export function parse(text: string): Map<string, ParsedFamily> {
  const families = new Map<string, ParsedFamily>();
  const seen = new Set<string>();
  let current: ParsedFamily | undefined;
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue; // prom-client puts one between families
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, rest] = comment;
      if (kind === 'HELP') {
        if (families.has(name)) throw new Error(`family ${name} comes twice`);
        current = { name, type: '', help: unescaped(rest), samples: [] };
        families.set(name, current);
      } else {
        if (current?.name !== name || current.type !== '') throw new Error(`TYPE of ${name} is out of place`);
        current.type = rest;
      }
      continue;
    }
    const m = LINE.exec(line);
    if (m === null || current === undefined) throw new Error(`bad line: ${line}`);
    const base = current.type === 'histogram' ? m[1].replace(/_(bucket|sum|count)$/, '') : m[1];
    const own = current.type === 'summary' ? m[1].replace(/_(sum|count)$/, '') : base;
    if (own !== current.name) throw new Error(`${m[1]} stands below ${current.name}`);
    const series = line.slice(0, line.lastIndexOf(' '));
    if (seen.has(series)) throw new Error(`series ${series} comes twice`);
    seen.add(series);
    current.samples.push({ name: m[1], labels: labelsOf(m[2]), value: number(m[3]) });
  }
  return families;
}

/** The values of a family's samples whose labels include these, added up. */
export function sum(page: Map<string, ParsedFamily>, family: string, labels: Record<string, string> = {}): number {
  const f = page.get(family);
  if (f === undefined) throw new Error(`no family ${family}`);
  return f.samples
    .filter((s) => Object.entries(labels).every(([k, v]) => s.labels[k] === v))
    .reduce((n, s) => n + s.value, 0);
}

/** Every counter of both pages of a heap, buckets and sums of histograms and summaries too, by its series. */
export function counters(heap: Scraped): Map<string, number> {
  const out = new Map<string, number>();
  for (const which of ['go', 'spans'] as const) {
    for (const f of parse(heapText(which, heap)).values()) {
      if (f.type === 'gauge') continue;
      for (const s of f.samples) {
        if (s.labels.quantile === undefined) out.set(`${s.name} ${JSON.stringify(s.labels)}`, s.value);
      }
    }
  }
  return out;
}
