/**
 * How fast a recording is simulated, against real Go doing the same allocations.
 *
 * Both sides get the parsed stream, GOGC=100 and one P, and take turns: a round of Go in a process of its own, a round here, in one thread. Go has to
 * zero memory and the simulation does not; the simulation keeps lifetimes, classes and a timeline, and Go does not. Target: at least half of Go's
 * events a second in the median of the recordings, and never under 5 million.
 *
 *     GO=/usr/lib/go-1.27/bin/go node dist/bench/replay-sim.js [--rounds 7]
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DEFAULT_SETTINGS } from '../src/replay/defaults.js';
import { finish } from '../src/replay/sim/finish.js';
import { Simulator } from '../src/replay/sim/simulator.js';
import { type Trace, traces } from '../test/oracle/recordings.js';
import { median, option, verdict } from './processes.js';
import { GoReplay } from './replay-peer.js';

/** Events a second of one whole simulation, its result included. */
function simulate({ report, chunks }: Trace): number {
  const began = performance.now();
  const sim = new Simulator({ ...DEFAULT_SETTINGS, rootsTable: 'exact' }, report);
  for (const chunk of chunks) if (!sim.run(chunk, chunk.length / 2)) break;
  finish(sim);
  return report.events / ((performance.now() - began) / 1000);
}

/** Heaps of address space that nobody uses any more would keep the system from starting Go's process. */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const rounds = option('rounds', 7);
const go = GoReplay.find();
const ratios: number[] = [];
let slowest = Number.POSITIVE_INFINITY;
for await (const trace of traces()) {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = -2; round < rounds; round++) {
    collect();
    const real = go?.rounds(trace, '100', ['-rounds', '3']).map((r) => r.eventsPerSec);
    // The collection has thrown compiled code away.
    simulate(trace);
    simulate(trace);
    const own = [simulate(trace), simulate(trace), simulate(trace)];
    // The first rounds compile.
    if (round < 0) continue;
    ours.push(median(own));
    if (real) theirs.push(median(real));
  }
  const own = median(ours);
  slowest = Math.min(slowest, own);
  const parts = [trace.name.padEnd(18), `goheap ${(own / 1e6).toFixed(1).padStart(5)} M events/s`];
  if (go) {
    const ratio = own / median(theirs);
    ratios.push(ratio);
    parts.push(`Go ${(median(theirs) / 1e6).toFixed(1).padStart(5)} M events/s`, `ratio ${ratio.toFixed(2)}`);
  }
  console.log(parts.join('  '));
}
if (go) console.log(`median ratio ${verdict(median(ratios), 0.5, true)}`);
console.log(`slowest, in M events/s: ${verdict(slowest / 1e6, 5, true)}`);
