/** Rules about memory that is held and not used: inside slots, inside spans, outside spans. */

import { CLASS_TO_SIZE } from '../../heap/sizeclass.js';
import type { Facts } from './facts.js';
import { listLargest, mib, percent, type Rule, rule, sizeClassName, spanClassName, sum } from './rule.js';

const MiB = 2 ** 20;

/** Share of HeapInuse that is free just after a collection, when garbage died evenly: GOGC=100 makes it a half. */
function usualFree({ gogc }: Facts): number {
  return gogc === 'off' ? 0.5 : gogc / (100 + gogc);
}

function wastedInSlots({ requested, slotBytes }: Facts): Float64Array {
  return slotBytes.map((bytes, c) => Math.max(0, bytes - requested[c]));
}

function freeInSpans({ classes }: Facts): Float64Array {
  return classes.slots.map((slots, spc) => Math.max(0, slots - classes.allocated[spc]) * CLASS_TO_SIZE[spc >> 1]);
}

export const MEMORY_RULES: readonly Rule[] = [
  rule({
    code: 'internal-fragmentation',
    title: 'Slots are much larger than what is put into them',
    threshold: { wastedShare: 0.2, slotBytes: MiB },
    read: (facts) => {
      const slotBytes = sum(facts.slotBytes);
      const wastedBytes = sum(wastedInSlots(facts));
      return {
        requestedBytes: sum(facts.requested),
        slotBytes,
        wastedBytes,
        wastedShare: slotBytes === 0 ? 0 : wastedBytes / slotBytes,
      };
    },
    finds: (n, t) => (n.slotBytes >= t.slotBytes && n.wastedShare >= t.wastedShare ? 'warning' : undefined),
    cause: (facts) =>
      listLargest(wastedInSlots(facts), sizeClassName, (c) => {
        const { requested, slotBytes } = facts;
        return `${mib(requested[c])} asked for in ${mib(slotBytes[c])} of slots`;
      }),
    meaning:
      'Go rounds every object up to its size class, and objects just above a class waste the most. The figure is of all ' +
      'allocations since the heap was made.',
    action:
      'Change the size of the objects that are allocated most to a size class (`GET …/size-classes`), or allocate several in one.',
  }),

  rule({
    code: 'external-fragmentation',
    title: 'Spans are mostly empty',
    threshold: (facts) => ({ freeShare: Math.min(0.9, usualFree(facts) + 0.2), freeBytes: 8 * MiB }),
    read: ({ mem }) => {
      const freeBytes = Math.max(0, mem.HeapInuse - mem.HeapAlloc);
      return {
        heapInuse: mem.HeapInuse,
        heapAlloc: mem.HeapAlloc,
        freeBytes,
        freeShare: mem.HeapInuse === 0 ? 0 : freeBytes / mem.HeapInuse,
      };
    },
    finds: (n, t) => {
      if (n.freeBytes < t.freeBytes || n.freeShare < t.freeShare) return undefined;
      return n.freeShare >= (1 + t.freeShare) / 2 ? 'critical' : 'warning';
    },
    cause: (facts) =>
      listLargest(freeInSpans(facts), spanClassName, (spc) => {
        const { allocated, slots } = facts.classes;
        return `${mib(freeInSpans(facts)[spc])} free, ${percent(allocated[spc] / slots[spc])} of the slots used`;
      }),
    meaning:
      'A span can serve other sizes, or go back to the operating system, only when the last object in it is gone; Go never moves objects. ' +
      'After a collection some free slots are normal (GOGC=100: a half), this is more.',
    action:
      'Find out what survives in these classes (`GET …/spans?class=`), and let it go together with what it was allocated with. ' +
      'A new heap, or time, if it was a peak.',
  }),

  rule({
    code: 'one-object-spans',
    title: 'Many spans are held by a single object',
    threshold: { share: 0.25, bytes: 4 * MiB },
    read: ({ oneObject, classes }) => {
      const spans = sum(oneObject.map((of) => of.spans));
      const all = sum(classes.spans.flatMap((by) => Array.from(by.subarray(2))));
      return { spans, bytes: sum(oneObject.map((of) => of.bytes)), allSpans: all, share: all === 0 ? 0 : spans / all };
    },
    finds: (n, t) => (n.bytes >= t.bytes && n.share >= t.share ? 'warning' : undefined),
    cause: ({ oneObject }) =>
      listLargest(
        oneObject.map((of) => of.bytes),
        spanClassName,
        (spc) => `${oneObject[spc].spans} spans, ${mib(oneObject[spc].bytes)}`,
      ),
    meaning: 'Each of these spans could go if one object went. It is how fragmentation by long-lived survivors looks.',
    action:
      'Open one of the spans in the console, or `GET …/spans/{id}`, and ask what holds its object (`GET …/objects/{address}/path`).',
  }),

  rule({
    code: 'retained-idle',
    title: 'Much idle memory is kept',
    threshold: { share: 0.5, retainedBytes: 32 * MiB },
    read: ({ mem }) => {
      const retainedBytes = Math.max(0, mem.HeapIdle - mem.HeapReleased);
      const mapped = mem.HeapInuse + retainedBytes;
      return { heapInuse: mem.HeapInuse, retainedBytes, share: mapped === 0 ? 0 : retainedBytes / mapped };
    },
    finds: (n, t) => (n.retainedBytes >= t.retainedBytes && n.share >= t.share ? 'warning' : undefined),
    cause: ({ mem, gogc }) =>
      `The most that was ever in use is ${mib(mem.PeakHeapInuse)}, now it is ${mib(mem.HeapInuse)}; ` +
      (gogc === 'off'
        ? 'with GOGC=off the background scavenger has no goal to go by.'
        : 'the background scavenger returns the rest at 1 % of one CPU.'),
    meaning:
      'Pages that no span uses and that were not given back: they count in the RSS. After a peak that is so for a while, on purpose: ' +
      'taking them again costs page faults.',
    action: 'If the peak does not come back: `POST …/scavenge`. If it must not cost memory at all: set GOMEMLIMIT.',
  }),
];
