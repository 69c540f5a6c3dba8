/**
 * The colours of the map: what a page's colour says, in each of the four ways to look at it, and the legend of each.
 *
 * - class: the hue is the size class (blue is 8 bytes, red 32 KiB), strong with pointers (scan), pale without (noscan).
 * - occupancy: how many of a span's slots are allocated.
 * - list: where the span stands: cached by a P, in a partial or full list, waiting for its sweep.
 * - change: how long ago this page saw the span change.
 *
 * Free, cached, released and unmapped pages look the same in all four.
 */

import { h } from '../dom.js';
import { bytes, count } from '../format.js';
import { colour, isDark } from '../theme.js';
import type { PageState, Span } from '../types.js';

export const MODES = ['class', 'occupancy', 'list', 'change'] as const;
export type Mode = (typeof MODES)[number];

export const MODE_LABELS: Record<Mode, string> = {
  class: 'Size class',
  occupancy: 'Occupancy',
  list: 'List',
  change: 'Last change',
};

/** Sizes of the classes that the legend names. */
const RAMP: [sizeClass: number, size: number][] = [
  [1, 8],
  [6, 64],
  [26, 512],
  [44, 4096],
  [67, 32768],
];
const LAST_CLASS = 67;

export function classColour(sizeClass: number, noscan: boolean): string {
  if (sizeClass === 0) return colour(noscan ? 'large-noscan' : 'large-scan');
  const hue = 265 - ((sizeClass - 1) / (LAST_CLASS - 1)) * 250;
  const [light, chroma] = isDark() ? (noscan ? [0.48, 0.09] : [0.74, 0.16]) : noscan ? [0.8, 0.1] : [0.6, 0.17];
  // Yellows are brown unless they are light.
  const lift = 0.1 * Math.exp(-(((hue - 95) / 45) ** 2));
  return `oklch(${light + lift} ${chroma} ${hue})`;
}

/** From sand to deep blue; in the dark from night to light yellow. 0 to 1. */
export function occupancyColour(share: number): string {
  const x = Math.max(0, Math.min(1, share));
  const mix = (a: number, b: number): number => a + (b - a) * x;
  return isDark()
    ? `oklch(${mix(0.34, 0.9)} ${mix(0.07, 0.14)} ${mix(300, 100)})`
    : `oklch(${mix(0.9, 0.42)} ${mix(0.06, 0.15)} ${mix(85, 265)})`;
}

const LISTS = {
  mcache: 'cached by a P (mcache)',
  partial: 'partial: has free slots, swept',
  full: 'full: no free slot, or large',
  unswept: 'waits for its sweep',
} as const;

function listKind(span: Span): keyof typeof LISTS {
  if (span.list === 'mcache' || span.list === 'hand') return 'mcache';
  if (span.list.endsWith('unswept') || span.sweepState === 'needs sweeping') return 'unswept';
  return span.list.startsWith('partial') ? 'partial' : 'full';
}

const AGES = [1, 3, 10, 30, 120] as const;

function ageColour(seconds: number): string {
  const step = AGES.findIndex((age) => seconds < age);
  return occupancyColour(1 - (step < 0 ? AGES.length : step) / AGES.length);
}

/** `changedAt` in ms since 1970. */
export function spanColour(mode: Mode, span: Span, changedAt: number, now: number): string {
  if (mode === 'class') return classColour(span.sizeClass, span.noscan);
  if (mode === 'occupancy') return occupancyColour(span.occupancy);
  if (mode === 'list') return colour(`list-${listKind(span)}`);
  return ageColour((now - changedAt) / 1000);
}

/** Of a page in no span that is known. */
export const pageColour = (state: PageState): string => colour(`page-${state}`);

export const STATE_WORDS: Record<PageState, string> = {
  inUse: 'in use',
  cached: "free, in a P's page cache",
  free: 'free, holds memory',
  released: 'released (scavenged, or never used)',
  unmapped: 'not grown to yet',
};

export function swatch(fill: string, text: string): HTMLElement {
  const box = h('i', { class: 'swatch' });
  box.style.background = fill;
  return h('span', { class: 'key' }, box, text);
}

function ramp(steps: string[], labels: string[]): HTMLElement {
  const bar = h('span', { class: 'ramp-bar' });
  bar.style.background = `linear-gradient(to right, ${steps.join(', ')})`;
  return h('span', { class: 'ramp' }, bar, h('span', { class: 'ramp-labels' }, ...labels.map((l) => h('span', {}, l))));
}

/** What a span's colour says. */
export function modeLegend(mode: Mode): HTMLElement[] {
  if (mode === 'class') {
    const steps = (noscan: boolean): string[] => RAMP.map(([c]) => classColour(c, noscan));
    const labels = RAMP.map(([, size]) => bytes(size).replace(/\.[0-9]+/, ''));
    return [
      h('span', { class: 'key' }, 'with pointers ', ramp(steps(false), labels)),
      h('span', { class: 'key' }, 'without ', ramp(steps(true), labels)),
      swatch(classColour(0, false), 'large, with pointers'),
      swatch(classColour(0, true), 'large, without'),
    ];
  }
  if (mode === 'list') return Object.entries(LISTS).map(([kind, text]) => swatch(colour(`list-${kind}`), text));
  if (mode === 'change')
    return [...AGES, 999].map((age, i) => swatch(ageColour(age - 0.5), i < AGES.length ? `< ${age} s` : 'longer ago'));
  return [
    h(
      'span',
      { class: 'key' },
      'slots in use ',
      ramp([0, 0.25, 0.5, 0.75, 1].map(occupancyColour), ['0%', '50%', '100%']),
    ),
  ];
}

/** `pages`: how many are in each state; `unread`: of those in use, how many are of a span that is not known yet. */
export function legend(mode: Mode, pages: Record<PageState, number>, unread: number): HTMLElement[] {
  const states = (['cached', 'free', 'released', 'unmapped'] as const).map((state) =>
    swatch(pageColour(state), `${STATE_WORDS[state]}: ${count(pages[state])}`),
  );
  if (unread > 0) states.unshift(swatch(pageColour('inUse'), `in use, not read yet: ${count(unread)}`));
  return [...modeLegend(mode), ...states, h('span', { class: 'key dim' }, `in use: ${count(pages.inUse)} pages`)];
}
