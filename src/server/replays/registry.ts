/**
 * The replays of this server: who may begin, whose turn it is, what is kept.
 *
 * Everything that a client can make grow has a bound here: replays that upload or wait, that run, that are kept, and the bytes of those. The
 * data directory is not touched before somebody asks for a replay.
 *
 * A replay's key is made of the recording's hash, all its settings, and the version: what has the same key has the same results. So a recording that was replayed
 * before under the same settings is answered by that replay, also while it still runs.
 *
 * On the main thread. Parsing and simulating happen in threads (parse.ts, pool.ts).
 */

import { createHash, randomInt } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { IngestReport } from '../../replay/events.js';
import type { ParseProgress } from '../../replay/parse.js';
import { ReplayPool } from '../../replay/pool.js';
import { RESULT_VERSION } from '../../replay/result.js';
import type { SimSettings } from '../../replay/settings.js';
import { TraceStore } from '../../replay/store.js';
import type { ReplayStats } from '../../telemetry/families-server.js';
import type { Config } from '../config.js';
import { Problem, retryLater } from '../problem.js';
import { quote } from '../quote.js';
import { VERSION } from '../version.js';
import { boundsOf, reportBounds } from './bounds.js';
import { DamagedError, Disk, type Place, Results } from './disk.js';
import type { Grid } from './grid.js';
import { Maps } from './maps.js';
import { diskProblem, replayProblem, threadProblem } from './problems.js';
import type { ProfileOptions } from './profile.js';
import { noProfile, type RecordingSource, readRecording } from './recording.js';
import { Replay, type Source } from './replay.js';
import { type ReportKind, reportOf } from './report.js';
import { simulateGrid } from './simulate.js';
import { type Lease, Traces } from './traces.js';

export interface Submission {
  readonly name: string;
  readonly source: Source;
  /** Made again when the recording is a profile, which suggests settings where the client named none. */
  readonly grid: (suggested?: Partial<SimSettings>) => Grid;
  /** Of profiles. */
  readonly profile: ProfileOptions;
  /** Bytes of the recording as far as they are known. */
  readonly total: number;
  readonly from: RecordingSource | { readonly replay: Replay };
}

export interface Submitted {
  readonly replay: Replay;
  /** It answers an earlier request. */
  readonly cached: boolean;
}

