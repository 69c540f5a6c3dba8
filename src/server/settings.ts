/**
 * From the settings that a client sends to the settings that a heap has, and back.
 *
 * The schema has checked types and grammar; here come the defaults, the limits of this server, and what concerns two
 * settings at once. Sizes are numbers inside and Go's strings outside.
 */

import { ARENA_SIZES, type Config, defaultSettings, MAX_RESERVE, MIN_RESERVE } from './config.js';
import { formatGoSize, parseGoSize } from './gosize.js';
import type { EffectiveSettings, LiveSettings } from './hosted.js';
import { Problem } from './problem.js';
import { quote } from './quote.js';
import type { Settings, SettingsInput, SettingsPatch } from './schemas/settings.js';

function invalid(field: string, allowed: string, value: unknown): Problem {
  const detail = `${quote(field)} must be ${allowed}, not ${quote(value)}.`;
  return new Problem('invalid-setting', detail, { field, allowed });
}

/** Bytes of a size that has passed the schema; a number stands for itself. */
function bytes(field: string, value: number | string): number {
  const n = typeof value === 'number' ? value : parseGoSize(value);
  if (n === undefined) throw invalid(field, 'a size of less than 2^63 bytes', value);
  return n;
}

function memoryLimit(value: number | string): number | 'off' {
  if (value === 'off') return 'off';
  const n = bytes('gomemlimit', value);
  return n === Number.POSITIVE_INFINITY ? 'off' : n;
}

/** The settings of a new heap: what the client chose, else the server's defaults. */
export function resolveSettings(input: SettingsInput, config: Config): EffectiveSettings {
  const defaults = defaultSettings(config);
  const settings: EffectiveSettings = {
    gomaxprocs: input.gomaxprocs ?? defaults.gomaxprocs,
    gogc: input.gogc ?? defaults.gogc,
    gomemlimit: input.gomemlimit === undefined ? defaults.gomemlimit : memoryLimit(input.gomemlimit),
    arenaSize: input.arenaSize === undefined ? defaults.arenaSize : bytes('arenaSize', input.arenaSize),
    reserve: input.reserve === undefined ? defaults.reserve : bytes('reserve', input.reserve),
  };
  if (settings.gomaxprocs > config.maxProcs) {
    throw invalid('gomaxprocs', `a whole number from 1 to ${config.maxProcs}`, settings.gomaxprocs);
  }
  if (!ARENA_SIZES.includes(settings.arenaSize)) throw invalid('arenaSize', '64MiB or 4MiB', input.arenaSize);
  if (settings.reserve < MIN_RESERVE || settings.reserve > MAX_RESERVE || settings.reserve % settings.arenaSize !== 0) {
    const allowed =
      `a multiple of the arena size (${formatGoSize(settings.arenaSize)}) ` +
      `from ${formatGoSize(MIN_RESERVE)} to ${formatGoSize(MAX_RESERVE)}`;
    throw invalid('reserve', allowed, input.reserve ?? formatGoSize(settings.reserve));
  }
  return settings;
}

export function resolvePatch(patch: SettingsPatch): LiveSettings {
  const live: LiveSettings = {};
  if (patch.gogc !== undefined) live.gogc = patch.gogc;
  if (patch.gomemlimit !== undefined) live.gomemlimit = memoryLimit(patch.gomemlimit);
  return live;
}

/** The name of the first setting in which two heaps differ. */
export function firstDifference(a: EffectiveSettings, b: EffectiveSettings): keyof EffectiveSettings | undefined {
  return (Object.keys(a) as (keyof EffectiveSettings)[]).find((key) => a[key] !== b[key]);
}

/** The settings as an answer shows them; sent back in a PUT they mean the same. */
export function settingsView(settings: EffectiveSettings): Settings {
  const { gomaxprocs, gogc, gomemlimit, arenaSize, reserve } = settings;
  return {
    gomaxprocs,
    gogc,
    gomemlimit: gomemlimit === 'off' ? 'off' : formatGoSize(gomemlimit),
    arenaSize: formatGoSize(arenaSize),
    reserve: formatGoSize(reserve),
  };
}
