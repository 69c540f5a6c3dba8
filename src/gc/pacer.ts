/**
 * The pacer: when a cycle starts, how large the heap may grow meanwhile, and how hard allocations must help.
 *
 * GOGC and the memory limit each name a heap goal, and the smaller one holds. The cycle is triggered before the goal,
 * by a runway: what will be allocated while the mark runs, as foretold by the cons/mark ratio of the last cycles (bytes
 * allocated per byte scanned, both per unit of CPU). If the mark falls behind all the same, assists
 * make every allocation pay its share of scan work.
 *
 *     marked ------------ minTrigger ----- trigger ------- maxTrigger --- goal
 *                         70%              goal - runway   95%, or goal - 4 MiB
 *
 * All state is a region of doubles, so that it can lie in shared memory; a `Pacer` is a view of it, and any thread may
 * have its own. Sizes are bytes, scan work is bytes scanned, times are nanoseconds: integers below 2^53, and exact.
 * Where Go has 2^64 - 1 for "none", here is the double next to it, `MAX_UINT64`; likewise `MAX_INT64` for "no limit".
 *
 * Who may touch it: whoever runs `init`, the setters, `commit`, `startCycle`, `endCycle`, `resetLive` has stopped the
 * world. `revise` may run on any thread during a mark, and two at once do no harm: the ratios are hints. What only
 * reads (`heapGoal`, `trigger`) may run anywhere at any time. The inputs are the caller's to refresh before a call.
 *
 * Beyond Go, whose program always has globals to scan: a heap may have no scan work at all. No ratio is taken of it.
 */

/** Go's ^uint64(0): no goal, not triggered. */
export const MAX_UINT64 = 2 ** 64;
/** Go's math.MaxInt64: no memory limit. */
export const MAX_INT64 = 2 ** 63;

// Inputs: the caller's.
export const C_HEAP_LIVE = 0; // bytes that may be live: marked, and allocated since
export const C_HEAP_SCAN = 1; // of these, scannable
export const C_HEAP_SCAN_WORK = 2; // done in this cycle, on the heap
export const C_STACK_SCAN_WORK = 3; // on stacks
export const C_GLOBALS_SCAN_WORK = 4; // on globals
export const C_MAX_STACK_SCAN = 5; // stack bytes that could have to be scanned
export const C_GLOBALS_SCAN = 6; // scannable globals
export const C_MAPPED_READY = 7; // memory mapped and not released: Sys - HeapReleased
export const C_HEAP_FREE = 8; // free and not released: HeapIdle - HeapReleased
export const C_HEAP_INUSE = 9; // in spans in use
export const C_LAST_HEAP_INUSE = 10; // as it was at the last mark termination
export const C_TOTAL_ALLOC = 11; // bytes ever allocated
export const C_TOTAL_FREE = 12; // bytes ever freed
export const C_ASSIST_NS = 13; // CPU time of this cycle: assists
export const C_IDLE_NS = 14; // idle mark workers
export const C_DEDICATED_NS = 15; // dedicated mark workers
export const C_FRACTIONAL_NS = 16; // fractional mark workers

// Settings, as last set.
export const C_GC_PERCENT = 24; // GOGC; -1 is off
export const C_MEMORY_LIMIT = 25; // GOMEMLIMIT; MAX_INT64 is off
export const C_HEAP_MINIMUM = 26; // 4 MiB * GOGC / 100; 0 while GOGC is off, when it has no meaning

// What the last mark found: resetLive.
export const C_HEAP_MARKED = 32;
export const C_LAST_HEAP_SCAN = 33;
export const C_LAST_STACK_SCAN = 34;

// Derived from it: commit.
export const C_GC_PERCENT_GOAL = 40; // MAX_UINT64 while GOGC is off
export const C_SWEEP_DIST_MIN_TRIGGER = 41; // no cycle before this heap size: the sweeper needs room. 0 if it is done
export const C_RUNWAY = 42;
export const C_SCAV_GC_PERCENT_GOAL = 43; // retain no more than this; MAX_UINT64 is off (scavengeGoals)
export const C_SCAV_MEMORY_LIMIT_GOAL = 44; // map no more than this; MAX_UINT64 is off (scavengeGoals)

