/**
 * One thing that a person can do: a form, a button, the line of curl that does the same, and what came of it.
 *
 * The line follows the form as it is filled in, so it can also be copied without doing anything here.
 */

import { attempt, send } from '../api.js';
import { curlBox, curlText } from '../curl.js';
import { fill, h } from '../dom.js';
import type { Feed } from '../feed.js';

export interface Action<Answer, Body = unknown> {
  title: string;
  what: string;
  /** On the button. */
  run: string;
  method?: string;
  /** Below the heap; or elsewhere, as `target` says. */
  path?: string;
  target?(): string;
  /** The form. */
  fields?: HTMLElement[];
  body(): Body;
  /** What came of it; `sent` is the body. */
  done(answer: Answer, sent: Body): (Node | string)[];
  /** May refuse: the form says nothing yet. */
  ready?(): string | undefined;
  after?(): void;
}

/** A card, and a function that writes its curl line anew when something outside the form has changed. */
export function actionCard<Answer, Body = unknown>(
  feed: Feed,
  action: Action<Answer, Body>,
): { el: HTMLElement; refresh(): void } {
  const { title, what, run, method = 'POST', path = '', fields = [], body } = action;
  const target = action.target ?? (() => feed.path(path));
  const line = curlBox('');
  const result = h('p', { class: 'result', role: 'status' });
  const refresh = (): void => line.show(curlText(method, target(), body()));
  const go = h('button', { class: 'primary' }, run);
  const form = h('form', { class: 'action-form' }, ...fields, go);
  form.addEventListener('input', refresh);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const refused = action.ready?.();
    if (refused !== undefined) {
      fill(result, refused);
      return;
    }
    refresh();
    go.disabled = true;
    const started = performance.now();
    const sent = body();
    const answer = await attempt(() => send<Answer>(method, target(), sent));
    go.disabled = false;
    feed.touch();
    if (answer === undefined) fill(result, 'Refused.');
    else {
      const took = `${Math.round(performance.now() - started)} ms`;
      fill(result, ...action.done(answer, sent), h('span', { class: 'dim' }, ` · ${took}`));
    }
    action.after?.();
    refresh();
  });
  feed.on('heap', () => {
    fill(result);
    refresh();
  });
  refresh();
  const el = h(
    'section',
    { class: 'card action', 'aria-label': title },
    h('h3', {}, title),
    h('p', { class: 'dim' }, what),
    form,
    result,
    line,
  );
  return { el, refresh };
}
