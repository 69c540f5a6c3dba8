/** The fields of the forms: a label, a control, and what it says as a value of JSON (undefined: left out). */

import { h } from '../dom.js';

export interface Field {
  readonly el: HTMLElement;
  readonly name: string;
  /** What goes into the body; undefined leaves the name out. */
  value(): unknown;
}

/** A whole number; an empty one is left out, and so is `leaveOut`. */
export function numberField(
  name: string,
  label: string,
  of: { value?: number; min?: number; max?: number; leaveOut?: number; help?: string },
): Field {
  const { value, min = 0, max, leaveOut, help } = of;
  const input = h('input', { type: 'number', name, min, max, step: 1, value, inputmode: 'numeric' });
  return {
    name,
    el: h('label', { class: 'field', title: help }, h('span', {}, label), input),
    value: () => (input.value === '' || Number(input.value) === leaveOut ? undefined : Number(input.value)),
  };
}

export function textField(name: string, label: string, placeholder = '', help?: string): Field {
  const input = h('input', { type: 'text', name, placeholder, spellcheck: 'false', autocomplete: 'off' });
  return {
    name,
    el: h('label', { class: 'field', title: help }, h('span', {}, label), input),
    value: () => (input.value.trim() === '' ? undefined : input.value.trim()),
  };
}

/** `choices` map what is shown to what is sent. */
export function choiceField<T>(name: string, label: string, choices: [text: string, value: T][], help?: string): Field {
  const select = h('select', { name }, ...choices.map(([text], i) => h('option', { value: i }, text)));
  return {
    name,
    el: h('label', { class: 'field', title: help }, h('span', {}, label), select),
    value: () => choices[Number(select.value)]?.[1],
  };
}

/** The fields as an object; those without a value are left out. */
export function valuesOf(fields: readonly Field[]): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const field of fields) {
    const value = field.value();
    if (value !== undefined) out[field.name] = value;
  }
  return out;
}
