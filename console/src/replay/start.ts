/**
 * Beginning a replay: where the recording comes from (a file, one that comes with goheap, that of an earlier replay), the settings, the line of curl,
 * and how the upload fares.
 *
 *      file ──▶ POST, streamed ──▶ "12 of 30 MiB sent" ──▶ "the server reads the rest" ──▶ 202: its page is opened
 *                                        └─ Stop: nothing is left behind
 *
 * What is wrong with a recording is the answer to the POST; it is said here, in the words of the problem, and stays until the next try.
 */

import { ApiError, get, send } from '../api.js';
import { curlBox, curlFileText, curlText } from '../curl.js';
import { button, fill, h, setText } from '../dom.js';
import { bytes, count, percent } from '../format.js';
import type { Problem } from '../types.js';
import { UPLOAD_TYPE, upload } from '../upload.js';
import { nameOf, SettingsForm } from './form.js';
import type { Example, ReplayList, ReplayView } from './types.js';

type Source =
  | { kind: 'file'; file: File; name: string }
  | { kind: 'example'; name: string }
  | { kind: 'replay'; id: string; name: string };

/** A problem in its own words, with a link to the page that explains its code. */
export function problemNotice({ title, detail, allowed, type, code }: Problem): HTMLElement {
  const more = allowed === undefined ? '' : ` Allowed: ${[allowed].flat().join(', ')}.`;
  const link = type.startsWith('/problems/') && h('a', { href: `.${type}`, target: '_blank', rel: 'noopener' }, code);
  return h('div', { class: 'notice problem', role: 'alert' }, h('b', {}, title), h('p', {}, `${detail}${more} `, link));
}

export class Start {
  readonly el: HTMLElement;
  readonly #opened: (id: string) => void;
  readonly #settings = new SettingsForm();
  readonly #chosen = h('p', { class: 'chosen', role: 'status' });
  readonly #gallery = h('div', { class: 'gallery' });
  readonly #go = h('button', { class: 'primary' }, 'Replay');
  readonly #stop = button('Stop', () => this.#abort?.abort(), { hidden: true });
  readonly #bar = h('progress', { class: 'upload-bar', max: 1, hidden: true, 'aria-label': 'Upload' });
  readonly #said = h('p', { class: 'result', role: 'status' });
  readonly #problem = h('div');
  readonly #line = curlBox('');
  readonly #drop: HTMLElement;
  #source: Source | undefined;
  #abort: AbortController | undefined;
  #limits: ReplayList['limits'] | undefined;

