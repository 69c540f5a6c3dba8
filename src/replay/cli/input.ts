/**
 * What FILE is: a recording, which is parsed by a thread of its own while it is simulated; a heap profile, which becomes a stream by the
 * rate model; or the URL of one. Told apart by content.
 *
 * Everything ends in an `Input`: a store that simulations read, and a promise of what was in it.
 */

import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type IngestReport, ReplayInputError } from '../events.js';
import { type Parsed, type ParseProgress, type ParseSource, parse } from '../parse.js';
import { calibrate, calibrateFromMemStats } from '../profile/calibrate.js';
import { fetchProfile } from '../profile/fetch.js';
import { type GcTrace, parseGctrace } from '../profile/gctrace.js';
import { ProfileStream, type StreamPlan } from '../profile/generator.js';
import type { HeapProfile } from '../profile/heapprofile.js';
import { type GoMemStats, parseMemStats } from '../profile/memstats-text.js';
import { modelFromProfile, modelFromTwo, perOperation, type RateModel } from '../profile/model.js';
import { collectProfile, looksLikeProfile, PROFILE_HEAD, peekProfile } from '../profile/peek.js';
import { MAX_PROFILE_BYTES, readProfile } from '../profile/read.js';
import type { ProfileFacts } from '../report/document.js';
import { openTrace } from '../source.js';
import { TraceStore } from '../store.js';
import type { Options } from './options.js';

export interface Input {
  readonly name: string;
  readonly store: TraceStore;
  /** Rejects with what is wrong with the recording; simulations of the store then do as well. */
  readonly parsed: Promise<Parsed>;
  /** Of profiles only. */
  readonly model: RateModel | null;
  readonly plan: StreamPlan | null;
  /** Parsed so far. */
  progress(): { readonly events: number; readonly fraction: number | null };
}

export interface Reality {
  readonly gctrace: GcTrace | undefined;
  readonly memStats: GoMemStats | undefined;
}

/** Logs are text that people keep: more than this is another file. */
const MAX_LOG = 256 * 2 ** 20;
const STEP = 1 << 16;

const isUrl = (file: string): boolean => /^https?:\/\//i.test(file);

/** The inputs that the files are: one, two to compare, or one of two profiles. */
export async function openInputs(options: Options, reality: Reality, signal: AbortSignal): Promise<Input[]> {
  const opened: (HeapProfileFile | { readonly name: string; readonly source: ParseSource })[] = [];
  for (const file of options.files) opened.push(await open(file, signal));
  const profiles = opened.filter((one) => 'bytes' in one);
  if (profiles.length === 2) return [profileInput(profiles, options, reality)];
  return opened.map((one) =>
    'bytes' in one ? profileInput([one], options, reality) : traceInput(one, options, signal),
  );
}

interface HeapProfileFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

async function open(
  file: string,
  signal: AbortSignal,
): Promise<HeapProfileFile | { readonly name: string; readonly source: ParseSource }> {
  if (isUrl(file)) {
    const { origin, pathname } = new URL(file);
    return { name: `${origin}${pathname}`, bytes: await fetchProfile(file, { signal }) };
  }
  if (file === '-') return openStdin(signal);
  const name = basename(file);
  // Says what is wrong with the path before anything is begun.
  openTrace(file);
  if (!statSync(file).isFile()) return { name, source: { path: file } };
  const head: Buffer[] = [];
  for await (const piece of createReadStream(file, { end: PROFILE_HEAD - 1 }).on('error', () => {})) head.push(piece);
  if (!looksLikeProfile(Buffer.concat(head))) return { name, source: { path: file } };
  if (statSync(file).size > MAX_PROFILE_BYTES) {
    throw new ReplayInputError('replay-too-large', tooLarge(name, MAX_PROFILE_BYTES));
  }
  return { name, bytes: readFileSync(file) };
}

const tooLarge = (name: string, most: number): string => `${name}: no heap profile has more than ${most} bytes`;

/** Standard input cannot be read twice: what was looked at goes before the rest. */
async function openStdin(
  signal: AbortSignal,
): Promise<HeapProfileFile | { readonly name: string; readonly source: ParseSource }> {
  const name = 'standard input';
  const { stream, isProfile } = await peekProfile(openTrace('-').chunks, signal);
  if (!isProfile) return { name, source: { stream } };
  return { name, bytes: await collectProfile(stream, MAX_PROFILE_BYTES, (most) => tooLarge(name, most)) };
}

