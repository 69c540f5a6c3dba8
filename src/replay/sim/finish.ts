/** The result of a simulation that has run to its end: result.ts's document from what the simulator noted. */

import { memStats } from '../../gc/memstats.js';
import { CYCLE_AT, Y_PAUSE_CPU_NS } from '../../gc/state.js';
import {
  G_PAUSE_TOTAL,
  H_NUM_FORCED_GC,
  H_NUM_GC,
  H_PAGES_RELEASED,
  H_PEAK_INUSE,
  T_ASSIST_NS,
  T_IDLE_NS,
  T_SCAVENGE_ASSIST_NS,
  T_SCAVENGE_NS,
} from '../../heap/heap.js';
import { sumStat } from '../../heap/memstats.js';
import { PAGE_SIZE } from '../../heap/sizeclass.js';
import { type Headline, RESULT_VERSION, type SimResult } from '../result.js';
import { classRows, suggestions } from './requests.js';
import { MAX_ROWS, type Moment, type Simulator } from './simulator.js';
import { whereNow } from './where.js';

const seconds = (ns: number): number => Math.round(ns) / 1e9;
const share = (part: number, whole: number): number => (whole <= 0 ? 0 : Math.round((part / whole) * 1e6) / 1e6);

export function finish(sim: Simulator): SimResult {
  const { h, program, settings } = sim;
  sim.look(true);
  const end: Moment = { event: sim.events, ns: sim.now, where: whereNow(h, program.held) };
  const peak = sim.peak ?? end;
  const memstats = memStats(h);
  const scan = settings.scan === 'all' || (typeof settings.scan === 'number' && settings.scan >= 50);
  const moment = (m: Moment) => ({ event: m.event, seconds: seconds(m.ns), where: m.where });
  const { objects, requests, held } = program;
  const liveObjects = program.work.allocs - program.frees;
  return {
    version: RESULT_VERSION,
    settings,
    headline: headline(sim, memstats),
    peak: moment(peak),
    end: moment(end),
    timeline: sim.timeline.build(h.ps.length),
    classes: classRows(requests, sim.classes),
    suggestions: suggestions(requests, sim.classes, scan),
    lifetimes: objects.lifetimes({ objects: liveObjects, bytes: held.requested - program.ownBytes }),
    cycles: sim.rows.slice(-MAX_ROWS),
    gctrace: sim.lines.slice(-MAX_ROWS),
    memstats,
    samples: sim.samples,
    exhausted: program.exhausted,
    warnings: warnings(sim),
  };
}

function headline(sim: Simulator, memstats: SimResult['memstats']): Headline {
  const { h, greatest, over } = sim;
  const ns = sim.now;
  const cpu = ns * h.ps.length;
  const pauses = h.f[h.pacer + CYCLE_AT + Y_PAUSE_CPU_NS];
  const means = sim.timeline.means();
  const forced = h.scalar(H_NUM_FORCED_GC) - sim.firstCycle;
  return {
    events: sim.events,
    seconds: seconds(ns),
    cycles: h.scalar(H_NUM_GC) - sim.firstCycle,
    forcedCycles: forced,
    peakInuse: h.scalar(H_PEAK_INUSE) * PAGE_SIZE,
    meanInuse: means.inuse,
    peakRetained: greatest.retained,
    meanRetained: means.retained,
    heapSys: memstats.HeapSys,
    released: h.scalar(H_PAGES_RELEASED) * PAGE_SIZE,
    peakReleased: greatest.released,
    peakLive: greatest.live,
    meanLive: means.live,
    totalAlloc: memstats.TotalAlloc,
    mallocs: memstats.Mallocs,
    frees: memstats.Frees,
    gcCpu: share(sim.gcNs, cpu),
    assistCpu: share(sumStat(h, T_ASSIST_NS), cpu),
    pauseCpu: share(pauses, cpu),
    idleMarkCpu: share(sumStat(h, T_IDLE_NS), cpu),
    scavengeCpu: share(sumStat(h, T_SCAVENGE_NS) + sumStat(h, T_SCAVENGE_ASSIST_NS), cpu),
    gcCpuSeconds: seconds(sim.gcNs),
    pauseTotal: seconds(h.f[h.gcStats + G_PAUSE_TOTAL]),
    pauseMax: greatest.pause,
    overLimit: share(over.ns, ns),
    overLimitMax: over.bytes,
    limitedCycles: over.cycles,
  };
}

function warnings(sim: Simulator): string[] {
  const { settings, program, h } = sim;
  const out: string[] = [];
  if (program.exhausted !== null) {
    out.push(
      `The heap was full at event ${program.exhausted.event.toLocaleString('en')} (an object of ${program.exhausted.size.toLocaleString('en')} bytes did not fit ${settings.reserve / 2 ** 30} GiB of address space): everything here ends there.`,
    );
  }
  const limit = settings.memoryLimit;
  if (limit !== null && sim.over.cycles > 0) {
    out.push(
      `The CPU limiter was on in ${sim.over.cycles.toLocaleString('en')} cycles: the limit is so near the live heap that Go gives it up rather than collect for more than half of the time.`,
    );
  }
  if (settings.gogc < 0 && limit === null && h.scalar(H_NUM_GC) === sim.firstCycle) {
    out.push('GOGC is off and there is no memory limit: nothing was ever collected.');
  }
  return out;
}
