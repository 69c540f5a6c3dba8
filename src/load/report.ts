/**
 * What a load run found out, as one document (`--json`) and as a table of the same numbers.
 *
 * Internal fragmentation is what rounding up to size classes costs: bytes of slots handed out against bytes asked for,
 * over all objects of the run, so that it needs no sampling. The bytes of slots are the growth of Go's TotalAlloc. With
 * immediate reuse that counts a slot once, however often it was handed out (as runtime.freegc does), so they are then
 * added up by the rule of the size classes, where each tiny object counts as a block of its own.
 * External fragmentation is what lies unused inside spans in use: (HeapInuse - HeapAlloc) / HeapInuse, taken when
 * HeapInuse was highest among the samples and at the end. HeapAlloc counts freed objects until a sweep takes them back.
 */
import {
  CLASS_TO_SIZE,
  MALLOC_HEADER_SIZE,
  MAX_SMALL_REQUEST,
  MIN_SIZE_FOR_MALLOC_HEADER,
  PAGE_SIZE,
  sizeToClass,
  TINY_SIZE,
} from '../heap/sizeclass.js';
import type { IngestReport } from '../replay/events.js';
import type { Totals } from './driver.js';

/** The fields of Go's MemStats that the report is made from. */
export interface MemStats {
  HeapAlloc: number;
  HeapInuse: number;
  HeapSys: number;
  TotalAlloc: number;
  Mallocs: number;
  Frees: number;
  PeakHeapInuse?: number;
}

/** An entry of `GET …/size-classes`. */
export interface SizeClass {
  size: number;
  mallocs: number;
}

export interface Fragmentation {
  requestedBytes: number;
  slotBytes: number;
  /** Share of the slot bytes that nobody asked for. */
  ratio: number;
}

export interface HeapMoment {
  heapInuse: number;
  heapAlloc: number;
  /** (HeapInuse - HeapAlloc) / HeapInuse. */
  externalFragmentation: number;
}

export interface SizeClassRow {
  size: number;
  /** Allocations of the run that this class served, and their share of all. */
  allocs: number;
  share: number;
  /** Slots that the heap counts as handed out for them: fewer where tiny objects share a block or slots were reused. */
  slots: number;
}

export interface LoadReport {
  trace: IngestReport & { name: string };
  server: { url: string; heap: string; gomaxprocs: number };
  run: {
    loops: number;
    connections: number;
    batch: number;
    format: string;
    reuse: string;
    scan: boolean;
    seconds: number;
    operations: number;
    allocs: number;
    frees: number;
    operationsPerSecond: number;
    batches: number;
    batchMilliseconds: { p50: number; p99: number; max: number };
    errors: number;
    errorsByCode: Record<string, number>;
    skippedFrees: number;
    stopped?: string;
  };
  memory?: {
    peakLiveBytes: number;
    heapInusePeak: number;
    internalFragmentation: Fragmentation;
    atPeak: HeapMoment;
    atEnd: HeapMoment;
    afterSweep?: HeapMoment;
  };
  sizeClasses: SizeClassRow[];
  check?: { ok: boolean } & Record<string, unknown>;
  ok: boolean;
}

export function moment(m: MemStats): HeapMoment {
  return {
    heapInuse: m.HeapInuse,
    heapAlloc: m.HeapAlloc,
    externalFragmentation: m.HeapInuse === 0 ? 0 : (m.HeapInuse - m.HeapAlloc) / m.HeapInuse,
  };
}

export function fragmentation(requestedBytes: number, slotBytes: number): Fragmentation {
  return { requestedBytes, slotBytes, ratio: slotBytes === 0 ? 0 : (slotBytes - requestedBytes) / slotBytes };
}

/** Bytes of the slot, or of the pages, that an object of `size` bytes gets. */
export function slotBytes(size: number, scan: boolean): number {
  if (size === 0) return 0;
  if (!scan && size < TINY_SIZE) return TINY_SIZE;
  if (size > MAX_SMALL_REQUEST) return Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
  return CLASS_TO_SIZE[sizeToClass(scan && size > MIN_SIZE_FOR_MALLOC_HEADER ? size + MALLOC_HEADER_SIZE : size)];
}