function traceInput(
  { name, source }: { readonly name: string; readonly source: ParseSource },
  options: Options,
  signal: AbortSignal,
): Input {
  const store = TraceStore.create({ memory: options.memory });
  let last: ParseProgress | undefined;
  let ended = false;
  const parsed = parse(source, store, {
    signal,
    onProgress: (progress) => {
      last = progress;
    },
  }).then(
    (done) => {
      ended = true;
      return done;
    },
    (error: unknown) => {
      // Messages of the parser are of a recording without a name.
      if (error instanceof ReplayInputError && !error.message.includes(name)) {
        throw new ReplayInputError(error.code, `${name}: ${error.message}`);
      }
      throw error;
    },
  );
  // Simulations meet the same error; whoever comes first tells it.
  parsed.catch(() => {});
  return {
    name,
    store,
    parsed,
    model: null,
    plan: null,
    progress: () => ({
      events: last?.events ?? 0,
      fraction: ended ? 1 : last === undefined || last.total === 0 ? null : last.bytes / last.total,
    }),
  };
}

function profileInput(files: readonly HeapProfileFile[], options: Options, reality: Reality): Input {
  const name = files.map((file) => file.name).join(' → ');
  const { seconds, operations, focus, ignore, maxEvents } = options.profile;
  const profiles = files.map((file) => withName(file.name, () => readProfile(file.bytes)));
  const selection = { seconds, operations, focus, ignore };
  const plain =
    profiles.length === 2
      ? modelFromTwo(profiles[0], profiles[1], selection)
      : modelFromProfile(profiles[0], selection);
  const model = withReality(plain, profiles[profiles.length - 1], reality);
  const store = TraceStore.create({ memory: options.memory });
  const writer = store.writer();
  const hash = createHash('sha256');
  for (const { bytes } of files) hash.update(bytes);
  const stream = new ProfileStream(model, writer, { maxEvents, seed: options.common.seed });
  let ended = false;
  const write = async (): Promise<Parsed> => {
    try {
      // In steps, so that progress is drawn and interrupts are heard meanwhile.
      while (stream.step(STEP)) await setImmediate();
      writer.complete(stream.report);
      ended = true;
      return { report: stream.report, hash: hash.digest('hex') };
    } catch (error) {
      writer.fail(error);
      throw error;
    }
  };
  const parsed = write();
  parsed.catch(() => {});
  return {
    name,
    store,
    parsed,
    model,
    plan: stream.plan,
    progress: () => ({
      events: ended ? stream.report.events : stream.plan.events,
      fraction: ended ? 1 : null,
    }),
  };
}

function withReality(model: RateModel, profile: HeapProfile, { gctrace, memStats }: Reality): RateModel {
  if (gctrace !== undefined) return calibrate(model, gctrace);
  const stats = memStats ?? (model.from === 'one profile' ? profile.memStats : null);
  return stats === null || stats === undefined ? model : calibrateFromMemStats(model, stats);
}

export function profileFacts({ model, plan }: Input): ProfileFacts | null {
  if (model === null || plan === null) return null;
  const each = perOperation(model);
  return {
    seconds: model.seconds,
    operations: model.operations,
    bytesPerOperation: each?.bytes ?? null,
    objectsPerOperation: each?.objects ?? null,
    timeShare: plan.timeShare,
    heapShare: plan.heapShare,
  };
}

/** Logs of the program itself, by the files that the options name. */
export function readReality(options: Options): Reality {
  return {
    gctrace: options.gctrace === undefined ? undefined : readLog(options.gctrace, parseGctrace),
    memStats: options.memstats === undefined ? undefined : readLog(options.memstats, parseMemStats),
  };
}

function readLog<T>(file: string, read: (text: string) => T): T {
  const { name, totalBytes } = openTrace(file);
  if (totalBytes > MAX_LOG) {
    throw new ReplayInputError('replay-too-large', `${name}: a log of more than ${MAX_LOG} bytes`);
  }
  return withName(name, () => read(readFileSync(file === '-' ? 0 : file, 'utf8')));
}

function withName<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ReplayInputError) throw new ReplayInputError(error.code, `${name}: ${error.message}`);
    throw error;
  }
}

/** Events that one simulation will play, as far as is known. */
export function eventsOf(input: Input, options: Options, report: IngestReport | undefined): number | null {
  const { from, to, loops } = options.common;
  const { events, fraction } = input.progress();
  const all = report?.events ?? (fraction === null || fraction <= 0 ? null : events / fraction);
  if (all === null) return null;
  return Math.max(1, Math.min((to ?? Number.POSITIVE_INFINITY) - from, all * loops - from));
}
