/**
 * One load run from beginning to end: make or find the heap, drive it with the trace, read what it says of itself,
 * check it, leave it as it was found.
 *
 * The heap's own numbers are sampled on a connection of their own while the lanes work. At the end of each loop the
 * objects that the recorded program still held are freed, as the end of its process did; the figures "at end" are read
 * before that. A heap that the run made itself is deleted afterwards, whatever happened.
 */
import { randomBytes } from 'node:crypto';
import { type IngestReport, newIngestReport, ReplayInputError } from '../replay/events.js';
import { openTrace, type TraceSource } from '../replay/source.js';
import { BinaryCodec } from './binary-codec.js';
import { Client } from './client.js';
import { type BatchCodec, type CodecOptions, type Format, JsonCodec, type Reuse } from './codec.js';
import { Driver } from './driver.js';
import type { ProgressState } from './progress.js';
import { readBlocks } from './records.js';
import {
  busiest,
  fragmentation,
  type LoadReport,
  latency,
  type MemStats,
  moment,
  type SizeClass,
  slotBytesByRule,
} from './report.js';

export interface RunOptions {
  trace: string;
  url: string;
  token?: string | undefined;
  /** An existing heap; without it the run makes its own. */
  heap?: string | undefined;
  keep: boolean;
  connections: number;
  batch: number;
  format: Format;
  reuse: Reuse;
  scan: boolean;
  loops: number;
  /** Milliseconds between readings of MemStats. */
  sampleEvery?: number;
  signal?: AbortSignal | undefined;
  /** Called once, as soon as there is progress to report. */
  onStart?: (state: () => ProgressState) => void;
}

export async function run(options: RunOptions): Promise<LoadReport> {
  const control = new Client(options);
  const clients: Client[] = [];
  // Opened first: a missing file must not leave a heap behind.
  let source = openTrace(options.trace);
  const heap = options.heap ?? `load-${randomBytes(4).toString('hex')}`;
  const path = `/v1/heaps/${encodeURIComponent(heap)}`;
  let made = false;
  try {
    const { settings } = await control.json<HeapView>(
      options.heap ? 'GET' : 'PUT',
      path,
      options.heap ? undefined : {},
    );
    made = options.heap === undefined;
    const { gomaxprocs } = settings;
    for (let i = 0; i < options.connections; i++) clients.push(new Client(options));
    const driver = new Driver({
      clients,
      codecs: clients.map(() => createCodec(options.format, options)),
      heap,
      batch: options.batch,
      gomaxprocs,
    });
    options.signal?.addEventListener('abort', () => driver.abort(new Error('interrupted')), { once: true });

    const before = await readings(control, path);
    const samples = new Sampler(control, `${path}/memstats`, options.sampleEvery ?? 200);
    let loop = 0;
    options.onStart?.(() => ({
      fraction:
        source.totalBytes > 0
          ? Math.min(1, (loop + source.bytesRead() / source.totalBytes) / options.loops)
          : undefined,
      operations: driver.totals.operations,
      errors: driver.totals.errors,
    }));

    const begun = performance.now();
    let seconds = 0;
    let ingest = newIngestReport('');
    let stopped: string | undefined;
    try {
      for (; loop < options.loops; loop++) {
        if (loop > 0) {
          await driver.freeAll();
          source = openTrace(options.trace);
        }
        ingest = await drive(driver, source);
      }
    } catch (error) {
      driver.abort(error as Error);
      await driver.drain().catch(() => {});
      if (error instanceof ReplayInputError) throw error;
      stopped = (error as Error).message;
    } finally {
      seconds = (performance.now() - begun) / 1000;
      await samples.stop();
    }

    const { totals } = driver;
    const report: LoadReport = {
      trace: { name: source.name, ...ingest },
      server: { url: options.url, heap, gomaxprocs },
      run: {
        loops: options.loops,
        connections: options.connections,
        batch: options.batch,
        format: options.format,
        reuse: options.reuse,
        scan: options.scan,
        seconds,
        operations: totals.operations,
        allocs: totals.allocs,
        frees: totals.frees,
        operationsPerSecond: totals.operations / seconds,
        batches: totals.batches,
        batchMilliseconds: latency(totals),
        errors: totals.errors,
        errorsByCode: Object.fromEntries(totals.errorsByCode),
        skippedFrees: totals.skippedFrees,
        ...(stopped === undefined ? {} : { stopped }),
      },
      sizeClasses: [],
      ok: false,
    };
    try {
      await measure(report, driver, control, path, before, samples, options);
    } catch (error) {
      // A heap that no longer answers is itself a finding; the figures so far still count.
      report.run.stopped ??= (error as Error).message;
    }
    report.ok = report.run.errors === 0 && report.run.stopped === undefined && report.check?.ok === true;
    return report;
  } finally {
    if (made && !options.keep) await control.send('DELETE', path).catch(() => {});
    for (const client of clients) client.close();
    control.close();
  }
}

