/**
 * Parsed recordings: open while somebody simulates them, on disk between.
 *
 * A recording is known by the hash of its bytes, so that two replays of one recording share it. Who needs it takes a lease; the last
 * one given back closes it after a while (a scrubber asks again and again). A recording that was just parsed is adopted: it is read from memory
 * until then, and from its file later.
 *
 * On the main thread. The descriptors belong to the stores, which are closed when nobody reads from them any more.
 */

import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TraceHandle, TraceStore } from '../../replay/store.js';
import { isScarcity } from '../../threads/scarcity.js';
import { Problem } from '../problem.js';

/** Milliseconds for which a recording that nobody uses stays open. */
const LINGER = 10_000;
/** Milliseconds for which a recording without a replay stays on disk: another process may be about to finish one. */
const ORPHAN = 24 * 3600_000;

interface Open {
  readonly store: TraceStore;
  users: number;
  timer: NodeJS.Timeout | undefined;
}

export interface Lease {
  readonly handle: TraceHandle;
  /** Once. */
  release(): void;
}

export class Traces {
  private readonly folder: string;
  private readonly open = new Map<string, Open>();
  private readonly saving = new Map<string, Promise<number>>();
  private readonly sizes = new Map<string, number>();

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Looks which recordings are there; removes old ones that belong to no replay. */
  async load(used: ReadonlySet<string>): Promise<void> {
    for (const name of await readdir(this.folder)) {
      const hash = /^([0-9a-f]{64})\.trace$/.exec(name)?.[1];
      if (hash === undefined) continue;
      const { size, mtimeMs } = await stat(this.path(hash));
      if (used.has(hash)) this.sizes.set(hash, size);
      else if (Date.now() - mtimeMs > ORPHAN) await rm(this.path(hash), { force: true });
    }
  }

  /** Bytes on disk; 0: it is not there. */
  bytes(hash: string): number {
    return this.sizes.get(hash) ?? 0;
  }

  /** A lease of a recording that was just parsed. The store is the traces' from here on. */
  adopt(hash: string, store: TraceStore): Lease {
    const known = this.open.get(hash);
    if (known !== undefined) store.close();
    else this.open.set(hash, { store, users: 0, timer: undefined });
    return this.lease(hash);
  }

  /** A lease of a recording that is open or on disk. Throws a Problem where it is neither. */
  acquire(hash: string): Lease {
    if (!this.open.has(hash)) {
      try {
        this.open.set(hash, { store: TraceStore.open(this.path(hash)), users: 0, timer: undefined });
      } catch (error) {
        // It is there, and may be opened in a while.
        if (isScarcity(error)) throw error;
        this.sizes.delete(hash);
        throw new Problem('replay-trace-gone', 'The recording of this replay is not on disk any more.');
      }
    }
    return this.lease(hash);
  }

  /** Writes an open recording to disk, if it is not there and takes at most so many bytes. @returns bytes on disk */
  save(hash: string, limit: number): Promise<number> {
    const known = this.bytes(hash);
    const store = this.open.get(hash)?.store;
    if (known > 0 || store === undefined || store.bytes > limit) return Promise.resolve(known);
    let saving = this.saving.get(hash);
    if (saving === undefined) {
      saving = this.write(hash, store).finally(() => this.saving.delete(hash));
      this.saving.set(hash, saving);
    }
    return saving;
  }

  private async write(hash: string, store: TraceStore): Promise<number> {
    const path = this.path(hash);
    await store.save(path);
    const { size } = await stat(path);
    this.sizes.set(hash, size);
    return size;
  }

  /** From disk. Who reads it still can. */
  async remove(hash: string): Promise<void> {
    await this.saving.get(hash)?.catch(() => undefined);
    this.sizes.delete(hash);
    await rm(this.path(hash), { force: true });
  }

  /** Closes what nobody uses. All leases have been given back. */
  close(): void {
    for (const { store, timer } of this.open.values()) {
      clearTimeout(timer);
      store.close();
    }
    this.open.clear();
  }

  private lease(hash: string): Lease {
    const entry = this.open.get(hash) as Open;
    clearTimeout(entry.timer);
    entry.users++;
    return {
      handle: entry.store.handle,
      release: () => {
        if (--entry.users > 0) return;
        entry.timer = setTimeout(() => {
          this.open.delete(hash);
          entry.store.close();
        }, LINGER).unref();
      },
    };
  }

  private path(hash: string): string {
    return join(this.folder, `${hash}.trace`);
  }
}
