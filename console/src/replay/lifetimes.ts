/** Size × lifetime of the objects that died, as a heat map; how many collections they lived through; what was never freed. The same as tables, for who cannot see the colours. */

import { h, oncePerFrame, setText } from '../dom.js';
import { bytes, count, percent } from '../format.js';
import { occupancyColour } from '../map/colour.js';
import { colour, onTheme } from '../theme.js';
import { frame } from './chart.js';
import { numbers } from './tables.js';
import { LIFETIMES } from './texts.js';
import type { Result } from './types.js';

const ROW = 18;
const LEFT = 78;
const BOTTOM = 34;
const CYCLES = ['0', '1', '2', '3', '4 to 7', '8 to 15', '16 or more'];

const views = new Set<() => void>();
onTheme(() => {
  for (const draw of views) draw();
});

const upTo = (bound: number | null): string => (bound === null ? 'more' : bytes(bound).replace(/\.0+(?= )/, ''));

/** `destroy` ends its listening. */
export function lifetimeMap({ lifetimes }: Result): { el: HTMLElement; destroy(): void } {
  const { bytes: columns, sizes, map, cycles, neverFreed } = lifetimes;
  const { el, body } = frame('replay-lifetimes', LIFETIMES.title, LIFETIMES.info, LIFETIMES.fields);
  const canvas = h('canvas', {
    class: 'heat',
    role: 'img',
    'aria-label': 'Objects by size and lifetime; the table below has the numbers',
  });
  const said = h('p', { class: 'grid-status' });
  // Empty rows and columns at the ends are not drawn.
  const used = (flags: boolean[]): number => flags.lastIndexOf(true) + 1;
  const width = Math.max(1, used(columns.map((_, i) => map.some((row) => row[i] > 0))));
  const height = Math.max(1, used(map.map((row) => row.some((n) => n > 0))));
  const most = Math.max(1, ...map.map((row) => Math.max(...row)));
  const died = cycles.reduce((a, b) => a + b, 0);

  const draw = oncePerFrame(() => {
    const room = body.clientWidth;
    const ctx = canvas.getContext('2d');
    if (room === 0 || ctx === null) return;
    const ratio = devicePixelRatio;
    const tall = height * ROW + BOTTOM;
    canvas.width = Math.round(room * ratio);
    canvas.height = Math.round(tall * ratio);
    canvas.style.height = `${tall}px`;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    const side = (room - LEFT) / width;
    ctx.fillStyle = colour('sunk');
    ctx.fillRect(LEFT, 0, room - LEFT, height * ROW);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const n = map[y][x];
        if (n === 0) continue;
        ctx.fillStyle = occupancyColour(0.1 + 0.9 * (Math.log2(1 + n) / Math.log2(1 + most)));
        ctx.fillRect(LEFT + x * side, y * ROW, side - 1, ROW - 1);
      }
    }
    ctx.fillStyle = colour('dim');
    ctx.font = '10.5px sans-serif';
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'right';
    for (let y = 0; y < height; y++)
      ctx.fillText(`≤ ${upTo(sizes[y])}`.replace('≤ more', 'larger'), LEFT - 6, y * ROW + ROW / 2);
    // As many names as there is room for.
    const every = Math.max(1, Math.ceil(52 / side));
    for (let x = every - 1; x < width; x += every)
      ctx.fillText(upTo(columns[x]), LEFT + (x + 1) * side, height * ROW + 9);
    ctx.fillText('allocated by the program while the object lived', room, height * ROW + 25);
  });
  canvas.addEventListener('pointermove', ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    const y = Math.floor((clientY - box.top) / ROW);
    const x = Math.floor(((clientX - box.left - LEFT) / (box.width - LEFT)) * width);
    const n = map[y]?.[x];
    const inside = n !== undefined && y < height && x >= 0 && x < width;
    setText(said, inside ? `${size(y)} · lived for ${life(x)} · ${count(n)} objects` : '');
  });
  canvas.addEventListener('pointerleave', () => setText(said, ''));
  const size = (y: number): string =>
    sizes[y] === null
      ? `above ${upTo(sizes[y - 1])}`
      : `${y === 0 ? 'to' : `${upTo(sizes[y - 1])} to`} ${upTo(sizes[y])}`;
  const life = (x: number): string =>
    columns[x] === null
      ? `more than ${upTo(columns[x - 1])}`
      : `${x === 0 ? 'at most' : `${upTo(columns[x - 1])} to`} ${upTo(columns[x])}`;

  const lived = CYCLES.map((name, i) => [name, count(cycles[i]), percent(died === 0 ? 0 : cycles[i] / died)]);
  const table = h(
    'details',
    {},
    h('summary', {}, 'As a table'),
    numbers(
      ['size', ...columns.slice(0, width).map((bound) => upTo(bound))],
      map.slice(0, height).map((row, y) => [size(y), ...row.slice(0, width).map((n) => (n === 0 ? '·' : count(n)))]),
      'Objects by size and lifetime',
    ),
  );
  const never =
    neverFreed.objects === 0
      ? 'Every object was freed.'
      : `Never freed: ${count(neverFreed.objects)} objects, ${bytes(neverFreed.bytes)}.`;
  body.append(
    canvas,
    said,
    table,
    h('h4', {}, 'Collections that began while an object lived'),
    numbers(['collections', 'objects', 'share'], lived, 'Collections lived through'),
    h('p', {}, never),
  );
  const resize = new ResizeObserver(draw);
  resize.observe(body);
  views.add(draw);
  return {
    el,
    destroy: () => {
      resize.disconnect();
      views.delete(draw);
    },
  };
}
