/**
 * Making elements: one function instead of a framework.
 *
 * Text is always text: nothing here (or anywhere in the console) parses HTML, so what a heap's clients named their
 * sites cannot become markup. Styles are classes, or properties set through the CSSOM, which the page's policy allows.
 */

export type Child = Node | string | null | undefined | false;

type Handlers = { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };

export interface Props {
  class?: string;
  text?: string;
  on?: Handlers;
  /** Any other attribute; `true` is present without a value, `false` and undefined are absent. */
  [attribute: string]: string | number | boolean | undefined | Handlers;
}

/** An element with attributes, handlers and children. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false || name === 'on') continue;
    if (name === 'text') el.textContent = String(value);
    else if (name === 'class') el.className = String(value);
    else el.setAttribute(name, value === true ? '' : String(value));
  }
  for (const [type, handler] of Object.entries(props.on ?? {})) el.addEventListener(type, handler as EventListener);
  el.append(...children.filter((c): c is Node | string => c !== null && c !== undefined && c !== false));
  return el;
}

/** A text whose parts in back quotes are code. */
export function prose(text: string): Child[] {
  return text.split('`').map((part, i) => (i % 2 === 1 ? h('code', {}, part) : part));
}

/** Replaces what is in an element. */
export function fill(el: Element, ...children: Child[]): void {
  el.replaceChildren(...children.filter((c): c is Node | string => c !== null && c !== undefined && c !== false));
}

/** Writes a text only if it is another one: a page of numbers is then cheap to refresh. */
export function setText(el: Element, text: string): void {
  if (el.textContent !== text) el.textContent = text;
}

export const button = (text: string, click: () => void, props: Props = {}): HTMLButtonElement =>
  h('button', { type: 'button', ...props, on: { click } }, text);

export type Fact = [term: string, value: Child, help?: string];

/** A list of terms and their values. */
export function facts(rows: Fact[]): HTMLDListElement {
  const items = rows.map(([term, value, help]) => h('div', {}, h('dt', { title: help }, term), h('dd', {}, value)));
  return h('dl', { class: 'facts' }, ...items);
}

/** Shows other values in a list of facts; what did not change stays as it is, with the focus and the tooltip of a reader. */
export function updateFacts(dl: HTMLDListElement, rows: Fact[]): void {
  const terms = [...dl.querySelectorAll('dt')].map((dt) => dt.textContent);
  if (terms.join() !== rows.map(([term]) => term).join()) {
    dl.replaceChildren(...facts(rows).children);
    return;
  }
  dl.querySelectorAll('dd').forEach((dd, i) => {
    const value = rows[i][1];
    if (typeof value === 'string') setText(dd, value);
    else if (value instanceof HTMLElement && dd.innerHTML !== value.outerHTML) fill(dd, value);
  });
}

/** Calls `draw` once in the next frame, however often it is asked to. */
export function oncePerFrame(draw: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}
