/** The report page: reads the data that stands in it, and draws. */

import 'uplot/dist/uPlot.min.css';
import './style.css';
import type { PageData, PageDocument } from '../../src/replay/report/page-data.js';
import { count, size } from '../../src/replay/report/units.js';
import { warningsOf } from '../../src/replay/report/warnings.js';
import { caveatsSection, comparisonSection, ingestSection, overlaySection } from './around.js';
import { classesSection, lifetimesSection, logSection, timelineSection, whereSection } from './cell.js';
import { h } from './dom.js';
import { themeButton } from './theme.js';
import { adviceSection, gridSection, limitSection } from './whatif.js';

const page = document.querySelector('#report') as HTMLElement;
const data = JSON.parse((document.querySelector('#data') as HTMLElement).textContent ?? '') as PageData;

let shown = 0;
let cell = 0;

function draw(): void {
  const current = data.documents[shown];
  page.replaceChildren(
    header(current),
    ...warningsOf(current).map((text) => h('p', { class: 'warning', role: 'note' }, text)),
    ...(data.comparison === null ? [] : [comparisonSection(data.comparison)]),
    ...(data.documents.length > 1 ? [chooser()] : []),
    adviceSection(current),
    gridSection(current, cell, (next) => {
      cell = next;
      drawCell(current);
    }),
    ...(current.limit === null ? [] : [limitSection(current.limit)]),
    ...(current.overlay === null || current.overlayCell === null
      ? []
      : [overlaySection(current.overlay, current.cells[current.overlayCell].name)]),
    h('div', { id: 'cell' }),
    ingestSection(current),
    caveatsSection(current),
    h(
      'footer',
      { class: 'dim' },
      `goheap ${data.version}. Everything here was simulated; docs/replay.md says how, and how exact it is.`,
    ),
  );
  drawCell(current);
}

/** The chosen setting's own sections, and its row in the grid. */
function drawCell(current: PageDocument): void {
  const result = current.results[cell];
  const { name } = current.cells[cell];
  document.querySelectorAll<HTMLElement>('#grid button.row').forEach((button) => {
    button.setAttribute('aria-pressed', String(button.textContent === name));
  });
  (document.querySelector('#cell') as HTMLElement).replaceChildren(
    timelineSection(result, name),
    whereSection(result, name),
    classesSection(result, name),
    lifetimesSection(result, name),
    logSection(result, name),
  );
}

function header({ name, ingest }: PageDocument): HTMLElement {
  const title = data.comparison === null ? name : `${data.comparison.before} and ${data.comparison.after}`;
  return h(
    'header',
    {},
    h('div', {}, h('p', { class: 'dim' }, 'goheap replay'), h('h1', {}, title)),
    h('p', { class: 'dim' }, `${count(ingest.events)} events, at most ${size(ingest.peakLiveBytes)} held`),
    themeButton(),
  );
}

function chooser(): HTMLElement {
  const buttons = data.documents.map(({ name }, i) => {
    const button = h('button', { type: 'button', class: 'row', 'aria-pressed': String(i === shown) }, name);
    button.addEventListener('click', () => {
      shown = i;
      cell = 0;
      draw();
    });
    return button;
  });
  return h('nav', { class: 'chooser', 'aria-label': 'Recording' }, 'Below: ', ...buttons);
}

draw();
