/**
 * The bearer token, where the server wants one.
 *
 * It is asked for when the API first answers 401, and lives in this tab's session storage: another tab asks again,
 * closing the tab forgets it. It is sent in the Authorization header alone, never in a URL.
 */

import { h } from './dom.js';

const KEY = 'goheap-token';

export const token = (): string | null => sessionStorage.getItem(KEY);

export function authorization(): Record<string, string> {
  const value = token();
  return value === null ? {} : { authorization: `Bearer ${value}` };
}

let asking: Promise<boolean> | undefined;

/**
 * Asks for a token; true when there is one to try. Many requests may ask at once, for one dialog. `tried` is the token
 * that was refused: if another one has come meanwhile, there is nothing to ask.
 */
export function askToken(tried: string | null): Promise<boolean> {
  if (token() !== tried) return Promise.resolve(true);
  asking ??= ask(tried !== null).finally(() => {
    asking = undefined;
  });
  return asking;
}

function ask(refused: boolean): Promise<boolean> {
  const input = h('input', { type: 'password', name: 'token', required: true, autocomplete: 'off', size: 40 });
  const cancel = h('button', { type: 'button' }, 'Cancel');
  const form = h(
    'form',
    { method: 'dialog' },
    h('h2', {}, 'This server asks for a token'),
    h(
      'p',
      {},
      refused ? 'It did not accept the last one. ' : '',
      'It is the AUTH_TOKEN of the server. It stays in this tab, until the tab is closed.',
    ),
    h('label', {}, 'Token ', input),
    h('p', { class: 'row' }, h('button', { class: 'primary' }, 'Use it'), cancel),
  );
  const dialog = h('dialog', { class: 'dialog', 'aria-label': 'Token' }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    form.addEventListener('submit', () => {
      sessionStorage.setItem(KEY, input.value.trim());
      dialog.close('given');
    });
    cancel.addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'given');
    });
  });
}
