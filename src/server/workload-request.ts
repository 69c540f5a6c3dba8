/** From what a client asks of a workload to what the workload goes by, with every default filled in; and back to JSON. */

import { DEFAULT_PROFILE, KINDS, type Kind } from '../workloads/catalog.js';
import { WORDS } from '../workloads/texts.js';
import type { Parameters, Workload } from '../workloads/workload.js';
import { GO_DURATION_WORDS, parseGoDuration } from './goduration.js';
import { parseGoSize } from './gosize.js';
import type { EffectiveSettings } from './hosted.js';
import { Problem } from './problem.js';
import { quote } from './quote.js';
import { MAX_DURATION, type WorkloadBody } from './schemas/workloads.js';

const MINUTE = 60_000;
const DEFAULT_K = 64;
/** Of a reservation, where nothing is said: the rest is garbage, and what others allocate. */
const OF_RESERVE = 0.5;

const invalid = (field: string, allowed: string, value: unknown): Problem =>
  new Problem('validation-failed', `"${field}" must be ${allowed}, not ${quote(value)}.`, { field, allowed });

function duration(value: number | string): number {
  const ms = typeof value === 'number' ? value * 1000 : parseGoDuration(value);
  if (ms === undefined || ms < 1 || ms > MAX_DURATION) {
    throw invalid('duration', `a number of seconds, or ${GO_DURATION_WORDS}, more than nothing and at most 24h`, value);
  }
  return Math.round(ms);
}

function bytesOf(value: number | string | undefined, kind: Kind, settings: EffectiveSettings): number {
  const { reserve, gomemlimit } = settings;
  if (value !== undefined) {
    const bytes = typeof value === 'number' ? value : (parseGoSize(value) ?? 0);
    if (bytes < 1 || bytes > reserve)
      throw invalid('bytes', `a size from 1 byte to ${reserve}, the reservation`, value);
    return bytes;
  }
  if (kind.ofLimit !== undefined && gomemlimit !== 'off') return Math.floor(gomemlimit * kind.ofLimit);
  return Math.min(kind.bytes, Math.floor(reserve * OF_RESERVE));
}

export function workloadParameters(body: WorkloadBody, settings: EffectiveSettings): Parameters {
  const kind: Kind = KINDS[body.workload];
  if (kind.ofLimit !== undefined && settings.gomemlimit === 'off') {
    throw new Problem('workload-needs-limit', `The heap has no GOMEMLIMIT, and "${body.workload}" needs one.`);
  }
  const { p = 'all' } = body;
  if (p !== 'all' && p >= settings.gomaxprocs) {
    const allowed = `a whole number from 0 to ${settings.gomaxprocs - 1}, or "all"`;
    throw new Problem('invalid-p', `The heap has no P ${p}.`, { field: 'p', allowed });
  }
  for (const [field, of] of [
    ['k', 'fragmentation'],
    ['profile', 'gcguide'],
  ] as const) {
    if (body[field] !== undefined && body.workload !== of) {
      throw new Problem('validation-failed', `"${field}" belongs to the workload "${of}".`, {
        field,
        allowed: `left out with ${body.workload}`,
      });
    }
  }
  const profile = body.profile === undefined ? DEFAULT_PROFILE : [body.profile].flat();
  const whole = profile.reduce((sum, stage) => sum + stage.duration * 1000, 0);
  const usual = body.workload === 'gcguide' && body.profile !== undefined ? Math.min(whole, MAX_DURATION) : MINUTE;
  return {
    workload: body.workload,
    seed: body.seed ?? 1,
    duration: body.duration === undefined ? usual : duration(body.duration),
    rate: body.rate ?? kind.rate,
    bytes: bytesOf(body.bytes, kind, settings),
    p,
    keep: body.keep ?? false,
    k: body.k ?? DEFAULT_K,
    profile,
  };
}

export function workloadView(workload: Workload) {
  const { id, parameters, tally, state, ending, startedAt, endedAt, rounds, late, setbacks, live } = workload;
  const { workload: name, seed, rate, bytes, p, keep, k, profile } = parameters;
  const { shows, alerts } = WORDS[name];
  return {
    id,
    workload: name,
    shows,
    alerts: [...alerts],
    state,
    ending: ending ?? null,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
    parameters: {
      ...{ seed, duration: parameters.duration / 1000, rate, bytes, p, keep },
      ...(name === 'fragmentation' ? { k } : {}),
      ...(name === 'gcguide' ? { profile: [...profile] } : {}),
    },
    progress: {
      rounds,
      late,
      allocs: tally.allocs,
      allocatedBytes: tally.bytes,
      frees: tally.frees,
      stores: tally.stores,
      collections: tally.collections,
      failed: tally.failed,
      exhausted: tally.exhausted,
      setbacks,
    },
    live,
  };
}
