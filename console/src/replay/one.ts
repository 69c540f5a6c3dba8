/**
 * The page of one replay: where it is, what to set, the grid, the curve, and the details of the chosen setting.
 *
 *      stream ──▶ watch ──▶ head, grid (while it runs: at most four times a second)
 *                   └─ a cell is done, or all ──▶ its details, the advice
 */

import { ApiError, attempt, get, request, send } from '../api.js';
import { curlBox, curlLine, curlText } from '../curl.js';
import { button, type Fact, facts, fill, h, prose, setText } from '../dom.js';
import { bytes, count, percent, perSecond, seconds } from '../format.js';
import type { StreamState } from '../stream.js';
import { CellDetail } from './cell.js';
import type { Chart } from './chart.js';
import { curveChart } from './curve.js';
import { gridTable } from './grid-table.js';
import { STATE_WORDS, when } from './list.js';
import { pressed } from './pressed.js';
import { problemNotice } from './start.js';
import { save } from './tables.js';
import { ended, type ReplayDocument, type ReplayView } from './types.js';
import { Watch } from './watch.js';

const DRAW_EVERY = 250;

export interface OneEvents {
  /** The address of a cell. */
  go(cell: number): void;
  /** Its recording, under other settings. */
  again(id: string, name: string): void;
  /** Back to the list. */
  leave(): void;
}

export class One {
  readonly el: HTMLElement;
  readonly id: string;
  readonly #on: OneEvents;
  readonly #watch: Watch;
  readonly #title = h('h2', { tabindex: -1 });
  readonly #state = h('span', { class: 'tag', role: 'status' });
  readonly #connection = h('span', { class: 'dim small-text', role: 'status' });
  readonly #actions = h('div', { class: 'row' });
  readonly #progress = h('div', { class: 'replay-progress' });
  readonly #caveats = h('div', { class: 'caveats' });
  readonly #advice = h('div');
  readonly #grid = h('div');
  readonly #curve = h('div');
  readonly #detail = h('div');
  readonly #ingest = h('div');
  #chosen = 0;
  #cell: CellDetail | undefined;
  #chart: Chart | undefined;
  #timer: number | undefined;
  #drawn = '';
  #told = false;