// The cycle: startCycle, revise.
export const C_TRIGGERED = 48; // heap size at which it began; MAX_UINT64 outside a cycle
export const C_MARK_START = 49; // ns
export const C_DEDICATED_WANTED = 50; // dedicated mark workers
export const C_FRACTIONAL_GOAL = 51; // share of each P's time for fractional mark work
export const C_MAX_IDLE_WORKERS = 52;
export const C_ASSIST_WORK_PER_BYTE = 53;
export const C_ASSIST_BYTES_PER_WORK = 54;

// What the last cycle was like: endCycle.
export const C_LAST_HEAP_GOAL = 64; // its goal when it ended; 0 before the first
export const C_UTILIZATION = 65; // share of the CPU that workers and assists took
export const C_IDLE_UTILIZATION = 66; // share that idle workers took
export const C_USER_FORCED = 67; // 1 if runtime.GC() began it
export const C_CONS_MARK = 68; // largest of this cycle's and the last four
export const C_LAST_CONS_MARK = 69; // 4: as measured, oldest first

export const C_WORDS = 96;

const LAST_CONS_MARKS = 4;
const DEFAULT_HEAP_MINIMUM = 4 << 20;
/** Share of the CPU that the collector aims at while it marks. */
const BACKGROUND_UTILIZATION = 0.25;
/** Least distance between the heap at a commit and the next trigger while there is something to sweep. */
const SWEEP_MIN_HEAP_DISTANCE = 1 << 20;
/** Least room between the trigger and the goal of a running cycle. */
const MIN_RUNWAY = 64 << 10;
/** Bounds of the trigger, in 64ths of the way from the marked heap to the goal. */
const MIN_TRIGGER_64THS = 45;
const MAX_TRIGGER_64THS = 61;
/** What the memory limit's goal leaves free for errors of pacing, at least. */
const HEADROOM_PERCENT = 3;
const MIN_HEADROOM = 1 << 20;
/** Stands in for GOGC=off in a cycle that was forced. */
const HUGE_GC_PERCENT = 100000;

/** Without a limit the goal is beyond 2^53: MaxInt64 - 3 * floor(MaxInt64 / 100), as a sum of two doubles. */
const NO_LIMIT_GOAL_HIGH = 2034237 * 2 ** 42;
const NO_LIMIT_GOAL_LOW = 1935140464885;

/** floor(a * percent / 100), exact though the product may not be. */
function percentOf(a: number, percent: number): number {
  const hundredths = Math.floor(a / 100);
  return hundredths * percent + Math.floor(((a - hundredths * 100) * percent) / 100);
}

/** A view of one pacer: `C_WORDS` doubles of `f`, from `at` on. */
export class Pacer {
  constructor(
    readonly f: Float64Array,
    readonly at: number,
  ) {}

  /** A heap before its first cycle. Clears the inputs too. */
  init(gcPercent: number, memoryLimit: number): void {
    const { f, at } = this;
    f.fill(0, at, at + C_WORDS);
    f[at + C_TRIGGERED] = MAX_UINT64;
    f[at + C_SCAV_GC_PERCENT_GOAL] = MAX_UINT64;
    f[at + C_SCAV_MEMORY_LIMIT_GOAL] = MAX_UINT64;
    this.setGCPercent(gcPercent);
    this.setMemoryLimit(memoryLimit);
    this.commit(true);
  }

  /** Any negative value is off. Answers the old one. To be followed by `commit`. */
  setGCPercent(percent: number): number {
    const { f, at } = this;
    const old = f[at + C_GC_PERCENT];
    f[at + C_GC_PERCENT] = percent < 0 ? -1 : percent;
    f[at + C_HEAP_MINIMUM] = percent < 0 ? 0 : percentOf(DEFAULT_HEAP_MINIMUM, percent);
    return old;
  }

