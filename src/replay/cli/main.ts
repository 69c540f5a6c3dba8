/**
 * `goheap replay`: what Go's heap would cost a program, from a recording of it. No server is needed.
 *
 * Standard output gets the report and nothing else, standard error progress and complaints.
 *
 * Exit status: 0 done, 1 it failed or was interrupted, 2 the command line or the input cannot be used (one line says why, and nothing is left behind).
 */

import { availableParallelism } from 'node:os';
import { DEFAULT_SETTINGS } from '../defaults.js';
import { type IngestReport, ReplayInputError } from '../events.js';
import { ReplayPool } from '../pool.js';
import { suggestedSettings } from '../profile/model.js';
import { overlay } from '../profile/overlay.js';
import { csv } from '../report/csv.js';
import {
  type Calibration,
  type ComparisonDocument,
  comparisonDocument,
  type ReportDocument,
  reportDocument,
} from '../report/document.js';
import { isUtf8, toAscii } from '../report/glyphs.js';
import { reportHtml } from '../report/html.js';
import { comparisonReport, DEFAULT_WIDTH, reportText } from '../report/text.js';
import type { SimSettings } from '../settings.js';
import { scaleCosts } from '../sim/costs.js';
import type { TraceHandle } from '../store.js';
import { gridOf } from '../whatif/axes.js';
import { type Evaluated, evaluate } from '../whatif/evaluate.js';
import type { LimitSearch } from '../whatif/limit.js';
import { findLimit } from '../whatif/search.js';
import { calibrateMachine } from './calibrate.js';
import { eventsOf, type Input, openInputs, profileFacts, type Reality, readReality } from './input.js';
import { type Options, parseOptions, USAGE, UsageError } from './options.js';
import { OutputFile, reason } from './output.js';
import { Progress } from './progress.js';

/** Simulations at once unless told otherwise: each is a thread with a heap of its own, and two of the largest stay within 300 MB. */
const MAX_WORKERS = 2;

export async function main(argv: string[]): Promise<number> {
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort(new Interrupted());
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    const options = parseOptions(argv);
    if (options === 'help') await print(USAGE);
    else await run(options, interrupt.signal);
    return 0;
  } catch (error) {
    // Whoever read the report has had enough of it.
    if (error instanceof ReaderGone) return 0;
    const bad = error instanceof UsageError || error instanceof ReplayInputError || isParseArgsError(error);
    const [line] = (error as Error).message.split('\n');
    const hint = error instanceof UsageError || isParseArgsError(error) ? '; see goheap replay --help' : '';
    process.stderr.write(`goheap replay: ${line}${hint}\n`);
    return bad ? 2 : 1;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    // Whoever writes to it may do so no more, nor end it; the process must not wait for that.
    if (interrupt.signal.aborted) process.stdin.destroy();
  }
}

class Interrupted extends Error {
  constructor() {
    super('interrupted');
  }
}

class ReaderGone extends Error {}

const isParseArgsError = (error: unknown): boolean =>
  String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const html = options.html === undefined ? undefined : new OutputFile(options.html);
  const pool = new ReplayPool(options.workers ?? Math.min(availableParallelism(), MAX_WORKERS));
  const progress = new Progress(process.stderr);
  // Whatever ends one ends all: the reader of a recording, and everything that simulates it.
  const end = new AbortController();
  const any = AbortSignal.any([signal, end.signal]);
  let inputs: Input[] = [];
  try {
    const reality = readReality(options);
    const calibration = options.calibrate ? calibrateMachine() : null;
    inputs = await openInputs(options, reality, any);
    const session = new Session(options, pool, progress, any, calibration, reality);
    const documents: ReportDocument[] = [];
    for (const input of inputs) documents.push(await session.replay(input));
    const whole = documents.length === 2 ? comparisonDocument(documents[0], documents[1]) : documents[0];
    html?.write(reportHtml(whole));
    progress.stop({ simulations: session.simulations, events: session.events });
    await print(render(whole, documents, options));
  } catch (error) {
    progress.stop();
    end.abort(error);
    throw signal.aborted ? signal.reason : error;
  } finally {
    html?.discard();
    await Promise.allSettled(inputs.map((input) => input.parsed));
    await pool.close();
    for (const { store } of inputs) store.close();
  }
}

function render(
  whole: ReportDocument | ComparisonDocument,
  documents: readonly ReportDocument[],
  options: Options,
): string {
  if (options.format === 'json') return `${JSON.stringify(whole)}\n`;
  if (options.format === 'csv') return csv(documents, options.table);
  const width = options.width ?? Math.min(DEFAULT_WIDTH, Math.max(72, (process.stdout.columns ?? DEFAULT_WIDTH) - 1));
  const text = 'documents' in whole ? comparisonReport(whole, width) : reportText(whole, width);
  return (options.ascii ?? !isUtf8(process.env)) ? toAscii(text) : text;
}

class Session {
  simulations = 0;
  events = 0;
  private readonly options: Options;
  private readonly pool: ReplayPool;
  private readonly progress: Progress;
  private readonly signal: AbortSignal;
  private readonly calibration: Calibration | null;
  private readonly reality: Reality;

