/**
 * Heap profiles of real Go programs, simulated, against what the programs did: one line for each profile.
 *
 * A folder holds `NAME.rate1.pb.gz` or `NAME.rate512k.pb.gz` and, of a run of the same program under GODEBUG=gctrace=1,
 * `NAME.gctrace-bench.txt`. Each profile is calibrated by its log (docs/profile-model.md), played with GOGC=100 and the settings that the model suggests, and
 * laid over the log. `--volume profile` plays the profile's volume in the place of the log's.
 *
 *     node dist/bench/profile-cycles.js [--folder test/fixtures/replay/pprof] [--volume log|profile] [--seeds 3]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULT_SETTINGS } from '../src/replay/defaults.js';
import { calibrate } from '../src/replay/profile/calibrate.js';
import { parseGctrace } from '../src/replay/profile/gctrace.js';
import { generate, planStream } from '../src/replay/profile/generator.js';
import { modelFromProfile, suggestedSettings } from '../src/replay/profile/model.js';
import { type OverlayRow, overlay } from '../src/replay/profile/overlay.js';
import { readProfile } from '../src/replay/profile/read.js';
import { finish } from '../src/replay/sim/finish.js';
import { Simulator } from '../src/replay/sim/simulator.js';

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: 'test/fixtures/replay/pprof' },
    volume: { type: 'string', default: 'log' },
    seeds: { type: 'string', default: '1' },
  },
});
const { folder } = values;
const volume = values.volume === 'profile' ? 'profile' : 'log';

const COLUMNS = [
  'cycles',
  'cycles begun by the pacer',
  'live heap, mean',
  'heap at start of a cycle, mean',
  'heap goal, mean',
  'GC CPU',
];

function cell(row: OverlayRow | undefined): string {
  if (row === undefined) return '';
  const show = (x: number): string =>
    row.unit === 'bytes'
      ? (x / 2 ** 20).toFixed(2)
      : row.unit === 'share'
        ? (x * 100).toFixed(1)
        : String(Math.round(x));
  const error =
    row.errorPercent === null ? '' : ` (${row.errorPercent >= 0 ? '+' : ''}${row.errorPercent.toFixed(0)} %)`;
  return `${show(row.predicted)} / ${show(row.measured)}${error}`;
}

const line = (cells: string[]): void => console.log(`| ${cells.join(' | ')} |`);
line(['profile', 'seed', ...COLUMNS]);
line(['profile', 'seed', ...COLUMNS].map(() => '---'));
for (const name of readdirSync(folder).sort()) {
  const match = /^(.+)\.rate(1|512k)\.pb\.gz$/.exec(name);
  if (match === null) continue;
  const gctrace = parseGctrace(readFileSync(join(folder, `${match[1]}.gctrace-bench.txt`), 'utf8'));
  const plain = modelFromProfile(readProfile(readFileSync(join(folder, name))));
  const model = calibrate(plain, gctrace, { volume });
  const plan = planStream(model);
  for (let seed = 1; seed <= Number(values.seeds); seed++) {
    const sim = new Simulator(
      { ...DEFAULT_SETTINGS, ...suggestedSettings(model) },
      { events: plan.events, slots: null },
    );
    generate(model, { write: (words, records) => void sim.run(words, records) }, { seed });
    const { rows } = overlay(finish(sim), { gctrace }, { timeShare: plan.timeShare });
    const byName = new Map(rows.map((row) => [row.name, row]));
    line([name.replace('.pb.gz', ''), String(seed), ...COLUMNS.map((column) => cell(byName.get(column)))]);
  }
}
