/**
 * What a load run found out, as one document (`--json`) and as a table of the same numbers.
 *
 * Internal fragmentation is what rounding up to size classes costs: bytes of slots handed out (the growth of Go's
 * TotalAlloc) against bytes asked for. It is taken over all objects of the run, so it is exact and needs no sampling.
 * External fragmentation is what lies unused inside spans in use: (HeapInuse - HeapAlloc) / HeapInuse, taken when
 * HeapInuse was highest among the samples and at the end. HeapAlloc counts freed objects until a sweep takes them back.
 */
import type { Totals } from './driver.js';
import type { IngestReport } from './slots.js';

/** The fields of Go's MemStats that the report is made from. */
export interface MemStats {
  HeapAlloc: number;
  HeapInuse: number;
  HeapSys: number;
  TotalAlloc: number;
  Mallocs: number;
  Frees: number;
  BySize: { Size: number; Mallocs: number; Frees: number }[];
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
  allocs: number;
  frees: number;
  /** Its share of all allocations of the run. */
  share: number;
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

/** The size classes that grew most between two readings. */
export function busiest(before: MemStats, after: MemStats, rows: number): SizeClassRow[] {
  const known = new Map(before.BySize.map((c) => [c.Size, c]));
  const all = after.BySize.filter((c) => c.Size > 0).map((c) => ({
    size: c.Size,
    allocs: c.Mallocs - (known.get(c.Size)?.Mallocs ?? 0),
    frees: c.Frees - (known.get(c.Size)?.Frees ?? 0),
    share: 0,
  }));
  const total = after.Mallocs - before.Mallocs;
  for (const row of all) row.share = total === 0 ? 0 : row.allocs / total;
  return all
    .filter((row) => row.allocs > 0)
    .sort((a, b) => b.allocs - a.allocs)
    .slice(0, rows);
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
  if (!trace.ended) row('  note', 'the recording has no end marker: it was cut off');
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
    lines.push('', 'size class      allocs       frees   share');
    for (const c of report.sizeClasses) {
      lines.push(
        `${count(c.size).padStart(10)}  ${count(c.allocs).padStart(10)}  ${count(c.frees).padStart(10)}  ${percent(c.share).padStart(6)}`,
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
