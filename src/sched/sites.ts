/**
 * Sites: where in the client's program an object was allocated, as the client names it. Interned on the main thread, so that
 * an object carries a number. Bounded: past `MAX_SITES` names, or `MAX_BYTES` of them, new names are not kept.
 */

import type { SiteTable } from './host-api.js';

const MAX_SITES = 65_536;
const MAX_BYTES = 16 << 20;

export class Sites implements SiteTable {
  private readonly ids = new Map<string, number>();
  private readonly names: string[] = [''];
  private bytes = 0;

  intern(site: string): number {
    if (site === '') return 0;
    const seen = this.ids.get(site);
    if (seen !== undefined) return seen;
    if (this.names.length > MAX_SITES || this.bytes + site.length > MAX_BYTES) return 0;
    const id = this.names.length;
    this.names.push(site);
    this.ids.set(site, id);
    this.bytes += site.length;
    return id;
  }

  name(id: number): string | undefined {
    return id > 0 ? this.names[id] : undefined;
  }
}
