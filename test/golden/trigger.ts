/** trigger.json: how it is read, and where a cycle is predicted. Shared by the tests in process and over HTTP. */

import { golden } from './support.js';

/** A cycle that Go ran by itself, and what was allocated since the one before it. */
export interface Cycle {
  cycle: number;
  bytes: number;
  objectsAllocatedSincePreviousGC: number;
  liveAfter: number;
  stackScan: number;
  globalsScan: number;
  goalAfter: number;
  /** From the second cycle on: what the file's author predicted, without the term for the sweep. */
  predictedDistance?: number;
}

/** A program that allocates 8 KiB objects one by one and keeps the newest so and so many MiB of them. */
export interface Scenario {
  gogc: number;
  liveRingMiB: number;
  rows: Cycle[];
}

export const scenarios = golden<Scenario[]>('trigger');

export const OBJECT = 8192;
const MiB = 2 ** 20;
const DEFAULT_HEAP_MINIMUM = 4 * MiB;

/**
 * The goal and the trigger after a mark, with the world stopped for all of it: nothing is allocated meanwhile, so that cons/mark is 0, the
 * runway too, and the trigger is the highest there is. `roots`: stacks and globals, in bytes.
 */
export function predict(gogc: number, marked: number, roots: number): { goal: number; trigger: number } {
  // There was something to sweep when the goal was derived: no cycle within 1 MiB.
  const sweep = marked + MiB;
  const goal = Math.max(
    Math.floor((DEFAULT_HEAP_MINIMUM * gogc) / 100),
    marked + Math.floor(((marked + roots) * gogc) / 100),
    sweep,
  );
  const part = Math.floor((goal - marked) / 64);
  const lowest = Math.max(sweep, part * 45 + marked);
  return { goal, trigger: Math.max(part * 61 + marked, goal - DEFAULT_HEAP_MINIMUM, lowest) };
}

/** Objects that have to be allocated until the live heap, counted in whole pages, reaches the trigger. */
export function distance(gogc: number, marked: number, roots: number): number {
  return Math.ceil((predict(gogc, marked, roots).trigger - marked) / OBJECT);
}
