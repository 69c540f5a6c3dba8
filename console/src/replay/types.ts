/** What the API of replays answers, as far as the console reads it. The meaning of each field: `src/replay/result.ts`, docs/api.md. */

import type { IngestReport } from '../../../src/replay/events.js';
import type { Headline, SimResult } from '../../../src/replay/result.js';

export type State = 'parsing' | 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';

export interface Progress {
  /** 0 to 1; null: nobody knows. */
  share: number | null;
  bytes: number;
  events: number;
  eventsPerSecond: number;
  secondsLeft: number | null;
}

/** What a stream tells of a cell, again and again. */
export interface CellSeen {
  cell: number;
  state: 'waiting' | 'running' | 'done';
  events: number;
  seconds: number;
  cycles: number;
  inuse: number;
  live: number;
}

export type Range = [min: number, max: number];

export interface CellView extends CellSeen {
  gogc: number | 'off';
  memlimit: string;
  procs: number;
  arena: string;
  name: string;
  environment: string;
  sentence: string;
  headline: Headline | null;
  ranges: Record<keyof Headline, Range> | null;
}

export interface CurvePoint {
  cell: number;
  memory: number;
  gcCpu: number;
}

export interface Advice {
  curve: CurvePoint[];
  recommended: number | null;
  why: string;
  sentence: string;
  environment: string;
}

interface Common {
  id: string;
  name: string;
  source: 'upload' | 'example' | 'replay' | 'url';
  cached: boolean;
  state: State;
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
  error: { code: string; detail: string } | null;
  hash: string | null;
  bytes: number;
  variations: number;
  /** That each simulation plays. */
  events: number;
  progress: Progress;
}

export interface ReplayView extends Common {
  ingest: IngestReport | null;
  cells: CellView[];
  advice: Advice | null;
}

export interface ReplayDocument extends ReplayView {
  caveats: string[];
}

export interface Listed extends Common {
  ingest: Pick<IngestReport, 'format' | 'events' | 'threads' | 'totalBytes' | 'peakLiveBytes'> | null;
  cells: number;
  sentence: string;
  environment: string;
}

export interface ReplayList {
  replays: Listed[];
  running: number;
  waiting: number;
  bytes: number;
  limits: {
    running: number;
    waiting: number;
    kept: number;
    disk: number;
    upload: number;
    cells: number;
    procs: number;
  };
}

export interface Example {
  name: string;
  title: string;
  about: string;
  format: string;
  events: number;
  bytes: number;
}

/** The parts of a result that the console asks for. */
export const INCLUDE = 'timeline,classes,lifetimes,cycles,gctrace';
export type Result = Omit<SimResult, 'memstats' | 'samples'>;

/** What was seen of a cell that is not done yet. */
export interface Seen {
  event: number[];
  seconds: number[];
  cycles: number[];
  inuse: number[];
  live: number[];
}

export const ended = (state: State): boolean => state === 'done' || state === 'failed' || state === 'cancelled';