/** The size classes that most allocations went to, with what the heap counted between two readings. */
export function busiest(totals: Totals, scan: boolean, before: SizeClass[], after: SizeClass[]): SizeClassRow[] {
  const rows = new Map<number, SizeClassRow>();
  for (const { size, mallocs } of after) rows.set(size, { size, allocs: 0, share: 0, slots: mallocs });
  for (const { size, mallocs } of before) rows.get(size)!.slots -= mallocs;
  for (const [size, allocs] of totals.allocsBySize) {
    const row = rows.get(slotBytes(size, scan));
    if (row !== undefined && size <= MAX_SMALL_REQUEST) row.allocs += allocs;
  }
  for (const row of rows.values()) row.share = totals.allocs === 0 ? 0 : row.allocs / totals.allocs;
  return [...rows.values()]
    .filter((row) => row.allocs > 0)
    .sort((a, b) => b.allocs - a.allocs)
    .slice(0, 10);
}

/** Bytes of slots by the rule of the size classes, every object for itself. */
export function slotBytesByRule(totals: Totals, scan: boolean): number {
  let sum = 0;
  for (const [size, allocs] of totals.allocsBySize) sum += allocs * slotBytes(size, scan);
  return sum;
}

export function latency(totals: Totals): LoadReport['run']['batchMilliseconds'] {
  const sorted = Float64Array.from(totals.latencies).sort();
  const at = (q: number) =>
    sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

export function renderReport(report: LoadReport): string {
  const { trace, run, memory } = report;
  const rows: [string, string][] = [];
  const row = (name: string, value: string) => rows.push([name, value]);

  row('trace', `${trace.name}: ${count(trace.events)} events, ${count(trace.slots)} objects live at once at most`);
  for (const [what, n] of oddities(trace)) row(`  ${what}`, count(n));
  if (trace.truncated) row('  note', 'the recording ends in the middle: it was cut off');
  if (trace.pairing === 'approximate')
    row('  note', 'its frees name a kind of object, not one: which of them goes is approximate');
  row('heap', `${report.server.heap} at ${report.server.url}, GOMAXPROCS ${report.server.gomaxprocs}`);
  row('operations', `${count(run.operations)} (${count(run.allocs)} allocs, ${count(run.frees)} frees)`);
  row('operations/s', `${count(Math.round(run.operationsPerSecond))} over ${run.seconds.toFixed(2)} s`);
  row(
    'batches',
    `${count(run.batches)} of up to ${count(run.batch)} over ${run.connections} connections, ` +
      `p50 ${run.batchMilliseconds.p50.toFixed(1)} ms, p99 ${run.batchMilliseconds.p99.toFixed(1)} ms`,
  );
  row('errors', count(run.errors));
  for (const [code, n] of Object.entries(run.errorsByCode)) row(`  ${code}`, count(n));
  if (run.skippedFrees > 0) row('  frees not sent', count(run.skippedFrees));
  if (run.stopped) row('stopped', run.stopped);
  if (memory) {
    const { internalFragmentation: inner, atPeak, atEnd, afterSweep } = memory;
    row('peak live bytes', bytes(memory.peakLiveBytes));
    row('HeapInuse, peak', bytes(memory.heapInusePeak));
    row('HeapInuse, at end', bytes(atEnd.heapInuse));
    if (afterSweep) row('HeapInuse, swept', bytes(afterSweep.heapInuse));
    row(
      'internal fragm.',
      `${percent(inner.ratio)} (${bytes(inner.requestedBytes)} asked for in ${bytes(inner.slotBytes)} of slots)`,
    );
    row(
      'external fragm.',
      `${percent(atPeak.externalFragmentation)} at peak, ${percent(atEnd.externalFragmentation)} at end`,
    );
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  if (report.sizeClasses.length > 0) {
    lines.push('', 'size class      allocs   share       slots');
    for (const c of report.sizeClasses) {
      lines.push(
        `${count(c.size).padStart(10)}  ${count(c.allocs).padStart(10)}  ${percent(c.share).padStart(6)}  ${count(c.slots).padStart(10)}`,
      );
    }
  }
  lines.push('');
  if (report.check) lines.push(`check: ${report.check.ok ? 'ok' : `FAILED ${JSON.stringify(report.check)}`}`);
  lines.push(report.ok ? 'result: ok' : 'result: FAILED');
  return `${lines.join('\n')}\n`;
}

function oddities(trace: IngestReport): [string, number][] {
  const all: [string, number][] = [
    ['zero-size allocations', trace.zeroSizes],
    ['failed allocations', trace.nilAllocs],
    ['failed reallocs', trace.failedReallocs],
    ['frees of unknown addresses', trace.unknownFrees],
    ['reallocs of unknown addresses', trace.unknownReallocs],
    ['implicit frees', trace.implicitFrees],
    ['lines not understood', trace.badLines],
  ];
  return all.filter(([, n]) => n > 0);
}

function count(n: number): string {
  return n.toLocaleString('en');
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)}%`;
}

export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = n / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(2)} ${units[unit]}`;
}
