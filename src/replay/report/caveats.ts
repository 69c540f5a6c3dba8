/**
 * What every report says aloud: what a recording of this kind cannot tell, whatever is simulated with it.
 *
 * What the reader of the format itself could not tell stands in the ingest report (`cannotTell`), and is not repeated here.
 */

import type { IngestReport } from '../events.js';

/** From so many threads on, that tracing keeps them from running side by side is more than a footnote. */
const MANY_THREADS = 4;

/** Recordings of programs with a collector. */
const COLLECTED = new Set(['goalloc', 'goheap']);

export function caveats(ingest: IngestReport): string[] {
  const { format, threads } = ingest;
  if (format === 'pprof') {
    return [
      'Order and lifetimes are a model of the profile, not a recording: sizes and rates are the program’s, the moment of each death is not.',
      'A profile has no pointer graph: all objects are taken to have pointers unless --scan says otherwise, and marking costs what it would then.',
      'The program is played as one thread at a constant rate: bursts, and threads that wait for each other, are not in it.',
    ];
  }
  const out: string[] = [];
  if (!COLLECTED.has(format)) {
    out.push(
      'Recordings of C programs have no pointer graph: which objects have pointers is a setting (--scan), and how deep they hang together is not known.',
      'The time of a free is not the time when an object became unreachable: a Go program drops most objects earlier than a C program frees them, some later.',
    );
  } else if (format === 'goalloc') {
    out.push(
      'Frees are where the recorded program’s own collector found the object dead: it was given up some time before that.',
    );
  }
  out.push(
    'The program’s events run in the order in which they were recorded, one thread at a time: only the collector runs beside it.',
  );
  if (threads >= MANY_THREADS) {
    out.push(
      `WARNING: ${threads} threads were recorded. Tracing makes threads wait for each other: their interleaving, and with it how full each P’s caches are, differs from that of an untraced run.`,
    );
  } else if (threads > 1) {
    out.push(
      `${threads} threads were recorded: tracing makes them wait for each other, so that their interleaving differs from that of an untraced run.`,
    );
  } else {
    out.push(
      'Tracing slows a program down: recorded times, where a format has them, are longer than those of an untraced run.',
    );
  }
  return out;
}
