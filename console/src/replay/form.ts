/**
 * The settings of a replay, as the query that asks for them. What is left as it is stays out of the query, so that the line of curl
 * says only what somebody chose.
 */

import { h } from '../dom.js';
import { choiceField, type Field, numberField, textField, valuesOf } from '../hands/field.js';

/** A grid that is worth looking at, without any choice. */
const GOGC = '50,100,200';

function listField(name: string, label: string, value: string, help: string): Field {
  const field = textField(name, label, value, help);
  const input = field.el.querySelector('input') as HTMLInputElement;
  input.value = value;
  // An emptied list is the server's default.
  return field;
}

export class SettingsForm {
  readonly el: HTMLElement;
  readonly #fields: Field[];
  readonly #name = textField('name', 'Name', 'that of the file', 'What to call it in the list');

  constructor() {
    const lists = [
      listField('gogc', 'GOGC', GOGC, 'Per cent, or off; several with commas between'),
      listField(
        'memlimit',
        'GOMEMLIMIT',
        'off',
        "Sizes in Go's notation such as 512MiB, or off; several with commas between",
      ),
      listField('procs', 'GOMAXPROCS', '1', 'Several with commas between'),
      choiceField<string | undefined>(
        'clock',
        'Marking',
        [
          ['beside the program', undefined],
          ['world stopped', 'stw'],
        ],
        'Beside the program, timed by a cost model; or with the world stopped, which is exact',
      ),
      textField(
        'scan',
        'With pointers',
        'recorded',
        'Which objects have pointers: recorded, none, all, or per cent of them',
      ),
      textField(
        'time',
        'Time',
        'costs',
        'costs; recorded; 250ns of its own an event; or a rate of allocation such as 100MiB/s',
      ),
    ];
    const more = [
      choiceField<string | undefined>(
        'frees',
        'A free',
        [
          ['makes garbage, as in Go', undefined],
          ['frees at once, as malloc', 'immediate'],
        ],
        "What the program's frees mean",
      ),
      choiceField<string | undefined>(
        'realloc',
        'A realloc',
        [
          ['makes a new object', undefined],
          ['stays where it fits', 'fit'],
        ],
        'Whether a slot that is large enough is kept',
      ),
      choiceField<string | undefined>(
        'roots',
        'Table of its objects',
        [
          ['in segments', undefined],
          ['one object', 'exact'],
          ['none', 'none'],
        ],
        'How the program holds its objects: the collector has to scan that too',
      ),
      choiceField<string | undefined>(
        'threads',
        'Threads',
        [
          ['all on P 0', undefined],
          ['spread over the Ps', 'modulo'],
        ],
        'On which P a recorded thread allocates',
      ),
      choiceField<string | undefined>(
        'arena',
        'Arenas of',
        [
          ['64 MiB', undefined],
          ['4 MiB', '4MiB'],
          ['both', '64MiB,4MiB'],
        ],
        'Both: the grid has each setting twice',
      ),
      numberField('variations', 'Variations', {
        min: 1,
        max: 32,
        help: 'Simulations of each setting, for ranges; 3 where left empty',
      }),
      numberField('from', 'From event', { help: 'The first event that is played' }),
      numberField('to', 'To event', { min: 1, help: 'The event before which it ends' }),
      numberField('loops', 'Times', { min: 1, max: 10_000, help: 'How often the recording is played' }),
      numberField('seed', 'Seed', { help: 'Of objects with pointers in per cent' }),
      this.#name,
    ];
    this.#fields = [...lists, ...more];
    this.el = h(
      'div',
      { class: 'replay-settings' },
      h('div', { class: 'fields' }, ...lists.map(({ el }) => el)),
      h('details', {}, h('summary', {}, 'More settings'), h('div', { class: 'fields' }, ...more.map(({ el }) => el))),
    );
  }

  /** As a query; `name` where the form has none. */
  query(name?: string): string {
    const values = valuesOf(this.#fields);
    if (values.name === undefined && name !== undefined) values.name = name;
    const pairs = Object.entries(values).map(([key, value]) => {
      // Commas and slashes may stand in a query, and a person reads them better.
      const text = encodeURIComponent(String(value)).replaceAll('%2C', ',').replaceAll('%2F', '/');
      return `${key}=${text}`;
    });
    return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
  }
}

/** A file's name as a name of a replay: without control characters, at most 100 characters. */
export function nameOf(file: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in a name
  const name = file.replace(/[\u0000-\u001f\u007f]/g, '').slice(0, 100);
  return name === '' ? undefined : name;
}