  constructor(id: string, on: OneEvents) {
    this.id = id;
    this.#on = on;
    const back = button('← All replays', () => on.leave(), { class: 'small' });
    this.el = h(
      'div',
      { class: 'one-replay' },
      h(
        'div',
        { class: 'row' },
        back,
        this.#title,
        this.#state,
        this.#connection,
        h('span', { class: 'space' }),
        this.#actions,
      ),
      this.#progress,
      this.#advice,
      this.#grid,
      this.#caveats,
      this.#curve,
      this.#detail,
      this.#ingest,
    );
    this.#watch = new Watch(id, {
      changed: () => this.#soon(),
      result: (cell) => {
        if (cell === this.#chosen) this.#load();
      },
      ended: () => this.#draw(),
      connection: (state) => this.#connected(state),
    });
    this.#watch.start();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watch.close();
    this.#cell?.close();
    this.#chart?.destroy();
  }

  choose(cell: number): void {
    if (cell === this.#chosen && this.#cell !== undefined) return;
    this.#chosen = cell;
    this.#cell?.close();
    this.#cell = undefined;
    if (this.#watch.view !== undefined) this.#draw();
  }

  #connected(state: StreamState): void {
    const view = this.#watch.view;
    const over = view !== undefined && ended(view.state);
    if (state.kind === 'waiting' && !over) setText(this.#connection, 'the stream broke; connects again …');
    else setText(this.#connection, '');
    if (state.kind === 'ended' && !over) {
      setText(this.#connection, '');
      fill(this.#progress, h('p', { class: 'notice' }, state.why));
    }
  }

  /** Draws at most so often: progress comes five times a second. */
  #soon(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#draw();
      },
      this.#drawn === '' ? 0 : DRAW_EVERY,
    );
  }

  #draw(): void {
    const { view } = this.#watch;
    if (view === undefined) return;
    if (pressed()) {
      this.#soon();
      return;
    }
    if (this.#chosen >= view.cells.length) this.#chosen = 0;
    setText(this.#title, view.name);
    setText(this.#state, STATE_WORDS[view.state]);
    this.#state.dataset.state = view.state;
    this.#drawProgress(view);
    this.#drawGrid(view);
    if (view.ingest !== null && !this.#told) void this.#tell();
    const { state, ingest, advice } = view;
    if (this.#drawn !== state) {
      this.#drawn = state;
      this.#drawActions(view);
      fill(this.#advice, advice !== null && this.#adviceCard(view));
      fill(this.#ingest, ingest !== null && ingestCard(view));
      this.#chart?.destroy();
      this.#chart = undefined;
      fill(this.#curve);
      if (advice !== null && view.cells.length > 1) {
        this.#chart = curveChart(view.cells, advice, () => `replay of ${view.name}`);
        fill(this.#curve, this.#chart.el);
      }
    }
    this.#drawCell(view);
  }

  #drawActions({ id, name, state }: ReplayView): void {
    const going = !ended(state);
    const end = async (): Promise<void> => {
      if ((await attempt(() => send('DELETE', `v1/replays/${id}`).then(() => true))) && !going) this.#on.leave();
    };
    const file = async (path: string, as: string): Promise<void> => {
      const blob = await attempt(async () =>
        (await request(`v1/replays/${id}/${path}`, { headers: { accept: '*/*' } })).blob(),
      );
      if (blob !== undefined) save(as, blob);
    };
    const done = state === 'done';
    fill(
      this.#actions,
      done &&
        button('Report', () => void file('report.html', `${name}.html`), {
          class: 'small',
          'aria-label': 'Save the report as one page',
        }),
      done &&
        button('CSV', () => void file('report.csv?table=grid', `${name}.csv`), {
          class: 'small',
          'aria-label': 'Save the grid as CSV',
        }),
      done && button('Other settings', () => this.#on.again(id, name), { class: 'small' }),
      button(going ? 'Cancel' : 'Remove', () => void end(), { class: 'small' }),
    );
  }

  #drawProgress({ id, state, progress, error, variations, cells }: ReplayView): void {
    if (state === 'done') {
      fill(this.#progress);
      return;
    }
    if (error !== null || state === 'failed' || state === 'cancelled') {
      const detail = error?.detail ?? 'Somebody cancelled it. What of it was done is gone.';
      const code = error?.code ?? 'replay-cancelled';
      const title = state === 'failed' ? 'The replay failed' : 'The replay was cancelled';
      fill(this.#progress, problemNotice({ type: `/problems/${code}`, title, status: 0, code, detail }));
      return;
    }
    const { share, events, eventsPerSecond, secondsLeft } = progress;
    const what = [`${count(events)} events ${state === 'parsing' ? 'read' : 'simulated'}`];
    if (share !== null) what.unshift(percent(share));
    if (eventsPerSecond > 0) what.push(perSecond(eventsPerSecond));
    if (secondsLeft !== null) what.push(`${seconds(secondsLeft)} left`);
    if (variations > 1 && state === 'running')
      what.push(`${cells.length} settings, each ${variations} times where it is not exact`);
    // The bar and its line stay, so that a reader's focus does.
    const bar = this.#progress.querySelector('progress');
    const said = this.#progress.querySelector('p');
    if (bar !== null && said !== null) {
      if (share !== null) bar.value = share;
      setText(said, what.join(' · '));
      return;
    }
    fill(
      this.#progress,
      h('progress', { max: 1, value: share ?? undefined, 'aria-label': 'Progress' }),
      h('p', { class: 'dim' }, what.join(' · ')),
      curlBox(curlText('GET', `v1/replays/${id}/events`).replace('curl -s', 'curl -sN')),
    );
  }

  #drawGrid({ cells, advice, events }: ReplayView): void {
    const focused = document.activeElement?.getAttribute('data-cell');
    const state = {
      cells,
      chosen: this.#chosen,
      recommended: advice?.recommended ?? null,
      events,
    };
    const left = this.#grid.querySelector('.scroll')?.scrollLeft ?? 0;
    const table = gridTable(state, (cell) => this.#on.go(cell));
    const note =
      cells[0]?.ranges === null
        ? ''
        : 'Changes against the base, where they are more than Go itself differs from run to run. A setting opens below.';
    fill(
      this.#grid,
      h(
        'section',
        { class: 'card', 'aria-label': 'Settings' },
        h('h3', {}, 'Settings'),
        h('p', { class: 'dim small-text' }, note),
        table,
      ),
    );
    table.scrollLeft = left;
    if (focused) this.#grid.querySelector<HTMLElement>(`[data-cell="${CSS.escape(focused)}"]`)?.focus();
  }

  #drawCell(view: ReplayView): void {
    const cell = view.cells[this.#chosen];
    if (cell === undefined || view.state === 'failed' || view.state === 'cancelled') {
      fill(this.#detail);
      return;
    }
    if (this.#cell === undefined) {
      this.#cell = new CellDetail(view.id, this.#chosen, () => `${view.name}, ${cell.name}`);
      fill(this.#detail, h('h3', { class: 'cell-title' }, cell.name), this.#cell.el);
    }
    if (cell.state === 'done') this.#load();
    else this.#cell.soFar(this.#watch.seen[this.#chosen]);
  }

  #load(): void {
    const cell = this.#cell;
    cell?.load().catch((error) => {
      // Its result may be written a moment after its headline is told; the end of the replay asks again.
      if (!(error instanceof ApiError)) throw error;
      if (this.#watch.view?.state === 'done') fill(cell.el, problemNotice(error.problem));
    });
  }

  /** What is true of every replay of such a recording, said before any number of it is believed. */
  async #tell(): Promise<void> {
    this.#told = true;
    const found = await get<ReplayDocument>(`v1/replays/${this.id}`).catch(() => undefined);
    if (found === undefined) {
      this.#told = false;
      return;
    }
    const caveats = found.caveats.map((text) =>
      h('li', { class: text.startsWith('WARNING') ? 'warning' : '' }, ...prose(text)),
    );
    fill(
      this.#caveats,
      caveats.length > 0 &&
        h('div', { class: 'notice', role: 'note' }, h('b', {}, 'What this cannot tell'), h('ul', {}, ...caveats)),
    );
  }

  #adviceCard({ advice, cells }: ReplayView): HTMLElement | false {
    if (advice === null) return false;
    const { sentence, environment, why, recommended } = advice;
    const set = environment === '' ? null : curlBox(environment, 'The environment to set');
    const base = cells[0].name;
    return h(
      'section',
      { class: 'card advice', 'aria-label': 'What to set' },
      h('p', { class: 'advice-sentence' }, sentence === '' ? why : `${sentence}.`),
      sentence !== '' && h('p', { class: 'dim' }, recommended === 0 ? why : `Against the base, ${base}. ${why}`),
      set,
    );
  }
}

function ingestCard({ id, ingest, hash, createdAt, variations, bytes: size }: ReplayView): HTMLElement {
  if (ingest === null) return h('div');
  const rows: Fact[] = [
    [
      'format',
      `${ingest.format}${ingest.formatVersion ? ` ${ingest.formatVersion}` : ''}, ${ingest.compression === 'none' ? 'plain' : ingest.compression}`,
    ],
    ['size', `${bytes(ingest.bytes)}, unpacked ${bytes(ingest.textBytes)}`],
    ['events', count(ingest.events)],
    ['mallocs, frees, reallocs', `${count(ingest.mallocs)}, ${count(ingest.frees)}, ${count(ingest.reallocs)}`],
    ['allocated', bytes(ingest.totalBytes)],
    ['live at most', `${bytes(ingest.peakLiveBytes)}, ${count(ingest.peakLiveObjects)} objects`],
    ['never freed', `${bytes(ingest.liveBytes)}, ${count(ingest.liveObjects)} objects`],
    ['threads', count(ingest.threads)],
    ['recorded time', ingest.durationNs === null ? 'none' : seconds(ingest.durationNs / 1e9)],
    ['unknown frees', count(ingest.unknownFrees)],
    ['lines that are no event', count(ingest.badLines)],
    ['pairing of frees', ingest.pairing],
    ['replayed', when(createdAt)],
    ['variations', count(variations)],
    ['results on disk', bytes(size)],
    ['SHA-256', hash === null ? '–' : `${hash.slice(0, 16)}…`, hash ?? undefined],
  ];
  const said = [
    ...(ingest.truncated ? ['It ends in the middle: it was replayed up to the cut.'] : []),
    ...ingest.cannotTell,
  ];
  const bad = ingest.bad.map(({ at, unit, why, text }) =>
    h('li', {}, `${unit} ${count(at)}: ${why} `, h('code', {}, text)),
  );
  return h(
    'section',
    { class: 'card', 'aria-label': 'The recording' },
    h('h3', {}, 'The recording'),
    facts(rows),
    said.length > 0 && h('ul', { class: 'suggestions' }, ...said.map((text) => h('li', {}, text))),
    bad.length > 0 && h('ul', { class: 'suggestions' }, ...bad),
    curlLine('GET', `v1/replays/${id}`),
    curlLine('DELETE', `v1/replays/${id}`),
  );
}
