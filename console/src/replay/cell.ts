/** The details of one setting: its whole result once it is simulated, until then what was seen so far. What takes long to draw comes a frame at a time, so that the page never stands still. */

import { get } from '../api.js';
import { curlLine } from '../curl.js';
import { fill, h } from '../dom.js';
import { bytes, count } from '../format.js';
import { HeapMapView } from './heap-map.js';
import { lifetimeMap } from './lifetimes.js';
import { Moment } from './moment.js';
import { classTable, gcLog } from './tables.js';
import { SoFar, Timelines } from './timeline.js';
import { INCLUDE, type Result, type Seen } from './types.js';

const nextFrame = (): Promise<void> => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

export class CellDetail {
  readonly el = h('div', { class: 'cell-detail' });
  readonly #path: string;
  readonly #map: (event: number) => string;
  readonly #note: () => string;
  readonly #abort = new AbortController();
  #soFar: SoFar | undefined;
  #ends: (() => void)[] = [];
  #begun = false;

  constructor(id: string, cell: number, note: () => string) {
    this.#path = `v1/replays/${id}/results/${cell}?include=${INCLUDE}`;
    this.#map = (event) => `v1/replays/${id}/map?cell=${cell}&event=${event}`;
    this.#note = note;
  }

  /** Ends everything that goes on for it. */
  close(): void {
    this.#abort.abort();
    this.#end();
  }

  soFar(seen: Seen): void {
    if (this.#begun) return;
    if (seen.event.length === 0) {
      if (this.#soFar === undefined && this.el.childElementCount === 0) {
        fill(this.el, h('p', { class: 'dim' }, 'It waits for its turn.'));
      }
      return;
    }
    if (this.#soFar === undefined) {
      const soFar = new SoFar(this.#note);
      this.#soFar = soFar;
      this.#ends.push(() => soFar.chart.destroy());
      fill(this.el, soFar.chart.el);
    }
    this.#soFar.set(seen);
  }

  /** Reads the result and shows it. Throws an ApiError. */
  async load(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    const { signal } = this.#abort;
    if (this.#soFar === undefined) fill(this.el, h('p', { class: 'dim' }, 'Reads the result …'));
    try {
      const result = await get<Result>(this.#path, signal);
      if (!signal.aborted) await this.#show(result);
    } catch (error) {
      this.#begun = false;
      if (!signal.aborted) throw error;
    }
  }

  #end(): void {
    for (const end of this.#ends) end();
    this.#ends = [];
  }

  async #show(result: Result): Promise<void> {
    const { signal } = this.#abort;
    this.#end();
    const said = result.warnings.map((text) => h('p', { class: 'notice', role: 'note' }, text));
    if (result.exhausted !== null) {
      const { event, size } = result.exhausted;
      said.push(
        h(
          'p',
          { class: 'notice', role: 'note' },
          `The heap was full at event ${count(event)}, which asked for ${bytes(size)}: the simulation ended there.`,
        ),
      );
    }
    if (result.timeline.event.length === 0) {
      fill(this.el, ...said, h('p', { class: 'dim' }, 'Nothing was played: there is no timeline.'));
      return;
    }
    const sizes = new Map(result.classes.map(({ sizeClass, size }) => [sizeClass, size]));
    const map = new HeapMapView(this.#map, sizes);
    const timelines = new Timelines(result, this.#note, (interval) => {
      moment.at = interval;
    });
    const moment = new Moment(result, (interval) => {
      timelines.at = interval;
      map.show(result.timeline.event[interval]);
      line.show(result.timeline.event[interval]);
    });
    const line = mapLine(this.#map);
    this.#ends.push(() => map.destroy(), ...timelines.charts.map((chart) => () => chart.destroy()));
    timelines.el.append(moment.el);
    timelines.el.classList.add('wide');
    map.el.append(line.el);
    fill(this.el, ...said, h('div', { class: 'moment-grid' }, timelines.el, moment.stack, map.el));
    moment.begin();
    // Below what is seen at first.
    await nextFrame();
    if (signal.aborted) return;
    this.el.append(timelines.where);
    await nextFrame();
    if (signal.aborted) return;
    this.el.append(classTable(result));
    await nextFrame();
    if (signal.aborted) return;
    const lifetimes = lifetimeMap(result);
    this.#ends.push(lifetimes.destroy);
    this.el.append(h('div', { class: 'two' }, lifetimes.el, gcLog(result)), curlLine('GET', this.#path));
  }
}

function mapLine(path: (event: number) => string): { el: HTMLElement; show(event: number): void } {
  const el = h('div');
  let timer: number | undefined;
  return {
    el,
    show: (event) => {
      clearTimeout(timer);
      timer = setTimeout(() => fill(el, curlLine('GET', path(event))), 200);
    },
  };
}