  /** Bytes. A negative value changes nothing; from 2^53 on there is no limit. Answers the old one. Then `commit`. */
  setMemoryLimit(limit: number): number {
    const { f, at } = this;
    const old = f[at + C_MEMORY_LIMIT];
    if (limit >= 0) f[at + C_MEMORY_LIMIT] = limit >= 2 ** 53 ? MAX_INT64 : limit;
    return old;
  }

  /** Derives the next goal and runway from the last mark: after every mark, and after a setting changed. */
  commit(isSweepDone: boolean): void {
    const { f, at } = this;
    f[at + C_SWEEP_DIST_MIN_TRIGGER] = isSweepDone ? 0 : f[at + C_HEAP_LIVE] + SWEEP_MIN_HEAP_DISTANCE;
    const percent = f[at + C_GC_PERCENT];
    const marked = f[at + C_HEAP_MARKED];
    const roots = f[at + C_LAST_STACK_SCAN] + f[at + C_GLOBALS_SCAN];
    f[at + C_GC_PERCENT_GOAL] =
      percent < 0 ? MAX_UINT64 : Math.max(f[at + C_HEAP_MINIMUM], marked + percentOf(marked + roots, percent));
    const consMark = f[at + C_CONS_MARK];
    const scan = f[at + C_LAST_HEAP_SCAN] + roots;
    f[at + C_RUNWAY] = Math.trunc(((consMark * (1 - BACKGROUND_UTILIZATION)) / BACKGROUND_UTILIZATION) * scan);
  }

  /** The heap size at which the memory limit is reached, all else staying as it is, less some headroom. */
  memoryLimitGoal(): number {
    const { f, at } = this;
    const limit = f[at + C_MEMORY_LIMIT];
    const mapped = f[at + C_MAPPED_READY];
    const objects = f[at + C_TOTAL_ALLOC] - f[at + C_TOTAL_FREE];
    // The inputs are not of one instant: what is left after subtracting can come out negative.
    const nonHeap = Math.max(0, mapped - f[at + C_HEAP_FREE] - objects);
    const taken = nonHeap + Math.max(0, mapped - limit);
    const marked = f[at + C_HEAP_MARKED];
    if (taken >= limit) return marked;
    if (limit === MAX_INT64) {
      // MaxInt64 - taken less 3 of its 100 parts: only the last addition rounds, so it is the double next to Go's.
      const parts = taken > 7 ? Math.ceil((taken - 7) / 100) : 0;
      return NO_LIMIT_GOAL_HIGH + (NO_LIMIT_GOAL_LOW - (taken - HEADROOM_PERCENT * parts));
    }
    const goal = limit - taken;
    const headroom = Math.max(MIN_HEADROOM, Math.floor(goal / 100) * HEADROOM_PERCENT);
    return Math.max(marked, goal - headroom < headroom ? headroom : goal - headroom);
  }

  /** The heap size that the running cycle should end at, or the next one. */
  heapGoal(): number {
    const { f, at } = this;
    const goal = f[at + C_GC_PERCENT_GOAL];
    const limited = this.memoryLimitGoal();
    if (limited < goal) return limited;
    const triggered = f[at + C_TRIGGERED];
    const runway = triggered === MAX_UINT64 ? 0 : triggered + MIN_RUNWAY;
    return Math.max(goal, f[at + C_SWEEP_DIST_MIN_TRIGGER], runway);
  }

  /** No trigger below this: a mark that is nearly always on would allocate everything black. */
  minTrigger(goal: number = this.heapGoal()): number {
    const { f, at } = this;
    const marked = f[at + C_HEAP_MARKED];
    // Under the memory limit the sweeper's room does not count, or the trigger could pass the goal.
    const limited = this.memoryLimitGoal() < f[at + C_GC_PERCENT_GOAL];
    const lowest = Math.floor((goal - marked) / 64) * MIN_TRIGGER_64THS + marked;
    return Math.max(limited ? 0 : f[at + C_SWEEP_DIST_MIN_TRIGGER], marked, lowest);
  }