interface Readings {
  memstats: MemStats;
  sizeClasses: SizeClass[];
}

async function readings(control: Client, path: string): Promise<Readings> {
  const memstats = await control.json<MemStats>('GET', `${path}/memstats`);
  const { sizeClasses } = await control.json<{ sizeClasses: SizeClass[] }>('GET', `${path}/size-classes`);
  return { memstats, sizeClasses };
}

function createCodec(format: Format, options: CodecOptions): BatchCodec {
  return format === 'json' ? new JsonCodec(options) : new BinaryCodec(options);
}

interface HeapView {
  settings: { gomaxprocs: number };
}

/** Sends one pass of the trace and answers with what its reader says of it. */
async function drive(driver: Driver, source: TraceSource): Promise<IngestReport> {
  const blocks = readBlocks(source.chunks);
  try {
    for (let next = await blocks.next(); ; next = await blocks.next()) {
      if (next.done) {
        await driver.drain();
        return next.value;
      }
      await driver.push(next.value);
    }
  } finally {
    // However it ends, the file is closed.
    await blocks.return(newIngestReport(''));
  }
}

/** Reads the heap's figures at the end, lets go of what the program still held, sweeps, checks. */
async function measure(
  report: LoadReport,
  driver: Driver,
  control: Client,
  path: string,
  before: Readings,
  samples: Sampler,
  options: RunOptions,
): Promise<void> {
  const end = await readings(control, path);
  samples.add(end.memstats);
  const peak = samples.peak ?? end.memstats;
  const { totals } = driver;
  const slots =
    options.reuse === 'sweep'
      ? end.memstats.TotalAlloc - before.memstats.TotalAlloc
      : slotBytesByRule(totals, options.scan);
  report.memory = {
    peakLiveBytes: report.trace.peakLiveBytes,
    // A heap of the run's own knows its peak; of another one it may be from before.
    heapInusePeak: Math.max(peak.HeapInuse, options.heap === undefined ? (end.memstats.PeakHeapInuse ?? 0) : 0),
    internalFragmentation: fragmentation(totals.requestedBytes, slots),
    atPeak: moment(peak),
    atEnd: moment(end.memstats),
  };
  report.sizeClasses = busiest(totals, options.scan, before.sizeClasses, end.sizeClasses);
  if (!options.keep && driver.failure === undefined) {
    await driver.freeAll();
    report.run.errors = driver.totals.errors;
    report.run.errorsByCode = Object.fromEntries(driver.totals.errorsByCode);
    await control.json('POST', `${path}/sweep`, {});
    report.memory.afterSweep = moment(await control.json<MemStats>('GET', `${path}/memstats`));
  }
  report.check = await control.json<{ ok: boolean }>('POST', `${path}/check`, {});
}

/** Reads MemStats every so often and keeps the reading with the highest HeapInuse. */
class Sampler {
  peak: MemStats | undefined;
  private readonly timer: NodeJS.Timeout;
  private pending: Promise<void> | undefined;

  constructor(client: Client, path: string, every: number) {
    this.timer = setInterval(() => {
      // A server under load may be slower than the interval: never two at once.
      this.pending ??= client
        .json<MemStats>('GET', path)
        .then((stats) => this.add(stats))
        .catch(() => {})
        .finally(() => {
          this.pending = undefined;
        });
    }, every);
  }

  add(stats: MemStats): void {
    if (this.peak === undefined || stats.HeapInuse > this.peak.HeapInuse) this.peak = stats;
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.pending;
  }
}
