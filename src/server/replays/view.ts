/** A replay as answers and events show it. */

import { caveats } from '../../replay/report/caveats.js';
import { RESULT_VERSION, type SimResult } from '../../replay/result.js';
import { type Advice, advise, type Candidate, sentence } from '../../replay/whatif/advice.js';
import { cellName, environmentLine, varying } from '../../replay/whatif/axes.js';
import { coordinates } from './grid.js';
import { CORE, type Part } from './parts.js';
import type { Replays } from './registry.js';
import type { Cell, Replay } from './replay.js';

/** How far it is. Rates and what is left are of the parsing or of the simulations, whichever is going on. */
export function progressView(replay: Replay, now = Date.now()) {
  const { state, parsed, work, startedAt, createdAt } = replay;
  const parsing = state === 'parsing';
  const [done, total] = parsing ? [parsed.bytes, parsed.total] : [work.done, work.total];
  const share = state === 'done' ? 1 : total > 0 ? Math.min(1, done / total) : parsing ? null : 0;
  const seconds = (now - (parsing ? createdAt : (startedAt ?? createdAt)).getTime()) / 1000;
  const busy = parsing || state === 'running';
  const events = parsing ? parsed.events : work.done;
  return {
    share,
    bytes: parsed.bytes,
    events,
    eventsPerSecond: busy && seconds > 0 ? Math.round(events / seconds) : 0,
    secondsLeft: busy && share !== null && share > 0 ? Math.round((seconds / share - seconds) * 10) / 10 : null,
  };
}

/** The cells as a stream tells them, again and again. */
export function cellsView(replay: Replay) {
  return replay.cells.map(({ state, events, seconds, cycles, inuse, live }, cell) => ({
    cell,
    state,
    events,
    seconds,
    cycles,
    inuse,
    live,
  }));
}

/** Of what is done: names, and what to set. The advice reads settings, headlines and ranges of a result, and whether its heap was full. */
function candidates({ cells }: Replay): Candidate[] {
  const axes = varying(cells.map(({ settings }) => settings));
  return cells.map(({ settings, headline, exhausted, ranges }) => ({
    name: cellName(settings, axes),
    result: { settings, headline, exhausted } as SimResult,
    ranges: ranges as Candidate['ranges'],
  }));
}

export function replayView(replay: Replay, cached = false) {
  const { id, name, source, state, createdAt, startedAt, endedAt, error, hash, ingest, bytes, variations } = replay;
  const all = candidates(replay);
  const seen = cellsView(replay);
  const advice: Advice | null = state === 'done' ? advise(all) : null;
  const base = all[0];
  return {
    id,
    name,
    source,
    cached,
    state,
    createdAt: createdAt.toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    endedAt: endedAt?.toISOString() ?? null,
    error: error === null ? null : { code: error.code, detail: error.message },
    hash,
    ingest,
    bytes,
    variations,
    events: replay.events,
    progress: progressView(replay),
    cells: replay.cells.map(({ settings, headline, ranges }, i) => ({
      ...seen[i],
      ...coordinates(settings),
      name: all[i].name,
      environment: environmentLine(settings),
      sentence: i === 0 || ranges === null || base.ranges === null ? '' : sentence(all[i], base),
      headline,
      ranges,
    })),
    advice,
    profile: replay.profiled?.facts ?? null,
  };
}

/** Without what only one who looks at that replay wants to see. */
export function listedView(replay: Replay) {
  const { ingest, cells, advice, profile: _, ...rest } = replayView(replay);
  const { format, events, threads, totalBytes, peakLiveBytes } = ingest ?? {};
  return {
    ...rest,
    ingest: ingest === null ? null : { format, events, threads, totalBytes, peakLiveBytes },
    cells: cells.length,
    sentence: advice?.sentence ?? '',
    environment: advice?.environment ?? '',
  };
}

/** One result as JSON, with the parts that were asked for. */
export async function resultText(
  replays: Pick<Replays, 'text'>,
  replay: Replay,
  { places }: Cell,
  parts: readonly Part[],
): Promise<string> {
  if (places === null) return 'null';
  const texts = [(await replays.text(replay, places[CORE])).toString()];
  for (const part of parts) texts.push(`,"${part}":`, (await replays.text(replay, places[part])).toString());
  texts.push('}');
  return texts.join('');
}

/** The whole document, a result at a time. */
export async function* documentText(
  replays: Pick<Replays, 'text'>,
  replay: Replay,
  parts: readonly Part[],
): AsyncGenerator<string> {
  yield `${JSON.stringify(replayView(replay)).slice(0, -1)},"version":${RESULT_VERSION},"results":[`;
  for (const [i, cell] of replay.cells.entries()) {
    yield `${i === 0 ? '' : ','}${await resultText(replays, replay, cell, parts)}`;
  }
  yield `],"caveats":${JSON.stringify(replay.ingest === null ? [] : caveats(replay.ingest))}}`;
}
