/**
 * GOGC and GOMEMLIMIT, live: a slider each, and a box for off. A change is sent when the slider comes to rest.
 *
 * GOMEMLIMIT goes by the logarithm, from 4 MiB to the reservation of the heap.
 */

import { attempt, send } from '../api.js';
import { curlBox, curlText } from '../curl.js';
import { h, setText } from '../dom.js';
import type { Feed } from '../feed.js';
import { goSize, parseGoSize } from '../format.js';
import type { HeapView, Settings } from '../types.js';

const LEAST = 22; // 2^22: 4 MiB
const STEPS = 8; // of a doubling

interface Slider {
  el: HTMLElement;
  /** Shows the settings of the heap. */
  show(settings: Settings): void;
}

function sliderCard(
  feed: Feed,
  of: {
    name: 'gogc' | 'gomemlimit';
    title: string;
    what: string;
    min: number;
    max: number;
    step: number;
    /** What the slider's position is as a setting, and the other way round. */
    setting(position: number): number | string;
    position(setting: string | number): number | undefined;
    start: number;
  },
): Slider {
  const { name, title, what, min, max, step } = of;
  const slider = h('input', { type: 'range', min, max, step, value: of.start, 'aria-label': title });
  const off = h('input', { type: 'checkbox' });
  const value = h('output', { class: 'slider-value' });
  const line = curlBox('');
  const setting = (): number | string => (off.checked ? 'off' : of.setting(Number(slider.value)));
  const preview = (): void => {
    slider.disabled = off.checked;
    setText(value, name === 'gogc' && !off.checked ? `${setting()}%` : String(setting()));
    line.show(curlText('PATCH', feed.path(), { [name]: setting() }));
  };
  const apply = async (): Promise<void> => {
    preview();
    const heap = await attempt(() => send<HeapView>('PATCH', feed.path(), { [name]: setting() }));
    if (heap !== undefined) feed.setSettings(heap.settings);
    else if (feed.settings !== undefined) show(feed.settings);
  };
  const show = (settings: Settings): void => {
    const now = settings[name];
    off.checked = now === 'off';
    const position = of.position(now);
    if (position !== undefined) slider.value = String(position);
    preview();
    // The exact value, where the slider has no such position.
    if (now !== 'off' && setting() !== now) setText(value, name === 'gogc' ? `${now}%` : String(now));
  };
  slider.addEventListener('input', preview);
  slider.addEventListener('change', () => void apply());
  off.addEventListener('change', () => void apply());
  preview();
  const el = h(
    'section',
    { class: 'card action', 'aria-label': title },
    h('h3', {}, title),
    h('p', { class: 'dim' }, what),
    h('div', { class: 'slider' }, slider, value),
    h('label', { class: 'row' }, off, 'off'),
    line,
  );
  return { el, show };
}

export function settingsCards(feed: Feed): HTMLElement[] {
  const gogc = sliderCard(feed, {
    name: 'gogc',
    title: 'GOGC',
    what: 'By how many percent the heap may grow between two collections. More memory, less work.',
    min: 10,
    max: 800,
    step: 10,
    start: 100,
    setting: (position) => position,
    position: (setting) => (setting === 'off' ? undefined : Number(setting)),
  });
  const limit = sliderCard(feed, {
    name: 'gomemlimit',
    title: 'GOMEMLIMIT',
    what: 'A soft limit on the memory of the heap. Near it the collector works as hard as it may, half of the CPU.',
    min: LEAST * STEPS,
    max: 33 * STEPS,
    step: 1,
    start: 28 * STEPS,
    setting: (position) => goSize(Math.round(2 ** (position / STEPS) / 2 ** 20) * 2 ** 20),
    position: (setting) => {
      const size = parseGoSize(String(setting));
      return size === undefined ? undefined : Math.round(Math.log2(size) * STEPS);
    },
  });
  const show = (settings: Settings): void => {
    gogc.show(settings);
    limit.show(settings);
  };
  feed.on('settings', show);
  if (feed.settings !== undefined) show(feed.settings);
  return [gogc.el, limit.el];
}
