/**
 * GODEBUG=gctrace=1 logs of real Go programs, 1.19 to 1.27 (the line did not change; 1.17 and older lack stacks and globals, and are read too).
 *
 *     gc 5 @0.132s 17%: 0.029+32+0.005 ms clock, 0.029+2.8/7.2/0+0.005 ms cpu, 16->18->11 MB, 19 MB goal, 0 MB stacks, 0 MB globals, 1 P (forced)
 *
 * Logs share stderr with everything else, so a line may have other text before it, between it and the next, or be torn apart. What does not
 * match is passed over; numbers that are missing from the sequence are counted. A number that steps back begins another process (`go test
 * ./...` runs several): the one with the most cycles is taken.
 *
 * Sizes are cut down to whole MB by Go. `expected` says what a cut size was on average.
 */

import { ReplayInputError } from '../events.js';

const MB = 2 ** 20;
/** Less than this is no heap: a Go program has as much before it begins. */
const LEAST = 64 << 10;

/**
 * What a size that was cut to whole MB was, on average, if nothing is known but that it is at least `least`: the mean of a distribution
 * that favours no scale (density 1 / size) between the two. That is half a MB more from a few MB on; but of sizes that read 0 MB, which
 * are what small programs' logs are full of, most are well below half a MB.
 */
export function expected(cut: number, least = 0): number {
  const low = Math.max(cut, least, LEAST);
  const high = cut + MB;
  return low >= high ? low : (high - low) / Math.log(high / low);
}

export interface GcCycle {
  readonly number: number;
  /** Since the program began. */
  readonly seconds: number;
  /** Share of the program's CPU that its collector took until then, 0 to 1, in whole per cent. */
  readonly cpuShare: number;
  /** Seconds: the two pauses and the mark between them. */
  readonly clock: { readonly sweepTermination: number; readonly mark: number; readonly markTermination: number };
  /** CPU seconds. */
  readonly cpu: {
    readonly sweepTermination: number;
    readonly assist: number;
    /** Dedicated and fractional workers. */
    readonly background: number;
    readonly idle: number;
    readonly markTermination: number;
  };
  /** Bytes, cut to whole MB: the heap when the cycle began, when its mark ended, and what was marked. */
  readonly start: number;
  readonly end: number;
  readonly marked: number;
  readonly goal: number;
  readonly gomaxprocs: number;
  readonly forced: boolean;
}

export interface GcTrace {
  readonly cycles: readonly GcCycle[];
  /** Cycles whose lines are missing before the last one that is there. */
  readonly missing: number;
  /** Other processes whose cycles the log has too. */
  readonly otherProcesses: number;
}

/** Cycles of a log: a month of two a second. */
const MAX_CYCLES = 1 << 22;

const T = String.raw`(\d{1,12}(?:\.\d{1,9})?)`;
const N = String.raw`(\d{1,9})`;
const LINE = new RegExp(
  `gc (\\d{1,9}) @${T}s ${N}%: ${T}\\+${T}\\+${T} ms clock, ${T}\\+${T}/${T}/${T}\\+${T} ms cpu, ` +
    `${N}->${N}->${N} MB, ${N} MB goal, (?:${N} MB stacks, ${N} MB globals, )?${N} P( \\(forced\\))?`,
  'g',
);

function cycle(m: RegExpMatchArray): GcCycle {
  const ms = (i: number): number => Number(m[i]) / 1e3;
  const mb = (i: number): number => Number(m[i]) * MB;
  return {
    number: Number(m[1]),
    seconds: Number(m[2]),
    cpuShare: Number(m[3]) / 100,
    clock: { sweepTermination: ms(4), mark: ms(5), markTermination: ms(6) },
    cpu: { sweepTermination: ms(7), assist: ms(8), background: ms(9), idle: ms(10), markTermination: ms(11) },
    start: mb(12),
    end: mb(13),
    marked: mb(14),
    goal: mb(15),
    gomaxprocs: Number(m[18]),
    forced: m[19] !== undefined,
  };
}

/** @throws ReplayInputError where there is no line of it */
export function parseGctrace(text: string): GcTrace {
  const processes: GcCycle[][] = [];
  let last = Number.POSITIVE_INFINITY;
  let count = 0;
  for (const match of text.matchAll(LINE)) {
    if (count++ === MAX_CYCLES) {
      throw new ReplayInputError(
        'replay-too-large',
        `the log has more than ${MAX_CYCLES} lines of gctrace: give a part of it`,
      );
    }
    const c = cycle(match);
    if (c.number <= last) processes.push([]);
    last = c.number;
    processes[processes.length - 1].push(c);
  }
  if (processes.length === 0) {
    throw new ReplayInputError(
      'replay-gctrace-empty',
      'no gctrace line ("gc 1 @0.007s 3%: … ms clock, … ms cpu, 3->5->4 MB, 4 MB goal, … 2 P"): run the program with GODEBUG=gctrace=1',
    );
  }
  const cycles = processes.reduce((most, one) => (one.length > most.length ? one : most));
  return {
    cycles,
    missing: cycles[cycles.length - 1].number - cycles.length,
    otherProcesses: processes.length - 1,
  };
}

/** CPU seconds of a cycle that count as the collector's: all but idle workers, as in GCCPUFraction. */
export function cpuSeconds({ cpu }: GcCycle): number {
  return cpu.sweepTermination + cpu.assist + cpu.background + cpu.markTermination;
}

/** What cycles of a log and of a simulation have in common. */
export interface HeapSizes {
  readonly start: number;
  readonly end: number;
  readonly marked: number;
}

/**
 * Bytes that the program had allocated when each cycle began, as the sizes tell: from what one cycle marked to where the next began, and
 * while it marked. Summed over a log, the cuts to whole MB even out. The last entry is the total, at the end of the last mark.
 */
export function allocatedAt(cycles: readonly HeapSizes[]): number[] {
  const out: number[] = [];
  let sum = 0;
  let marked = 0;
  for (const c of cycles) {
    sum += Math.max(0, c.start - marked);
    out.push(sum);
    sum += Math.max(0, c.end - c.start);
    marked = c.marked;
  }
  out.push(sum);
  return out;
}
