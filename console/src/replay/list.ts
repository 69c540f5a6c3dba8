/** The replays that the server has: where each is, its advice, and what can be done with it. Read again while the tab is open, more often while one runs. */

import { attempt, get, send } from '../api.js';
import { button, fill, h } from '../dom.js';
import { bytes, count, seconds } from '../format.js';
import { pressed } from './pressed.js';
import { ended, type Listed, type ReplayList, type State } from './types.js';

const BUSY = 1_000;
const QUIET = 5_000;

export const STATE_WORDS: Record<State, string> = {
  parsing: 'being read',
  waiting: 'waits for its turn',
  running: 'runs',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
};

export function when(iso: string): string {
  return new Date(iso).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

/** Cancels one that goes on, removes one that has ended. */
export const endReplay = (id: string): Promise<unknown> => attempt(() => send('DELETE', `v1/replays/${id}`));

export class List {
  readonly el: HTMLElement;
  readonly #rows = h('div', { class: 'replay-list' });
  readonly #kept = h('p', { class: 'dim small-text' });
  readonly #link: (id: string) => string;
  readonly #read: (list: ReplayList) => void;
  #timer: number | undefined;
  #abort: AbortController | undefined;

  /** `read` is told each list that came. */
  constructor(link: (id: string) => string, read: (list: ReplayList) => void) {
    this.#link = link;
    this.#read = read;
    this.el = h(
      'section',
      { class: 'card', 'aria-label': 'Replays' },
      h('h3', {}, 'Replays on this server'),
      this.#rows,
      this.#kept,
    );
  }

  start(): void {
    if (this.#abort === undefined) void this.#look();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = undefined;
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    let busy = false;
    if (!document.hidden) {
      const list = await get<ReplayList>('v1/replays', abort.signal).catch(() => undefined);
      if (abort.signal.aborted) return;
      if (list !== undefined) {
        busy = list.replays.some(({ state }) => !ended(state));
        if (!pressed()) this.#show(list);
        this.#read(list);
      }
    }
    this.#timer = setTimeout(() => void this.#look(), busy ? BUSY : QUIET);
  }

  #show({ replays, bytes: disk, limits }: ReplayList): void {
    const focused = document.activeElement?.getAttribute('data-key');
    const none = h('p', { class: 'dim' }, 'None yet.');
    fill(this.#rows, ...(replays.length === 0 ? [none] : replays.map((replay) => this.#row(replay))));
    if (focused) this.#rows.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    fill(
      this.#kept,
      `${bytes(disk)} on disk; the server keeps ${count(limits.kept)} replays, at most ${bytes(limits.disk)}.`,
    );
  }

  #row(replay: Listed): HTMLElement {
    const { id, name, state, createdAt, progress, ingest, cells, sentence, error } = replay;
    const facts = [when(createdAt)];
    if (ingest !== null)
      facts.push(`${ingest.format}, ${count(ingest.events)} events, ${bytes(ingest.totalBytes)} allocated`);
    facts.push(cells === 1 ? '1 setting' : `${cells} settings`);
    const going = !ended(state);
    if (going && progress.secondsLeft !== null) facts.push(`${seconds(progress.secondsLeft)} left`);
    const end = button(going ? 'Cancel' : 'Remove', () => void endReplay(id).then(() => this.#look()), {
      class: 'small',
      'data-key': `end-${id}`,
      'aria-label': `${going ? 'Cancel' : 'Remove'} ${name}`,
    });
    const meter = h('progress', { max: 1, value: progress.share ?? undefined, 'aria-label': name });
    return h(
      'div',
      { class: 'replay-row', 'data-state': state },
      h(
        'div',
        { class: 'row' },
        h('a', { href: this.#link(id), 'data-key': id }, h('b', {}, name)),
        h('span', { class: 'tag' }, STATE_WORDS[state]),
        h('span', { class: 'space' }),
        end,
      ),
      going && meter,
      sentence !== '' && h('p', {}, sentence),
      error !== null && h('p', { class: 'bad-text' }, error.detail),
      h('p', { class: 'dim small-text' }, facts.join(' · ')),
    );
  }
}
