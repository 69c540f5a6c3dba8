/** Tables of a result that do not change: size classes with what could be saved, and the log of the collector. Lists of thousands are shown in portions. */

import { button, fill, h } from '../dom.js';
import { bytes, count, percent } from '../format.js';
import { frame } from './chart.js';
import { CLASSES, GCTRACE } from './texts.js';
import type { Result } from './types.js';

/** A table with a head; the first cell of each row is its name. */
export function numbers(head: (Node | string)[], rows: (Node | string)[][], label: string): HTMLElement {
  const body = rows.map(([name, ...cells]) =>
    h('tr', {}, h('th', { scope: 'row' }, name), ...cells.map((cell) => h('td', {}, cell))),
  );
  const table = h(
    'table',
    { class: 'numbers' },
    h('thead', {}, h('tr', {}, ...head.map((text) => h('th', { scope: 'col' }, text)))),
    h('tbody', {}, ...body),
  );
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label }, table);
}

export function classTable({ classes, suggestions }: Result): HTMLElement {
  const { el, body } = frame('replay-classes', CLASSES.title, CLASSES.info, CLASSES.fields);
  const most = Math.max(1, ...classes.map(({ spanBytes }) => spanBytes));
  const rows = classes.map(
    ({ sizeClass, size, noscan, requests, requestedBytes, rounding, spans, occupancy, spanBytes }) => {
      const bar = h('i', { class: 'cell-bar' });
      bar.style.width = `${((spanBytes / most) * 100).toFixed(1)}%`;
      return [
        `${sizeClass === 0 ? 'large' : `${count(size)} B`}${noscan ? '' : ', with pointers'}`,
        count(requests),
        bytes(requestedBytes),
        `${bytes(rounding)} (${percent(requestedBytes === 0 ? 0 : rounding / requestedBytes)})`,
        count(spans),
        spans === 0 ? '–' : percent(occupancy),
        h('span', { class: 'with-bar' }, bar, h('span', {}, bytes(spanBytes))),
      ];
    },
  );
  const head = ['slot', 'requests', 'asked for', 'rounding', 'spans', 'full', 'span bytes at the peak'];
  const table = numbers(head, rows, CLASSES.title);
  table.classList.add('tall');
  body.append(table);
  if (suggestions.length > 0) {
    body.append(
      h('h4', {}, 'What could be saved'),
      h('ul', { class: 'suggestions' }, ...suggestions.map(({ text }) => h('li', {}, text))),
    );
  }
  return el;
}

/** Lines that are added at a time. */
const PORTION = 200;

export function gcLog({ gctrace, headline }: Result): HTMLElement {
  const { el, body } = frame('replay-gctrace', GCTRACE.title, GCTRACE.info, GCTRACE.fields);
  if (gctrace.length === 0) {
    body.append(h('p', { class: 'dim' }, 'The collector did not run.'));
    return el;
  }
  const text = h('pre', { class: 'gctrace-log', tabindex: 0, 'aria-label': 'GC log' });
  const foot = h('div', { class: 'row' });
  let shown = 0;
  const more = (): void => {
    const next = gctrace.slice(shown, shown + PORTION);
    text.append(`${shown === 0 ? '' : '\n'}${next.join('\n')}`);
    shown += next.length;
    const rest = gctrace.length - shown;
    const left = headline.cycles - gctrace.length;
    fill(
      foot,
      rest > 0 && button(`${count(Math.min(PORTION, rest))} more of ${count(rest)}`, more, { class: 'small' }),
      button('Save as text', () => save('gctrace.txt', new Blob([`${gctrace.join('\n')}\n`], { type: 'text/plain' })), {
        class: 'small',
      }),
      left > 0 && h('span', { class: 'dim small-text' }, `${count(left)} before these were not kept.`),
    );
  };
  more();
  body.append(text, foot);
  return el;
}

/** Hands a file to the reader. */
export function save(name: string, blob: Blob): void {
  const href = URL.createObjectURL(blob);
  h('a', { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
