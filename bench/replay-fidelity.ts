/**
 * How close the simulation comes to real Go 1.27.4 doing the same allocations: the table of the README, from the recorded golden data. Needs no Go.
 *
 *     node dist/bench/replay-fidelity.js
 *
 * exact     GOGC=off: the greatest difference of HeapAlloc at 100 samples, in bytes, and of HeapInuse
 * forced    the same with a collection at each sample; HeapInuse in the mean
 * stw, GOGC, limit     cycles, simulated / real (real Go's own repetitions from least to most)
 * mean      of HeapInuse over the samples, GOGC=50, 100, 200, against the median of 13 runs of real Go, which themselves differ by the range in brackets
 */

import { traces } from '../test/oracle/recordings.js';
import { compare, cyclesOf, type GoRun, goldenRuns, meanInuse, variationOfGo } from '../test/oracle/replay-golden.js';
import { median } from './processes.js';

const variation = variationOfGo();

const percent = (x: number): string => `${x >= 0 ? '+' : '−'}${Math.abs(100 * x).toFixed(1)} %`;
const range = (values: number[]): string => {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? String(least) : `${least}–${most}`;
};

console.log(
  '| recording | exact: HeapAlloc, HeapInuse | forced | stw 50, 100, 200 | GOGC=50, 100, 200 | limit | mean HeapInuse |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for await (const trace of traces()) {
  const golden = goldenRuns(trace.name);
  const runsOf = (label: string): GoRun[] => golden.get(label) as GoRun[];
  const off = compare(runsOf('off-noscan')[0], trace);
  const forced = compare(runsOf('forced-noscan')[0], trace);
  const cycles = (label: string, more: number[] = []): string => {
    const runs = runsOf(label);
    return `${compare(runs[0], trace).cycles}/${range([...cyclesOf(runs), ...more])}`;
  };
  const stw = [50, 100, 200].map((g) => cycles(`stw-gogc${g}-noscan`)).join(', ');
  const concurrent = [50, 100, 200].map((g) => cycles(`gogc${g}-noscan`)).join(', ');
  const means = [50, 100, 200].map((g) => {
    const [run] = runsOf(`gogc${g}-noscan`);
    const golden = meanInuse(run);
    const real = [golden, ...(variation.runs[trace.name]?.[g]?.meanInuse ?? [])];
    const ours = (1 + compare(run, trace).meanInuse) * golden;
    const middle = median(real);
    return `${percent(ours / middle - 1)} [${percent(Math.min(...real) / middle - 1)}, ${percent(Math.max(...real) / middle - 1)}]`;
  });
  const kib = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`;
  console.log(
    `| ${trace.name} | ${off.heapAlloc} B, ${kib(off.heapInuse)} | ${forced.heapAlloc} B, ${percent(forced.meanInuse)} | ${stw} | ${concurrent} | ${cycles('limit-gogcoff-noscan')} | ${means.join(', ')} |`,
  );
}
