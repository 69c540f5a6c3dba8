/** Elements by call: text is text, never markup. */

type Child = Node | string | null | undefined | false;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
  for (const child of children) if (child) el.append(child);
  return el;
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg(tag: string, attributes: Record<string, string | number> = {}, ...children: Child[]): SVGElement {
  const el = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, String(value));
  for (const child of children) if (child) el.append(child);
  return el;
}

/** A table with a header row. Cells of `right` columns are numbers. */
export function table(
  head: readonly Child[],
  rows: readonly (readonly Child[])[],
  options: { readonly left?: readonly number[]; readonly class?: string } = {},
): HTMLElement {
  const left = new Set(options.left ?? [0]);
  const cell = (tag: 'td' | 'th', child: Child, i: number): HTMLElement =>
    h(tag, left.has(i) ? { class: 'left' } : {}, child);
  const el = h(
    'table',
    options.class === undefined ? {} : { class: options.class },
    h('thead', {}, h('tr', {}, ...head.map((child, i) => cell('th', child, i)))),
    h('tbody', {}, ...rows.map((row) => h('tr', {}, ...row.map((child, i) => cell('td', child, i))))),
  );
  return h('div', { class: 'scroll' }, el);
}

/** A part of the page, with a line that says what is to be seen. */
export function section(id: string, title: string, explanation: string, ...children: Child[]): HTMLElement {
  return h(
    'section',
    { id },
    h('h2', {}, title),
    explanation === '' ? null : h('p', { class: 'dim' }, explanation),
    ...children,
  );
}