  constructor(
    options: Options,
    pool: ReplayPool,
    progress: Progress,
    signal: AbortSignal,
    calibration: Calibration | null,
    reality: Reality,
  ) {
    this.options = options;
    this.pool = pool;
    this.progress = progress;
    this.signal = signal;
    this.calibration = calibration;
    this.reality = reality;
  }

  async replay(input: Input): Promise<ReportDocument> {
    const { options, pool } = this;
    const cells = this.cells(input);
    if (cells[0].timeBase.kind === 'recorded') await this.needsTimes(input);
    const evaluated = await this.phase(input, 'simulating', (hooks) =>
      evaluate(pool, input.store.handle, cells, hooks),
    );
    const { report, hash } = await input.parsed;
    if (options.common.from >= report.events) {
      throw new UsageError(`--from ${options.common.from} is past the recording's end: it has ${report.events} events`);
    }
    const parts = {
      name: input.name,
      hash,
      ingest: report,
      evaluated,
      variations: options.variations,
      overlay: this.overlay(input, evaluated),
      profile: profileFacts(input),
      calibration: this.calibration,
    };
    const document = reportDocument(parts);
    if (options.under === undefined) return document;
    const { recommended } = document.advice;
    const settings = evaluated[recommended ?? 0].result.settings;
    const limit = await this.limit(input, settings, evaluated, options.under);
    return { ...document, limit };
  }

  private cells(input: Input): SimSettings[] {
    const { options, calibration } = this;
    const { given, axes } = options;
    const suggested = input.model === null ? {} : suggestedSettings(input.model);
    const common: SimSettings = {
      ...options.common,
      ...(given.scan ? {} : { scan: suggested.scan ?? options.common.scan }),
      ...(given.roots ? {} : { rootsTable: suggested.rootsTable ?? options.common.rootsTable }),
      ...(given.time ? {} : { timeBase: suggested.timeBase ?? options.common.timeBase }),
      costs: calibration === null ? DEFAULT_SETTINGS.costs : scaleCosts(DEFAULT_SETTINGS.costs, calibration.factor),
    };
    const procs = given.procs ? undefined : suggested.gomaxprocs;
    const cells = gridOf(common, procs === undefined ? axes : { ...axes, gomaxprocs: [procs] }, options.base);
    if (cells === undefined) throw new UsageError('--base names settings that are not in the grid');
    return cells;
  }

  private async needsTimes(input: Input): Promise<void> {
    const { report } = await input.parsed;
    if (report.durationNs !== null && report.durationNs > 0) return;
    throw new UsageError(`--time recorded: ${input.name} (${report.format}) has no times`);
  }

  private overlay(
    input: Input,
    evaluated: readonly Evaluated[],
  ): { overlay: ReturnType<typeof overlay>; cell: number } | null {
    const { gctrace, memStats } = this.reality;
    if (gctrace === undefined && memStats === undefined) return null;
    const procs = gctrace?.cycles.at(-1)?.gomaxprocs;
    const cell = Math.max(
      0,
      evaluated.findIndex(({ result }) => result.settings.gomaxprocs === procs),
    );
    return {
      overlay: overlay(evaluated[cell].result, { gctrace, memStats }, { timeShare: input.plan?.timeShare ?? 1 }),
      cell,
    };
  }

  private limit(input: Input, settings: SimSettings, known: readonly Evaluated[], under: number): Promise<LimitSearch> {
    const { handle }: { handle: TraceHandle } = input.store;
    return this.phase(input, 'searching the limit', (hooks) =>
      findLimit(this.pool, handle, settings, under, known, hooks),
    );
  }

  /** Runs one part of the work with a bar of its own. */
  private async phase<T>(
    input: Input,
    label: string,
    work: (hooks: Parameters<typeof evaluate>[3] & object) => Promise<T>,
  ): Promise<T> {
    const { options, progress, signal } = this;
    let report: IngestReport | undefined;
    input.parsed.then(
      (parsed) => {
        report = parsed.report;
      },
      () => {},
    );
    // What batches before this one did, and this one so far.
    const before = { events: this.events, simulations: this.simulations };
    let batch = { events: 0, done: 0 };
    const running = work({
      variations: options.variations,
      signal,
      onProgress: ({ simulations, done, events }) => {
        if (done < batch.done || events < batch.events) {
          before.events += batch.events;
          before.simulations += batch.done;
        }
        batch = { events, done };
        this.events = before.events + events;
        this.simulations = before.simulations + done;
        const each = eventsOf(input, options, report);
        const fraction = each === null ? null : Math.min(1, events / (each * simulations));
        progress.set({ label: `${label}, ${done} of ${simulations} done`, fraction, events: this.events });
      },
    });
    try {
      return await running;
    } catch (error) {
      // A simulation that met the recording's end before its time knows less of it than whoever reads it.
      if (error instanceof ReplayInputError) await input.parsed;
      throw error;
    }
  }
}

/** All of it, however slowly it is read. */
async function print(text: string): Promise<void> {
  const { stdout } = process;
  // The stream tells its error twice; the second time nobody may be there.
  stdout.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    stdout.write(text, (error) => {
      if (!error) resolve();
      else if ((error as NodeJS.ErrnoException).code === 'EPIPE') reject(new ReaderGone());
      else reject(new UsageError(`standard output cannot be written: ${reason(error)}`));
    });
  });
}
