/**
 * A grid of settings: what a user wants to compare, as lists of values for Go's own knobs, and every combination of them.
 *
 * The first cell of a grid is its base, against which all others are told. Unless the user names another it is Go's own default (GOGC=100 without a
 * limit) with the first of the GOMAXPROCS and arena sizes, or the first cell of all where that is not in the grid.
 */

import { formatGoSize } from '../../server/gosize.js';
import type { SimSettings } from '../settings.js';

export interface Axes {
  /** Per cent, -1: off. */
  readonly gogc: readonly number[];
  /** Bytes, null: off. */
  readonly memoryLimit: readonly (number | null)[];
  readonly gomaxprocs: readonly number[];
  /** Bytes. */
  readonly arenaSize: readonly number[];
}

export const AXES = ['gogc', 'memoryLimit', 'gomaxprocs', 'arenaSize'] as const satisfies readonly (keyof Axes)[];
export type Axis = (typeof AXES)[number];

/** A value for some of the axes: which cell is the base. */
export type Chosen = Partial<Pick<SimSettings, Axis>>;

/** Every combination, the base first, then in the order of the lists; undefined where `chosen` is no cell. */
export function gridOf(common: SimSettings, axes: Axes, chosen?: Chosen): SimSettings[] | undefined {
  const cells: SimSettings[] = [];
  for (const arenaSize of new Set(axes.arenaSize))
    for (const gomaxprocs of new Set(axes.gomaxprocs))
      for (const memoryLimit of new Set(axes.memoryLimit))
        for (const gogc of new Set(axes.gogc)) cells.push({ ...common, gogc, memoryLimit, gomaxprocs, arenaSize });
  const wanted = chosen ?? { gogc: 100, memoryLimit: null };
  const found = cells.findIndex((cell) =>
    AXES.every((axis) => wanted[axis] === undefined || cell[axis] === wanted[axis]),
  );
  if (found < 0 && chosen !== undefined) return undefined;
  const [base] = cells.splice(Math.max(0, found), 1);
  return [base, ...cells];
}

/** Which axes have more than one value in these cells. */
export function varying(cells: readonly SimSettings[]): Axis[] {
  return AXES.filter((axis) => cells.some((cell) => cell[axis] !== cells[0][axis]));
}

const NAMES: Record<Axis, (settings: SimSettings) => string> = {
  gogc: ({ gogc }) => `GOGC=${gogc < 0 ? 'off' : gogc}`,
  memoryLimit: ({ memoryLimit }) => `GOMEMLIMIT=${memoryLimit === null ? 'off' : formatGoSize(memoryLimit)}`,
  gomaxprocs: ({ gomaxprocs }) => `GOMAXPROCS=${gomaxprocs}`,
  arenaSize: ({ arenaSize }) => `arena=${formatGoSize(arenaSize)}`,
};

/** A cell's name: what tells it from the others of its grid; its GOGC where it is alone. */
export function cellName(settings: SimSettings, axes: readonly Axis[]): string {
  const shown = axes.length === 0 ? (['gogc'] as const) : axes;
  return shown.map((axis) => NAMES[axis](settings)).join(' ');
}

/** What to set for a program that should run so. Without GOMAXPROCS: that follows from the machine. */
export function environmentLine(settings: Pick<SimSettings, 'gogc' | 'memoryLimit'>): string {
  const { gogc, memoryLimit } = settings;
  const limit = memoryLimit === null ? '' : ` GOMEMLIMIT=${formatGoSize(memoryLimit)}`;
  return `GOGC=${gogc < 0 ? 'off' : gogc}${limit}`;
}

/** Cells in the order of a table: by arena, GOMAXPROCS, limit (off first), GOGC (off last). Indices. */
export function tableOrder(cells: readonly SimSettings[]): number[] {
  const key = (s: SimSettings): number[] => [
    -s.arenaSize,
    s.gomaxprocs,
    s.memoryLimit === null ? Number.NEGATIVE_INFINITY : -s.memoryLimit,
    s.gogc < 0 ? Number.POSITIVE_INFINITY : s.gogc,
  ];
  const keys = cells.map(key);
  return cells
    .map((_, i) => i)
    .sort((a, b) => {
      const at = keys[a].findIndex((value, i) => value !== keys[b][i]);
      if (at < 0) return a - b;
      return keys[a][at] < keys[b][at] ? -1 : 1;
    });
}
