/**
 * The doctor: findings about the heap, each with what was measured, beyond which threshold, where it comes from, what it means and
 * what to do.
 *
 * An examination takes as long as its window, so one is made when the tab is opened and when it is asked for, never by itself.
 */

import { attempt, get } from '../api.js';
import { curlLine } from '../curl.js';
import { fill, h, prose } from '../dom.js';
import type { Feed } from '../feed.js';
import { bytes, clock, percent } from '../format.js';
import { choiceField } from '../hands/field.js';
import type { View } from '../view.js';

interface Finding {
  code: string;
  severity: 'info' | 'warning' | 'critical';
  title: string;
  numbers: Record<string, number>;
  threshold: Record<string, number>;
  cause: string;
  meaning: string;
  action: string;
}

interface Examination {
  healthy: boolean;
  summary: string;
  window: number;
  findings: Finding[];
}

/** `wastedShare` → `wasted share`. */
const words = (name: string): string => name.replace(/([A-Z])/g, ' $1').toLowerCase();

/** The unit of a number is in its name. */
function say(name: string, n: number | undefined): string {
  if (n === undefined) return '';
  if (/share|growth|oflimit/i.test(name)) return percent(n);
  if (/bytes|^heap|mapped|memorylimit|marked/i.test(name)) return bytes(n);
  return n.toLocaleString('en-US', { maximumFractionDigits: 3 });
}

function findingCard(finding: Finding): HTMLElement {
  const { code, severity, title, numbers, threshold, cause, meaning, action } = finding;
  const names = [...new Set([...Object.keys(numbers), ...Object.keys(threshold)])];
  const rows = names.map((name) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, words(name)),
      h('td', {}, say(name, numbers[name])),
      h('td', { class: 'dim' }, say(name, threshold[name])),
    ),
  );
  const head = h('tr', {}, h('td'), h('th', { scope: 'col' }, 'measured'), h('th', { scope: 'col' }, 'threshold'));
  const part = (name: string, text: string): HTMLElement => h('div', {}, h('h4', {}, name), h('p', {}, ...prose(text)));
  return h(
    'article',
    { class: `card finding ${severity}` },
    h(
      'header',
      { class: 'row' },
      h('h3', {}, title),
      h('span', { class: 'tag' }, severity),
      h('code', { class: 'dim' }, code),
    ),
    h(
      'div',
      { class: 'finding-body' },
      h('table', {}, h('thead', {}, head), h('tbody', {}, ...rows)),
      h('div', {}, part('Where it comes from', cause), part('What it means', meaning), part('What to do', action)),
    ),
  );
}

export class DoctorView implements View {
  readonly el: HTMLElement;
  readonly #feed: Feed;
  readonly #window = choiceField<number>('window', 'Look for', [
    ['1 second', 1],
    ['3 seconds', 3],
    ['10 seconds', 10],
  ]);
  readonly #press = h('button', { type: 'button', class: 'primary' }, 'Examine');
  readonly #out = h('div', { class: 'findings', 'aria-live': 'polite' });
  readonly #curl = h('div');
  /** Name of the heap that is shown, so that opening the tab again does not examine again. */
  #examined: string | null = null;
  #abort = new AbortController();

  constructor(feed: Feed) {
    this.#feed = feed;
    this.#press.addEventListener('click', () => void this.#examine());
    this.#window.el.addEventListener('input', () => this.#showCurl());
    this.el = h(
      'section',
      { class: 'doctor', 'aria-label': 'Doctor' },
      h('div', { class: 'toolbar' }, this.#window.el, this.#press),
      this.#out,
      this.#curl,
    );
    feed.on('heap', () => {
      this.#abort.abort();
      this.#examined = null;
      fill(this.#out);
      this.#showCurl();
      if (this.el.isConnected) this.show();
    });
    this.#showCurl();
  }

  show(): void {
    if (this.#feed.heap !== null && this.#examined !== this.#feed.heap) void this.#examine();
  }

  hide(): void {}

  get #path(): string {
    return this.#feed.path(`doctor?window=${this.#window.value()}`);
  }

  #showCurl(): void {
    fill(this.#curl, curlLine('GET', this.#path));
  }

  async #examine(): Promise<void> {
    this.#abort.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.#examined = this.#feed.heap;
    this.#press.disabled = true;
    this.#press.textContent = 'Looks …';
    const found = await attempt(() => get<Examination>(this.#path, abort.signal));
    if (abort !== this.#abort) return;
    this.#press.disabled = false;
    this.#press.textContent = 'Examine';
    if (found === undefined) return;
    const { healthy, summary, window, findings } = found;
    const when = `${clock(this.#feed.last?.t ?? Date.now())}, over ${window.toFixed(1)} s`;
    fill(
      this.#out,
      h(
        'p',
        { class: `diagnosis ${healthy ? 'well' : 'ill'}` },
        ...prose(summary),
        h('span', { class: 'dim' }, ` ${when}`),
      ),
      ...findings.map(findingCard),
    );
  }
}
