/** The numbers by which two recordings are compared, as text and page show them. */

import type { ComparedNumber } from '../whatif/compare.js';
import { countRange, percentRange, sizeRange, timeRange } from './units.js';

export const COMPARED_TITLES: Record<ComparedNumber['name'], string> = {
  events: 'events',
  totalAlloc: 'allocated in all',
  peakLive: 'peak live',
  meanInuse: 'mean in use',
  peakRetained: 'peak retained',
  cycles: 'cycles',
  gcCpu: 'GC CPU',
  gcCpuSeconds: 'GC CPU time',
};

export function comparedNumber(name: ComparedNumber['name'], range: ComparedNumber['before']): string {
  if (name === 'events' || name === 'cycles') return countRange(range);
  if (name === 'gcCpu') return percentRange(range);
  return name === 'gcCpuSeconds' ? timeRange(range) : sizeRange(range);
}
