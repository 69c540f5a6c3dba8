/**
 * Allocating and freeing by hand. The page remembers the addresses that it was given (at most `MOST`), to free them:
 * all, the newest, or all but one in k, which is how fragmentation is made.
 */

import { h } from '../dom.js';
import type { Feed } from '../feed.js';
import { bytes, count } from '../format.js';
import { LEVELS, type Served } from '../types.js';
import { actionCard } from './action.js';
import { choiceField, numberField, textField, valuesOf } from './field.js';

const MOST = 100_000;

interface AllocAnswer {
  address?: string;
  addresses?: string[];
  size: number;
  sizeClass: number;
  span?: number;
  p: number;
  servedBy?: string;
  served?: Served;
}

interface FreeAnswer {
  freed: number;
  refused: { address: string; detail: string }[];
}

interface FreeBody {
  address?: string;
  addresses?: string[];
}

type Which = 'last' | 'hundred' | 'half' | 'keep' | 'all' | 'address';

export function allocCards(feed: Feed): HTMLElement[] {
  let held: string[] = [];
  feed.on('heap', () => {
    held = [];
  });
  const link = (address: string): HTMLElement =>
    h('a', { href: `#/${encodeURIComponent(feed.heap ?? '')}/map/object/${address}` }, address);

  const fields = [
    numberField('size', 'Bytes', { value: 64, max: 2 ** 30 }),
    numberField('count', 'How many', { value: 1, min: 1, max: MOST, leaveOut: 1 }),
    choiceField<boolean | undefined>(
      'noscan',
      'Pointers',
      [
        ['none', undefined],
        ['every word', false],
      ],
      'Objects with pointers are scanned by the collector',
    ),
    numberField('p', 'On P', { max: 1023, help: 'Left empty, the scheduler chooses' }),
    textField('site', 'Site', 'main;handler', 'Where in your program; for the heap profile'),
  ];
  const alloc = actionCard<AllocAnswer>(feed, {
    title: 'Allocate',
    what: 'Asks for objects. The answer says how deep each allocation had to go.',
    run: 'Allocate',
    path: 'alloc',
    fields: [h('div', { class: 'fields' }, ...fields.map(({ el }) => el))],
    body: () => valuesOf(fields),
    done: (answer) => {
      const got = answer.addresses ?? (answer.address === undefined ? [] : [answer.address]);
      held = [...held, ...got].slice(-MOST);
      const place = answer.sizeClass === 0 ? 'large' : `class ${answer.sizeClass}`;
      if (answer.served === undefined) return [link(got[0]), `, ${place}, by ${answer.servedBy} on P ${answer.p}`];
      const { served } = answer;
      const levels = LEVELS.filter((level) => served[level] > 0).map((level) => `${level} ${count(served[level])}`);
      return [`${count(got.length)} objects, ${place}, first `, link(got[0]), `; by ${levels.join(', ')}`];
    },
    after: () => free.refresh(),
  });

  const which = choiceField<Which>('which', 'Which', [
    ['the last one', 'last'],
    ['the last 100', 'hundred'],
    ['every other one', 'half'],
    ['all but one in 16', 'keep'],
    ['all of this page', 'all'],
    ['an address', 'address'],
  ]);
  const reuse = choiceField<string | undefined>(
    'reuse',
    'Reuse',
    [
      ['after a sweep', undefined],
      ['at once', 'immediate'],
    ],
    'After a sweep, as in Go; or at once, as runtime.freegc: then nothing else may refer to the object',
  );
  const address = textField('address', 'Address', '0xc000012040');
  const freeFields = h('div', { class: 'fields' }, which.el, reuse.el, address.el);
  const askAddress = (): void => {
    address.el.hidden = which.value() !== 'address';
  };
  freeFields.addEventListener('input', askAddress);
  askAddress();
  const chosen = (): string[] => {
    switch (which.value() as Which) {
      case 'last':
        return held.slice(-1);
      case 'hundred':
        return held.slice(-100);
      case 'half':
        return held.filter((_, i) => i % 2 === 0);
      case 'keep':
        return held.filter((_, i) => i % 16 !== 0);
      case 'all':
        return held;
      default:
        return [address.value()].filter((a) => typeof a === 'string');
    }
  };
  const free = actionCard<FreeAnswer, FreeBody>(feed, {
    title: 'Free',
    what: 'Drops the root of objects that this page allocated, or of any address. The memory comes back when a sweep finds them unmarked.',
    run: 'Free',
    path: 'free',
    fields: [freeFields],
    body: () => {
      const addresses = chosen();
      return { ...(addresses.length === 1 ? { address: addresses[0] } : { addresses }), ...valuesOf([reuse]) };
    },
    ready: () => (chosen().length === 0 ? 'This page holds no object. Allocate some, or give an address.' : undefined),
    done: ({ freed, refused }, sent) => {
      const gone = new Set(sent.addresses ?? [sent.address]);
      held = held.filter((a) => !gone.has(a));
      const why = refused.length === 0 ? '' : `; ${count(refused.length)} refused: ${refused[0].detail}`;
      return [`${count(freed)} freed${why}; this page still holds ${count(held.length)}`];
    },
  });
  return [alloc.el, free.el];
}

/** What a collection, a sweep, a scavenge did. */
export function collectCards(feed: Feed): HTMLElement[] {
  const gc = actionCard<{ gctrace: string }>(feed, {
    title: 'Collect',
    what: 'runtime.GC(): marks what is reachable, sweeps the rest, and answers with the line of gctrace.',
    run: 'Collect',
    path: 'gc',
    body: () => ({}),
    done: ({ gctrace }) => [h('code', {}, gctrace)],
  });
  const mark = choiceField<string | undefined>('mark', 'Mark first', [
    ['if something was freed', undefined],
    ['never', 'never'],
    ['always', 'always'],
  ]);
  const sweep = actionCard<{ marked: boolean; spansSwept: number; spansFreed: number; objectsFreed: number }>(feed, {
    title: 'Sweep',
    what: 'Reclaims what was freed so far; every unswept span is swept.',
    run: 'Sweep',
    path: 'sweep',
    fields: [h('div', { class: 'fields' }, mark.el)],
    body: () => valuesOf([mark]),
    done: ({ marked, spansSwept, spansFreed, objectsFreed }) => [
      `${marked ? 'Marked, then swept' : 'Swept'} ${count(spansSwept)} spans: ${count(objectsFreed)} objects reclaimed, ` +
        `${count(spansFreed)} spans given back`,
    ],
  });
  const most = numberField('bytes', 'At most, bytes', { min: 1 });
  const first = choiceField<boolean | undefined>('gc', 'Collect first', [
    ['yes', undefined],
    ['no', false],
  ]);
  const scavenge = actionCard<{ release: string; releasedBytes: number; heapReleased: number }>(feed, {
    title: 'Scavenge',
    what: 'debug.FreeOSMemory(): gives free pages back to the operating system.',
    run: 'Scavenge',
    path: 'scavenge',
    fields: [h('div', { class: 'fields' }, most.el, first.el)],
    body: () => valuesOf([most, first]),
    done: ({ release, releasedBytes, heapReleased }) => [
      `${bytes(releasedBytes)} given back (${release}); ${bytes(heapReleased)} are released now`,
    ],
  });
  return [gc.el, sweep.el, scavenge.el];
}
