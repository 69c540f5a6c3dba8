/** The tabs, after the ARIA pattern: one stop of the tab key, arrows, Home and End move. */

import { h } from './dom.js';

export class Tabs {
  readonly el = h('div', { role: 'tablist', class: 'tabs', 'aria-label': 'Views' });
  readonly #tabs = new Map<string, HTMLButtonElement>();

  constructor(names: [id: string, label: string][], chosen: (id: string) => void) {
    for (const [id, label] of names) {
      const tab = h('button', { type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': 'view' }, label);
      tab.addEventListener('click', () => chosen(id));
      this.#tabs.set(id, tab);
      this.el.append(tab);
    }
    const ids = names.map(([id]) => id);
    this.el.addEventListener('keydown', (event) => {
      const at = ids.findIndex((id) => this.#tabs.get(id) === document.activeElement);
      const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: ids.length - 1 }[event.key];
      if (next === undefined || at < 0) return;
      event.preventDefault();
      const id = ids[(next + ids.length) % ids.length];
      chosen(id);
      this.#tabs.get(id)?.focus();
    });
  }

  show(chosen: string): void {
    for (const [id, tab] of this.#tabs) {
      tab.setAttribute('aria-selected', String(id === chosen));
      tab.tabIndex = id === chosen ? 0 : -1;
      // On a narrow screen the row of tabs scrolls.
      if (id === chosen) tab.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
  }
}
