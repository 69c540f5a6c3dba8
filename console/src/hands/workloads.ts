/**
 * Workloads: loads that the server makes itself. One form starts them; a list says how far each is, and stops it.
 *
 * The list is read once a second while the tab is open and one runs.
 */

import { type Fires, KIND_NAMES, type KindName, WORDS } from '../../../src/workloads/texts.js';
import { attempt, get, send } from '../api.js';
import { curlLine } from '../curl.js';
import { button, fill, h } from '../dom.js';
import type { Feed } from '../feed.js';
import { bytes, clock, count, seconds } from '../format.js';
import { Poller } from '../view.js';
import { actionCard } from './action.js';
import { choiceField, type Field, numberField, textField, valuesOf } from './field.js';
import { GUIDE } from './workload-kinds.js';

interface Workload {
  id: string;
  workload: string;
  shows: string;
  alerts: Fires[];
  state: 'running' | 'stopping' | 'done';
  ending: string | null;
  startedAt: string;
  endedAt: string | null;
  parameters: { seed: number; duration: number; rate: number; bytes: number };
  progress: { rounds: number; late: number; allocs: number; frees: number; stores: number; exhausted: number };
  live: { objects: number; bytes: number };
}

const ENDINGS: Record<string, string> = {
  duration: 'its time was over',
  stopped: 'it was stopped',
  'heap-full': 'the heap was full',
  'heap-deleted': 'the heap was deleted',
  shutdown: 'the server ended',
};

/** A sentence about an alert. */
const said = ({ alert, when }: Fires): string => `Fires ${alert} where ${when}.`;

/** A field of JSON, for the profile of `gcguide`. */
function jsonField(name: string, label: string): Field & { text: HTMLTextAreaElement } {
  const text = h('textarea', { name, rows: 4, spellcheck: 'false', placeholder: GUIDE });
  return {
    name,
    text,
    el: h('label', { class: 'field wide' }, h('span', {}, label), text),
    value: () => {
      if (text.value.trim() === '') return undefined;
      try {
        return JSON.parse(text.value);
      } catch {
        return text.value;
      }
    },
  };
}

export class Workloads {
  readonly cards: HTMLElement[];
  readonly #feed: Feed;
  readonly #list = h('div', { class: 'workloads' });
  readonly #poller: Poller;

  constructor(feed: Feed) {
    this.#feed = feed;
    this.#poller = new Poller(feed, (signal) => this.#read(signal));
    const names = KIND_NAMES.map((name): [string, string] => [name, name]);
    const which = choiceField('workload', 'Workload', names);
    const profile = jsonField('profile', 'Stages, as JSON of the GC guide');
    const shows = h('p', { class: 'wide' });
    const fields = [
      which,
      numberField('duration', 'Seconds', { value: 60, min: 1, max: 86_400 }),
      numberField('rate', 'Operations a second', {
        min: 1,
        max: 200_000,
        help: 'Left empty, the default of the workload',
      }),
      textField('bytes', 'Holds at most', '64MiB', 'Left empty, the default of the workload'),
      numberField('seed', 'Seed', { value: 1, leaveOut: 1, help: 'The same seed makes the same sequence' }),
      choiceField<boolean | undefined>('keep', 'At its end', [
        ['free all', undefined],
        ['keep its objects', true],
      ]),
    ];
    const form = h('div', { class: 'fields' }, ...fields.map(({ el }) => el), profile.el, shows);
    const isGuide = (): boolean => which.value() === 'gcguide';
    const follow = (): void => {
      const { shows: what, alerts } = WORDS[which.value() as KindName];
      shows.textContent = [`${what}.`, ...alerts.map(said)].join(' ');
      profile.el.hidden = !isGuide();
    };
    form.addEventListener('input', follow);
    follow();
    const start = actionCard<Workload>(feed, {
      title: 'Start a workload',
      what: 'A load that the server makes itself: bounded in time, rate and bytes, the same sequence for the same seed.',
      run: 'Start',
      path: 'workloads',
      fields: [form],
      body: () => valuesOf(isGuide() ? [...fields, profile] : fields),
      done: ({ id, alerts }) => [
        `${id} runs`,
        alerts.length === 0 ? '; it fires no alert' : `. ${alerts.map(said).join(' ')}`,
      ],
      after: () => void this.#read(new AbortController().signal).catch(() => undefined),
    });
    const list = h(
      'section',
      { class: 'card action', 'aria-label': 'Workloads' },
      h('h3', {}, 'Workloads'),
      this.#list,
    );
    this.cards = [start.el, list];
    feed.on('heap', () => fill(this.#list));
  }

  show(): void {
    this.#poller.start();
  }

  hide(): void {
    this.#poller.stop();
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { workloads } = await get<{ workloads: Workload[] }>(this.#feed.path('workloads'), signal);
    // The progress of one is not in any sample.
    if (workloads.some(({ state }) => state !== 'done')) this.#poller.soon();
    const none = h('p', { class: 'dim' }, 'None has run on this heap.');
    const focused = document.activeElement?.getAttribute('data-stop');
    fill(this.#list, ...(workloads.length === 0 ? [none] : workloads.map((workload) => this.#row(workload))));
    if (focused) this.#list.querySelector<HTMLElement>(`[data-stop="${CSS.escape(focused)}"]`)?.focus();
  }

  #row(workload: Workload): HTMLElement {
    const { id, shows, state, ending, startedAt, endedAt, parameters, progress, live, alerts } = workload;
    const began = Date.parse(startedAt);
    const ran = ((endedAt === null ? (this.#feed.last?.t ?? Date.now()) : Date.parse(endedAt)) - began) / 1000;
    const stop = async (): Promise<void> => {
      await attempt(() => send('DELETE', this.#feed.path(`workloads/${id}`)));
      this.#poller.soon();
    };
    const done = state === 'done';
    const head = h(
      'div',
      { class: 'row' },
      h('b', { title: shows }, id),
      h('span', { class: 'tag' }, state),
      h(
        'span',
        { class: 'dim' },
        done ? `${clock(began)}, ${seconds(ran)}; ${ENDINGS[ending ?? ''] ?? ''}` : seconds(ran),
      ),
      h('span', { class: 'space' }),
      done
        ? null
        : button('Stop', () => void stop(), { class: 'small', 'data-stop': id, disabled: state === 'stopping' }),
    );
    const { allocs, frees, stores, exhausted, late } = progress;
    const did = [`${count(allocs)} allocs`, `${count(frees)} frees`];
    if (stores > 0) did.push(`${count(stores)} pointers stored`);
    if (exhausted > 0) did.push(`${count(exhausted)} found no room`);
    if (late > 0) did.push(`${count(late)} rounds late`);
    did.push(`holds ${count(live.objects)} objects, ${bytes(live.bytes)}`);
    const meter = h('progress', {
      max: parameters.duration,
      value: Math.min(ran, parameters.duration),
      'aria-label': id,
    });
    return h(
      'div',
      { class: 'workload' },
      head,
      done ? null : meter,
      h('p', { class: 'dim small-text' }, did.join(', ')),
      done || alerts.length === 0 ? null : h('p', { class: 'dim small-text' }, alerts.map(said).join(' ')),
      done ? null : curlLine('DELETE', this.#feed.path(`workloads/${id}`)),
    );
  }
}
