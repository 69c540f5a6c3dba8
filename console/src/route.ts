/**
 * Where the reader is, in the fragment of the address: `#/HEAP/TAB/REST…`, for example `#/default/map/span/12`.
 *
 * A link to a span or an object can so be sent to somebody, and Back goes back.
 */

export interface Place {
  heap: string | null;
  tab: string;
  rest: string[];
}

export function readPlace(): Place {
  const [heap, tab, ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  return { heap: heap || null, tab: tab ?? '', rest };
}

export function formatPlace({ heap, tab, rest }: Place): string {
  return `#/${[heap ?? '', tab, ...rest].map(encodeURIComponent).join('/')}`;
}

/** Changes the address. `quietly`: without an entry in the history, and without telling anybody. */
export function goTo(place: Place, quietly = false): void {
  const hash = formatPlace(place);
  if (hash === location.hash) return;
  if (quietly) history.replaceState(null, '', hash);
  else location.hash = hash;
}
