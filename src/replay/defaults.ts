/** Settings as they are unless somebody says otherwise: Go's own defaults, and the recording as it stands. */

import type { SimSettings } from './settings.js';
import { DEFAULT_COSTS } from './sim/costs.js';

export const DEFAULT_SETTINGS: SimSettings = {
  gogc: 100,
  memoryLimit: null,
  gomaxprocs: 1,
  arenaSize: 64 * 2 ** 20,
  clock: 'concurrent',
  frees: 'garbage',
  scan: 'recorded',
  realloc: 'new',
  rootsTable: 'segments',
  baseline: 0,
  // Of a small program of Go 1.27.4, as its NextGC tells: with GOGC=100, and under a memory limit.
  runtimeScan: 173_000,
  runtimeSys: 4_459_000,
  timeBase: { kind: 'costs' },
  from: 0,
  to: null,
  loops: 1,
  threads: 'one',
  forcedGCs: 0,
  readMemStats: 0,
  reserve: 256 * 2 ** 30,
  phase: 0,
  seed: 1,
  costs: DEFAULT_COSTS,
};