  /** No trigger above this: some room is left even if the runway says that none is needed. */
  maxTrigger(goal: number = this.heapGoal()): number {
    const marked = this.f[this.at + C_HEAP_MARKED];
    const highest = Math.floor((goal - marked) / 64) * MAX_TRIGGER_64THS + marked;
    return Math.max(highest, goal - DEFAULT_HEAP_MINIMUM, this.minTrigger(goal));
  }

  /** The heap size at which the next cycle starts. */
  trigger(): number {
    const { f, at } = this;
    const goal = this.heapGoal();
    if (f[at + C_HEAP_MARKED] >= goal) return goal;
    const runway = f[at + C_RUNWAY];
    const min = this.minTrigger(goal);
    return Math.min(Math.max(min, runway > goal ? min : goal - runway), this.maxTrigger(goal));
  }

  /**
   * A mark begins, with the world stopped. Clears the scan work and the times: the caller must do so wherever it counts
   * them. `periodic`: begun by the clock, on a heap with little to do, which does not deserve idle workers.
   */
  startCycle(nowNs: number, procs: number, periodic: boolean): void {
    const { f, at } = this;
    f.fill(0, at + C_HEAP_SCAN_WORK, at + C_GLOBALS_SCAN_WORK + 1);
    f.fill(0, at + C_ASSIST_NS, at + C_FRACTIONAL_NS + 1);
    f[at + C_MARK_START] = nowNs;
    f[at + C_TRIGGERED] = f[at + C_HEAP_LIVE];
    // Dedicated workers alone if that comes within 30% of the aim; else (1, 2, 3 or 6 Ps) a fractional one fills up.
    const wanted = procs * BACKGROUND_UTILIZATION;
    let dedicated = Math.floor(wanted + 0.5);
    let fractional = 0;
    if (Math.abs(dedicated / wanted - 1) > 0.3) {
      if (dedicated > wanted) dedicated--;
      fractional = (wanted - dedicated) / procs;
    }
    f[at + C_DEDICATED_WANTED] = dedicated;
    f[at + C_FRACTIONAL_GOAL] = fractional;
    // A fractional worker may never get its turn on an idle heap; one idle worker then sees the mark through.
    f[at + C_MAX_IDLE_WORKERS] = periodic ? Number(dedicated === 0) : procs - dedicated;
    this.revise();
  }

  /** Sets the assist ratios, so that the scan work left is done when the heap reaches the goal. During a cycle only. */
  revise(): void {
    const { f, at } = this;
    const live = f[at + C_HEAP_LIVE];
    const globals = f[at + C_GLOBALS_SCAN];
    const work = f[at + C_HEAP_SCAN_WORK] + f[at + C_STACK_SCAN_WORK] + f[at + C_GLOBALS_SCAN_WORK];
    // As much as last time; at worst, everything is live.
    let expected = f[at + C_LAST_HEAP_SCAN] + f[at + C_LAST_STACK_SCAN] + globals;
    const most = f[at + C_HEAP_SCAN] + f[at + C_MAX_STACK_SCAN] + globals;
    let goal = this.heapGoal();
    if (work > expected) {
      // The heap is not in steady state: move the goal out in proportion, within bounds.
      const triggered = f[at + C_TRIGGERED];
      const percent = f[at + C_GC_PERCENT] < 0 ? HUGE_GC_PERCENT : f[at + C_GC_PERCENT];
      const hardGoal = Math.trunc((1 + percent / 100) * goal);
      // Nothing was expected: in proportion to nothing, there is only the bound.
      goal =
        expected === 0 ? hardGoal : Math.min(Math.trunc(((goal - triggered) / expected) * most) + triggered, hardGoal);
      expected = most;
    }
    if (live > goal) {
      // Past even that goal: a last stretch, for the worst case.
      goal = Math.trunc(goal * 1.1);
      expected = most;
    }
    const workLeft = Math.max(1000, expected - work);
    const heapLeft = Math.max(1, goal - live);
    f[at + C_ASSIST_WORK_PER_BYTE] = workLeft / heapLeft;
    f[at + C_ASSIST_BYTES_PER_WORK] = heapLeft / workLeft;
  }

