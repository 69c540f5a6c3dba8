/**
 * The dashboards, by the name of their file in `grafana/dashboards`.
 *
 *     npx vitest run test/packaging/dashboards.test.ts -u      writes them anew
 */

import { arenas } from './arenas.js';
import { gc } from './gc.js';
import { http } from './http.js';
import { overview } from './overview.js';
import { spans } from './spans.js';

const DASHBOARDS: Readonly<Record<string, () => object>> = {
  'goheap-overview.json': overview,
  'goheap-spans.json': spans,
  'goheap-arenas.json': arenas,
  'goheap-gc.json': gc,
  'goheap-http.json': http,
};

/** The text of every file. */
export function dashboards(): Map<string, string> {
  return new Map(
    Object.entries(DASHBOARDS).map(([file, make]) => [file, `${JSON.stringify(make(), null, 2)}\n`] as const),
  );
}
