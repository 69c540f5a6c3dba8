/**
 * One simulation from beginning to end, on the calling thread: a stored stream in, a result or a picture out.
 *
 * The stream may still be being parsed by another thread: chunks are simulated as they come, and the thread blocks where it is ahead. Only where the
 * settings ask for totals of the recording (an exact table, samples at even distances) it waits for the stream's end first.
 */

import { H_NUM_GC, H_PAGES_INUSE } from '../../heap/heap.js';
import { PAGE_SIZE } from '../../heap/sizeclass.js';
import type { HeapMap, SimResult } from '../result.js';
import type { SimSettings } from '../settings.js';
import { type TraceHandle, TraceReader } from '../store.js';
import { finish } from './finish.js';
import { heapMap } from './heapmap.js';
import { type Extent, Simulator } from './simulator.js';

/** Progress of a simulation, in memory that the asking thread can read: doubles, then an int32. */
export const PROGRESS_BYTES = 64;
export const PROGRESS_EVENTS = 0;
/** Virtual seconds. */
export const PROGRESS_SECONDS = 1;
export const PROGRESS_CYCLES = 2;
/** HeapInuse and live bytes of the moment. */
export const PROGRESS_INUSE = 3;
export const PROGRESS_LIVE = 4;
/** int32 index: not 0: end it. */
export const PROGRESS_CANCEL = 15;

/** Thrown by a simulation that was told to end. */
export class Cancelled extends Error {
  constructor() {
    super('the simulation was cancelled');
    this.name = 'Cancelled';
  }
}

/** Simulates a stream under the settings. Throws ReplayInputError where the parser failed, Cancelled where `progress` says so. */
export function simulate(trace: TraceHandle, settings: SimSettings, progress?: SharedArrayBuffer): SimResult {
  const sim = play(trace, settings, progress);
  return finish(sim);
}

/** The heap's pages after `event` events of the same simulation. */
export function mapAt(trace: TraceHandle, settings: SimSettings, event: number, progress?: SharedArrayBuffer): HeapMap {
  const to = Math.min(settings.to ?? Number.POSITIVE_INFINITY, settings.from + event);
  // The samples of the whole run disturb the heap before this moment as they do in it.
  const sim = play(trace, { ...settings, to: to === Number.POSITIVE_INFINITY ? null : to }, progress, settings);
  return heapMap(sim.h, sim.events, sim.now / 1e9);
}

function play(
  trace: TraceHandle,
  settings: SimSettings,
  progress: SharedArrayBuffer | undefined,
  whole: SimSettings = settings,
): Simulator {
  const reader = new TraceReader(trace);
  const sim = new Simulator(settings, extentOf(reader, whole), whole);
  if (progress !== undefined) watch(sim, progress);
  for (let loop = 0; loop < settings.loops; loop++) {
    reader.seek();
    if (loop > 0) sim.again();
    let more = true;
    for (let chunk = reader.next(); chunk !== null && more; chunk = more ? reader.next() : null) {
      more = sim.run(chunk.words, chunk.records);
    }
    if (!more) break;
  }
  return sim;
}

/** What is known of the recording, if the settings need it. */
function extentOf(reader: TraceReader, settings: SimSettings): Extent {
  const totals = settings.rootsTable === 'exact' || settings.forcedGCs > 0 || settings.readMemStats > 0;
  if (!totals) return { events: null, slots: null };
  while (reader.next() !== null) {}
  const { events, slots } = reader.report();
  return { events, slots };
}

function watch(sim: Simulator, progress: SharedArrayBuffer): void {
  const f = new Float64Array(progress, 0, 7);
  const i = new Int32Array(progress);
  sim.onTick = () => {
    f[PROGRESS_EVENTS] = sim.events;
    f[PROGRESS_SECONDS] = sim.now / 1e9;
    f[PROGRESS_CYCLES] = sim.h.scalar(H_NUM_GC) - sim.firstCycle;
    f[PROGRESS_INUSE] = sim.h.scalar(H_PAGES_INUSE) * PAGE_SIZE;
    f[PROGRESS_LIVE] = sim.program.held.requested;
    if (Atomics.load(i, PROGRESS_CANCEL) !== 0) throw new Cancelled();
  };
}