  /** The mark is done; the world is stopped. Learns from it. To be followed by `resetLive` and `commit(false)`. */
  endCycle(nowNs: number, procs: number, userForced: boolean): void {
    const { f, at } = this;
    f[at + C_LAST_HEAP_GOAL] = this.heapGoal();
    f[at + C_USER_FORCED] = Number(userForced);
    const cpu = (nowNs - f[at + C_MARK_START]) * procs;
    // The workers are taken to have had just their share.
    const utilization = BACKGROUND_UTILIZATION + (cpu > 0 ? f[at + C_ASSIST_NS] / cpu : 0);
    const idle = cpu > 0 ? f[at + C_IDLE_NS] / cpu : 0;
    f[at + C_UTILIZATION] = utilization;
    f[at + C_IDLE_UTILIZATION] = idle;
    const allocated = f[at + C_HEAP_LIVE] - f[at + C_TRIGGERED];
    const work = f[at + C_HEAP_SCAN_WORK] + f[at + C_STACK_SCAN_WORK] + f[at + C_GLOBALS_SCAN_WORK];
    // A cycle without allocations, without scan work, or without a mutator teaches nothing.
    if (allocated <= 0 || work <= 0 || utilization >= 1) return;
    const measured = (allocated * (utilization + idle)) / (work * (1 - utilization));
    const last = at + C_LAST_CONS_MARK;
    let consMark = measured;
    for (let i = 0; i < LAST_CONS_MARKS; i++) consMark = Math.max(consMark, f[last + i]);
    f[at + C_CONS_MARK] = consMark;
    f.copyWithin(last, last + 1, last + LAST_CONS_MARKS);
    f[last + LAST_CONS_MARKS - 1] = measured;
  }

  /** After a mark: what it found is the live heap. The caller does the same to its own count of live bytes. */
  resetLive(bytesMarked: number): void {
    const { f, at } = this;
    f[at + C_HEAP_MARKED] = bytesMarked;
    f[at + C_HEAP_LIVE] = bytesMarked;
    f[at + C_HEAP_SCAN] = f[at + C_HEAP_SCAN_WORK];
    f[at + C_LAST_HEAP_SCAN] = f[at + C_HEAP_SCAN_WORK];
    f[at + C_LAST_STACK_SCAN] = f[at + C_STACK_SCAN_WORK];
    f[at + C_TRIGGERED] = MAX_UINT64;
  }

  /**
   * What the scavenger should work towards, after each commit: 95% of the memory limit, and the heap as it was when
   * last marked, scaled to the new goal, plus 10%. `physPage` is the operating system's page size in bytes.
   */
  scavengeGoals(
    heapInuse: number = this.f[this.at + C_HEAP_INUSE],
    heapFree: number = this.f[this.at + C_HEAP_FREE],
    lastHeapInuse: number = this.f[this.at + C_LAST_HEAP_INUSE],
    physPage = 4096,
  ): void {
    const { f, at } = this;
    const limitGoal = Math.trunc(f[at + C_MEMORY_LIMIT] * 0.95);
    f[at + C_SCAV_MEMORY_LIMIT_GOAL] = f[at + C_MAPPED_READY] <= limitGoal ? MAX_UINT64 : limitGoal;
    const lastGoal = f[at + C_LAST_HEAP_GOAL];
    f[at + C_SCAV_GC_PERCENT_GOAL] = MAX_UINT64;
    if (lastGoal === 0) return;
    let goal = Math.trunc(lastHeapInuse * (this.heapGoal() / lastGoal));
    goal += Math.floor(goal / 10);
    goal = Math.ceil(goal / physPage) * physPage;
    if (heapInuse + heapFree - goal >= physPage) f[at + C_SCAV_GC_PERCENT_GOAL] = goal;
  }
}