interface Waiting {
  readonly replay: Replay;
  readonly lease: Lease;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const newId = (): string => Array.from({ length: 12 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');

export class Replays {
  readonly config: Config;
  private readonly log: FastifyBaseLogger;
  /** By id, oldest first. */
  private readonly all = new Map<string, Replay>();
  private readonly queue: Waiting[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly parsing = new Set<Promise<unknown>>();
  private readonly maps: Maps;
  private readonly ended = { done: 0, failed: 0, cancelled: 0, refused: 0, cached: 0 };
  private seconds = 0;
  private events = 0;
  private pool: ReplayPool | undefined;
  private opened: Promise<void> | undefined;
  private disk!: Disk;
  private traces!: Traces;
  private closing = false;

  constructor(config: Config, log: FastifyBaseLogger) {
    this.config = config;
    this.log = log;
    this.maps = new Maps(boundsOf('simulator', config));
  }

  get counts(): ReplayStats {
    const { ended, seconds, events } = this;
    return { running: this.running.size, waiting: this.waiting, ended, seconds, events, bytes: this.bytes };
  }

  /** Uploading, or waiting for their turn. */
  get waiting(): number {
    return this.parsing.size + this.queue.length;
  }

  /** Reads the data directory, the first time. Rejects with a Problem where that is not possible; then the next call tries again. */
  ready(): Promise<void> {
    this.opened ??= this.open().catch((error) => {
      this.opened = undefined;
      throw diskProblem(error);
    });
    return this.opened;
  }

  /** Newest first. */
  list(): Replay[] {
    return [...this.all.values()].reverse();
  }

  get(id: string): Replay {
    const replay = this.all.get(id);
    if (replay === undefined) throw new Problem('replay-not-found', `There is no replay ${quote(id)}.`);
    return replay;
  }

  /** Resolves when the recording has been read and the replay runs, waits, or is there already. Rejects with a Problem; nothing is left behind then. */
  async submit(submission: Submission, signal: AbortSignal): Promise<Submitted> {
    await this.ready();
    if (this.closing) throw retryLater('shutting-down', 'The server is shutting down and takes no new replays.');
    if (this.waiting >= this.config.replaysWaiting) {
      const limit = this.config.replaysWaiting;
      const detail = `${this.waiting} replays are uploaded or wait, and ${limit} may.`;
      throw new Problem('too-many-replays', detail, { limit }, { 'retry-after': '5' });
    }
    const { name, source, grid, total } = submission;
    const { cells: settings, variations } = grid();
    const replay = new Replay({ id: this.freshId(), name, source, settings, variations });
    replay.parsed.total = total;
    this.all.set(replay.id, replay);
    const reading = this.read(replay, submission, AbortSignal.any([signal, replay.abort.signal]));
    this.parsing.add(reading);
    try {
      const lease = await reading;
      this.parsing.delete(reading);
      if (replay.abort.signal.aborted) {
        lease.release();
        throw replay.abort.signal.reason;
      }
      const earlier = this.find(replay);
      if (earlier !== undefined) {
        lease.release();
        this.all.delete(replay.id);
        this.ended.cached++;
        return { replay: earlier, cached: true };
      }
      replay.state = 'waiting';
      this.queue.push({ replay, lease });
      replay.tell({ kind: 'progress' });
      this.next();
      return { replay, cached: false };
    } catch (error) {
      this.parsing.delete(reading);
      this.all.delete(replay.id);
      const { problem, unexpected } = replayProblem(error);
      if (unexpected) this.log.error({ err: error, replay: replay.id }, 'a recording could not be parsed');
      replay.end(replay.abort.signal.aborted ? 'cancelled' : 'failed', problem);
      this.ended.refused++;
      throw problem;
    }
  }

  /** Ends one that has not ended. Resolves when it has. */
  async cancel(replay: Replay): Promise<void> {
    if (replay.ended) return;
    const ended = new Promise<void>((resolve) => {
      replay.listeners.add(({ kind }) => {
        if (kind === 'end') resolve();
      });
    });
    replay.abort.abort(new Problem('replay-cancelled', 'The replay was cancelled.'));
    const at = this.queue.findIndex((waiting) => waiting.replay === replay);
    if (at >= 0) {
      this.queue.splice(at, 1)[0].lease.release();
      this.finish(replay, 'cancelled');
    }
    await ended;
  }

  /** Removes one that has ended, with its files. */
  async remove(replay: Replay): Promise<void> {
    if (!this.all.delete(replay.id)) return;
    if (replay.state === 'done') await this.disk.remove(replay.id);
    await this.dropTrace(replay.hash);
  }

  /** A text of a result. A damaged replay is dropped, and answered as if it were not there. */
  text(replay: Replay, place: Place): Promise<Buffer> {
    return this.undamaged(replay, async () => {
      if (replay.results === null) throw new Problem('replay-not-done', `The replay is ${replay.state}.`);
      return replay.results.read(place);
    });
  }

  /** All of it as a file. */
  report(replay: Replay, what: ReportKind, signal: AbortSignal): Promise<Uint8Array> {
    return this.undamaged(replay, () => reportOf(replay, what, reportBounds(replay.bytes, this.config), signal));
  }

  private async undamaged<T>(replay: Replay, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DamagedError)) throw threadProblem(error) ?? error;
      this.log.warn({ replay: replay.id, why: error.message }, 'a kept replay is damaged, and dropped');
      this.all.delete(replay.id);
      throw new Problem('replay-not-found', `The results of the replay ${replay.id} are damaged, or were removed.`);
    }
  }

  /** The picture of a cell's heap after so many events, as JSON. */
  async map(replay: Replay, cell: number, event: number, signal: AbortSignal): Promise<string> {
    const { hash } = replay;
    if (hash === null) throw new Problem('replay-not-done', 'The recording of the replay is still being read.');
    const { settings } = replay.cells[cell];
    const key = `${hash} ${JSON.stringify(settings)}`;
    try {
      return await this.maps.get(key, () => this.traces.acquire(hash), settings, event, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const { problem, unexpected } = replayProblem(error);
      if (unexpected) this.log.error({ err: error, replay: replay.id }, 'a heap map could not be made');
      throw problem;
    }
  }

  /** Nothing begins any more, and what runs is told to end. */
  stop(): void {
    if (this.closing) return;
    this.closing = true;
    const reason = retryLater('shutting-down', 'The server is shutting down.');
    this.maps.stop(reason);
    for (const { replay, lease } of this.queue.splice(0)) {
      lease.release();
      this.finish(replay, 'cancelled');
    }
    for (const replay of this.all.values()) if (!replay.ended) replay.abort.abort(reason);
  }

  /** Resolves when no thread runs and no file is open. */
  async close(): Promise<void> {
    this.stop();
    await this.opened?.catch(() => undefined);
    await Promise.allSettled([...this.parsing, ...this.running]);
    await Promise.all([this.maps.close(), this.pool?.close()]);
    this.traces?.close();
  }

  private async open(): Promise<void> {
    const disk = await Disk.open(this.config.dataDir);
    const kept = await disk.load(this.log);
    const traces = new Traces(disk.traces);
    await traces.load(new Set(kept.map(({ hash }) => hash)));
    this.disk = disk;
    this.traces = traces;
    for (const each of kept) this.all.set(each.id, Replay.kept(each, Results.kept(disk, each.id)));
    await this.evict();
    if (kept.length > 0) this.log.info({ replays: this.all.size, bytes: this.bytes }, 'kept replays found');
  }

  private freshId(): string {
    let id = newId();
    while (this.all.has(id)) id = newId();
    return id;
  }

  /** Reads a recording, to its end. */
  private async read(replay: Replay, submission: Submission, signal: AbortSignal): Promise<Lease> {
    const { from, grid, profile } = submission;
    if ('replay' in from) {
      const { hash, ingest, profiled } = from.replay;
      if (hash === null) throw new Problem('replay-not-done', 'The recording of that replay is still being read.');
      noProfile(profile, 'as they were said of its profile before');
      const lease = this.traces.acquire(hash);
      replay.recorded(hash, ingest as IngestReport, profiled, profiled && grid(profiled.suggested).cells);
      return this.identify(replay, lease);
    }
    // What does not fit into memory goes where recordings are kept anyway: a directory for temporary files may be memory, too.
    const store = TraceStore.create({ directory: this.disk.traces });
    try {
      const onProgress = ({ bytes, events }: ParseProgress): void => {
        Object.assign(replay.parsed, { bytes, events });
        replay.tell({ kind: 'progress' });
      };
      const { report, hash, profiled } = await readRecording(from, store, this.config, {
        ...profile,
        signal,
        onProgress,
      });
      signal.throwIfAborted();
      replay.recorded(hash, report, profiled, profiled && grid(profiled.suggested).cells);
      return this.identify(replay, this.traces.adopt(hash, store));
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /** What can only be said of settings once the recording is known; and the key of both. */
  private identify(replay: Replay, lease: Lease): Lease {
    const { ingest, cells, variations, hash } = replay;
    const { from, timeBase } = cells[0].settings;
    const events = ingest?.events ?? 0;
    const invalid = (field: string, allowed: string): Problem => {
      lease.release();
      return new Problem('invalid-setting', `"${field}" must be ${allowed}.`, { field, allowed });
    };
    if (from >= events) throw invalid('from', `less than the recording's ${events} events`);
    if (timeBase.kind === 'recorded' && ingest?.durationNs === null) {
      throw invalid('time', `something else than "recorded", as ${ingest.format} recordings have no times`);
    }
    const all = [VERSION, RESULT_VERSION, hash, variations, cells.map(({ settings }) => settings)];
    replay.key = createHash('sha256').update(JSON.stringify(all)).digest('hex');
    return lease;
  }

  /** One that has the same results, and has them or will have them. */
  private find({ id, key }: Replay): Replay | undefined {
    for (const other of this.all.values()) {
      if (other.id === id || other.key !== key) continue;
      if (other.state === 'done' || other.state === 'running' || other.state === 'waiting') return other;
    }
    return undefined;
  }

  private next(): void {
    while (!this.closing && this.running.size < this.config.replaysRunning) {
      const waiting = this.queue.shift();
      if (waiting === undefined) return;
      const running = this.run(waiting).finally(() => {
        this.running.delete(running);
        this.next();
      });
      this.running.add(running);
    }
  }

  private async run({ replay, lease }: Waiting): Promise<void> {
    const { abort } = replay;
    const hash = replay.hash as string;
    const time = this.config.replayTime;
    const late = new Problem('replay-timed-out', `The replay simulated for more than ${time / 1000} s.`);
    const timer = setTimeout(() => abort.abort(late), time);
    const began = performance.now();
    replay.state = 'running';
    replay.startedAt = new Date();
    replay.tell({ kind: 'progress' });
    let results: Results | undefined;
    let saved: Promise<unknown> | undefined;
    try {
      this.pool ??= new ReplayPool(this.config.replayThreads, boundsOf('simulator', this.config).memory);
      results = await Results.create(this.disk, replay.id).catch((error) => {
        throw diskProblem(error);
      });
      replay.results = results;
      saved = this.traces.save(hash, this.config.replayDisk).catch((error) => {
        throw diskProblem(error);
      });
      // A full disk ends the simulation, too.
      saved.catch((error) => abort.abort(error));
      await simulateGrid(replay, this.pool, lease.handle, results, abort.signal, (events) => {
        this.events += events;
      });
      await saved;
      replay.endedAt = new Date();
      await results.commit(replay.kept()).catch((error) => {
        throw diskProblem(error);
      });
      this.finish(replay, 'done');
    } catch (error) {
      await saved?.catch(() => undefined);
      replay.results = null;
      replay.bytes = 0;
      for (const cell of replay.cells) cell.places = null;
      await results?.discard().catch(() => undefined);
      const { problem, unexpected } = replayProblem(error);
      if (unexpected) this.log.error({ err: error, replay: replay.id }, 'a replay failed');
      const cancelled = problem.code === 'replay-cancelled' || problem.code === 'shutting-down';
      await this.dropTrace(hash, replay).catch(() => undefined);
      this.finish(replay, cancelled ? 'cancelled' : 'failed', cancelled ? null : problem);
    } finally {
      clearTimeout(timer);
      this.seconds += (performance.now() - began) / 1000;
      lease.release();
    }
    await this.evict().catch((error) => this.log.warn({ err: error }, 'old replays could not be removed'));
  }

  private finish(replay: Replay, state: 'done' | 'failed' | 'cancelled', problem: Problem | null = null): void {
    this.ended[state]++;
    replay.end(state, problem);
    const { id: replayId, name, source, error } = replay;
    this.log.debug(
      { replay: replayId, name, source, cells: replay.cells.length, state, code: error?.code },
      'replay ended',
    );
  }

  /** Bytes on disk of all that is kept. */
  private get bytes(): number {
    let bytes = 0;
    const hashes = new Set<string>();
    for (const { state, bytes: own, hash } of this.all.values()) {
      if (state !== 'done') continue;
      bytes += own;
      if (hash !== null) hashes.add(hash);
    }
    for (const hash of hashes) bytes += this.traces.bytes(hash);
    return bytes;
  }

  /** The oldest go, until number and bytes are within their bounds. The last one to end stays. */
  private async evict(): Promise<void> {
    const { replaysKept, replayDisk } = this.config;
    const ended = (): Replay[] =>
      [...this.all.values()]
        .filter((replay) => replay.ended)
        .sort((a, b) => (a.endedAt?.getTime() ?? 0) - (b.endedAt?.getTime() ?? 0));
    for (let left = ended(); left.length > replaysKept; left = ended()) await this.remove(left[0]);
    for (let left = ended(); left.length > 1 && this.bytes > replayDisk; left = ended()) await this.remove(left[0]);
  }

  /** Removes a recording from disk, unless a replay still has it. */
  private async dropTrace(hash: string | null, except?: Replay): Promise<void> {
    if (hash === null) return;
    for (const other of this.all.values()) {
      if (other !== except && other.hash === hash && (other.state === 'done' || !other.ended)) return;
    }
    await this.traces.remove(hash);
  }
}