  constructor(opened: (id: string) => void) {
    this.#opened = opened;
    // Opened by a button: the keyboard reaches that, and it looks like one.
    const input = h('input', { type: 'file', class: 'file', tabindex: -1, 'aria-label': 'Recording' });
    input.addEventListener('change', () => {
      const file = input.files?.[0];
      if (file !== undefined) this.#choose({ kind: 'file', file, name: file.name });
      // So that the same file can be chosen again.
      input.value = '';
    });
    this.#drop = h(
      'div',
      { class: 'drop' },
      h(
        'p',
        {},
        h('b', {}, 'Drop a recording here'),
        ' or ',
        button('Choose a file', () => input.click()),
        input,
      ),
      h(
        'p',
        { class: 'dim small-text' },
        'mtrace, valgrind --trace-malloc, heaptrack, ltrace, LTTng, bpftrace, AOSP memory_replay, CS:APP .rep, goheap record, or a pprof ' +
          'heap profile; plain, gzip, zstd or zip. Its content tells which, not its name.',
      ),
      this.#chosen,
    );
    this.#listen();
    const form = h(
      'form',
      { class: 'replay-start' },
      this.#drop,
      h('h4', {}, 'Or one that comes with goheap'),
      this.#gallery,
      h('h4', {}, 'Settings; lists make a grid of all combinations'),
      this.#settings.el,
      h('div', { class: 'row' }, this.#go, this.#stop, this.#bar, this.#said),
      this.#problem,
      this.#line,
    );
    form.addEventListener('input', () => this.#show());
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#begin();
    });
    const title = h('h3', {}, 'What would Go’s heap cost this program?');
    this.el = h('section', { class: 'card', 'aria-label': 'New replay' }, title, form);
    this.#show();
  }

  set limits(limits: ReplayList['limits']) {
    this.#limits = limits;
  }

  /** Reads the gallery, once. */
  async load(signal: AbortSignal): Promise<void> {
    if (this.#gallery.childElementCount > 0) return;
    const { examples } = await get<{ examples: Example[] }>('v1/replays/examples', signal);
    const cards = examples.map(({ name, title, about, format, events, bytes: size }) => {
      const card = button('', () => this.#choose({ kind: 'example', name }), {
        class: 'example',
        'data-example': name,
        'aria-pressed': 'false',
      });
      const facts = h('span', { class: 'dim' }, `${format} · ${count(events)} events · ${bytes(size)}`);
      fill(card, h('b', {}, title), h('span', {}, about), facts);
      return card;
    });
    fill(this.#gallery, ...cards);
    this.#show();
  }

  /** The recording of an earlier replay, under other settings. */
  again(id: string, name: string): void {
    this.#choose({ kind: 'replay', id, name });
  }

  #listen(): void {
    // On the whole page: a file that misses the field must not replace the page.
    addEventListener('dragover', (event) => {
      if (!this.el.isConnected) return;
      event.preventDefault();
      this.#drop.classList.add('over');
    });
    addEventListener('dragleave', (event) => {
      if (event.relatedTarget === null) this.#drop.classList.remove('over');
    });
    addEventListener('drop', (event) => {
      if (!this.el.isConnected) return;
      event.preventDefault();
      this.#drop.classList.remove('over');
      const file = event.dataTransfer?.files[0];
      if (file !== undefined) this.#choose({ kind: 'file', file, name: file.name });
    });
  }

  #choose(source: Source): void {
    if (this.#abort !== undefined) return;
    this.#source = source;
    fill(this.#problem);
    setText(this.#said, '');
    this.#show();
    this.#go.focus();
  }

  get #path(): string {
    const source = this.#source;
    return `v1/replays${this.#settings.query(source?.kind === 'file' ? nameOf(source.name) : undefined)}`;
  }

  get #body(): object {
    const source = this.#source;
    if (source?.kind === 'replay') return { replay: source.id };
    return { example: source?.kind === 'example' ? source.name : 'jq' };
  }

  #show(): void {
    const source = this.#source;
    for (const card of this.#gallery.querySelectorAll('button')) {
      const pressed = source?.kind === 'example' && card.dataset.example === source.name;
      card.setAttribute('aria-pressed', String(pressed));
    }
    if (source?.kind === 'file') setText(this.#chosen, `Chosen: ${source.name}, ${bytes(source.file.size)}`);
    else if (source?.kind === 'replay') setText(this.#chosen, `Chosen: the recording of “${source.name}”, once more`);
    else setText(this.#chosen, '');
    setText(this.#go, source === undefined ? 'Replay' : `Replay ${source.name}`);
    const line =
      source?.kind === 'file'
        ? curlFileText(this.#path, source.name, UPLOAD_TYPE)
        : curlText('POST', this.#path, this.#body);
    this.#line.show(line);
  }

  async #begin(): Promise<void> {
    const source = this.#source;
    if (this.#abort !== undefined) return;
    if (source === undefined) {
      setText(this.#said, 'Drop or choose a file, or one of the examples.');
      return;
    }
    const most = this.#limits?.upload;
    if (source.kind === 'file' && most !== undefined && source.file.size > most) {
      const text = `The file has ${bytes(source.file.size)}; this server takes ${bytes(most)}. Packed by gzip or zstd it may fit.`;
      setText(this.#said, text);
      return;
    }
    const abort = new AbortController();
    this.#abort = abort;
    this.#busy(true, source.kind === 'file');
    fill(this.#problem);
    setText(this.#said, 'The server reads it …');
    try {
      const replay =
        source.kind === 'file'
          ? await this.#upload(source.file, abort.signal)
          : await send<ReplayView>('POST', this.#path, this.#body);
      setText(this.#said, replay.cached ? 'It was replayed before, with the same settings.' : '');
      this.#opened(replay.id);
    } catch (error) {
      setText(this.#said, abort.signal.aborted ? 'Stopped. Nothing of it is left on the server.' : '');
      if (error instanceof ApiError) fill(this.#problem, problemNotice(error.problem));
      else if (!abort.signal.aborted) throw error;
    } finally {
      this.#abort = undefined;
      this.#busy(false, false);
    }
  }

  #busy(busy: boolean, stoppable: boolean): void {
    this.#go.disabled = busy;
    this.#stop.hidden = !stoppable;
    this.#bar.hidden = !busy;
    // Without a value it says that something goes on, not how far.
    this.#bar.removeAttribute('value');
  }

  async #upload(file: File, signal: AbortSignal): Promise<ReplayView> {
    const progress = (sent: number, all: number): void => {
      const share = all === 0 ? 1 : sent / all;
      this.#bar.value = share;
      const part = `${bytes(sent)} of ${bytes(all)} sent, ${percent(share)}`;
      setText(this.#said, sent < all ? part : `${bytes(all)} sent; the server reads the rest …`);
    };
    const response = await upload(this.#path, file, { signal, progress });
    return (await response.json()) as ReplayView;
  }
}
