/**
 * The data directory: results of replays that have ended, kept over a restart.
 *
 *      replays/<id>/replay.json    what the list shows, and where in `results` each part of each cell is
 *      replays/<id>/results        texts of parts, one after the other, as the cells were done (parts.ts)
 *      traces/<hash>.trace         parsed recordings (traces.ts)
 *
 * A replay is written into `replays/.<id>.<pid>.partial`, which gets its name when it is whole; so what has a name is whole, unless it was damaged
 * later. That is noticed: by the shape of replay.json and the size of `results` when the directory is read, by a checksum when a part is. What
 * is damaged is left where it is, for people to look at, and not listed.
 *
 * Two servers may have the same directory. Each lists what it found when it began, and what it made.
 */

import { readSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { FastifyBaseLogger } from 'fastify';
import type { IngestReport } from '../../replay/events.js';
import type { Headline, SimResult } from '../../replay/result.js';
import type { SimSettings } from '../../replay/settings.js';
import type { Ranges } from '../../replay/whatif/ranges.js';
import { type CORE, type Part, textsOf } from './parts.js';
import type { Profiled } from './profile.js';

/** Of replay.json and `results`. */
export const KEPT_VERSION = 1;
export const ID = /^[a-z0-9]{12}$/;
const PARTIAL = /\.([0-9]{1,10})\.partial$/;

/** Where a text is: offset and length in bytes, checksum. */
export type Place = readonly [offset: number, length: number, crc: number];
export type Places = Record<Part | typeof CORE, Place>;

export interface KeptCell {
  readonly settings: SimSettings;
  readonly headline: Headline;
  readonly ranges: Ranges;
  readonly exhausted: SimResult['exhausted'];
  readonly places: Places;
}

/** replay.json. */
export interface Kept {
  readonly kept: typeof KEPT_VERSION;
  readonly id: string;
  readonly name: string;
  readonly source: string;
  /** Of the recording and all settings: what a cache is asked by. */
  readonly key: string;
  readonly variations: number;
  readonly hash: string;
  readonly ingest: IngestReport;
  readonly profiled: Profiled | null;
  readonly createdAt: string;
  readonly startedAt: string;
  readonly endedAt: string;
  /** Bytes of `results`. */
  readonly size: number;
  readonly cells: KeptCell[];
}

/** A part on disk is not what was written. */
export class DamagedError extends Error {}

export class Disk {
  readonly replays: string;
  readonly traces: string;

  private constructor(root: string) {
    this.replays = join(root, 'replays');
    this.traces = join(root, 'traces');
  }

  /** Makes the directory where it is missing; readable for this user alone, as sizes of a program's allocations are nobody else's. */
  static async open(root: string): Promise<Disk> {
    const disk = new Disk(root);
    for (const folder of [disk.replays, disk.traces]) await mkdir(folder, { recursive: true, mode: 0o700 });
    return disk;
  }

  /** The replays that are there, oldest first. Removes what processes that have ended left half written. */
  async load(log: FastifyBaseLogger): Promise<Kept[]> {
    for (const folder of [this.replays, this.traces]) await removePartial(folder);
    const found: Kept[] = [];
    for (const id of await readdir(this.replays)) {
      if (!ID.test(id)) continue;
      const why = await this.read(id).then(
        (kept) => (typeof kept === 'string' ? kept : void found.push(kept)),
        (error: Error) => error.message,
      );
      if (why !== undefined) log.warn({ replay: id, folder: this.replays, why }, 'a kept replay cannot be read');
    }
    return found.sort((a, b) => a.endedAt.localeCompare(b.endedAt));
  }

  private async read(id: string): Promise<Kept | string> {
    const kept = JSON.parse(await readFile(join(this.replays, id, 'replay.json'), 'utf8')) as Kept;
    if (kept?.kept !== KEPT_VERSION) return `of version ${kept?.kept}, and this is ${KEPT_VERSION}`;
    if (kept.id !== id || !isWhole(kept)) return 'replay.json is damaged';
    const { size } = await stat(join(this.replays, id, 'results'));
    return size === kept.size ? kept : `results has ${size} bytes, not ${kept.size}`;
  }

  async remove(id: string): Promise<void> {
    await rm(join(this.replays, id), { recursive: true, force: true });
  }
}

function isWhole({ name, key, hash, ingest, cells, createdAt, startedAt, endedAt, source }: Kept): boolean {
  const texts = [name, key, hash, createdAt, startedAt, endedAt, source, ingest?.format];
  const isCell = (cell: KeptCell): boolean =>
    [cell?.settings, cell?.headline, cell?.ranges, cell?.places].every(
      (part) => typeof part === 'object' && part !== null,
    ) && Object.values(cell.places).every((place) => Array.isArray(place) && place.every(Number.isSafeInteger));
  return texts.every((text) => typeof text === 'string') && Array.isArray(cells) && cells.every(isCell);
}

/** What ends in `.<pid>.partial`, and whose process is gone; our own number may be that of a process before us (in a container it always is). */
async function removePartial(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = Number(PARTIAL.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || (pid !== process.pid && isAlive(pid))) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The results of one replay: written while it runs, read then and later. */
export class Results {
  private readonly disk: Disk;
  private readonly id: string;
  private folder: string;
  private file: FileHandle | undefined;
  private written = 0;
  /** Writes are one after the other. */
  private last: Promise<unknown> = Promise.resolve();

  private constructor(disk: Disk, id: string, folder: string, file?: FileHandle) {
    this.disk = disk;
    this.id = id;
    this.folder = folder;
    this.file = file;
  }

  /** For a replay that begins. */
  static async create(disk: Disk, id: string): Promise<Results> {
    const folder = join(disk.replays, `.${id}.${process.pid}.partial`);
    await mkdir(folder, { mode: 0o700 });
    try {
      return new Results(disk, id, folder, await open(join(folder, 'results'), 'wx+', 0o600));
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Of a replay that is kept. */
  static kept(disk: Disk, id: string): Results {
    return new Results(disk, id, join(disk.replays, id));
  }

  /** Bytes written. */
  get size(): number {
    return this.written;
  }

  /** Writes the result of a cell. @returns where its parts are */
  append(result: SimResult): Promise<Places> {
    const writing = this.last.then(async () => {
      const places: Partial<Places> = {};
      for await (const [part, text] of textsOf(result)) {
        const bytes = Buffer.from(text);
        await this.file?.appendFile(bytes);
        places[part] = [this.written, bytes.length, crc32(bytes)];
        this.written += bytes.length;
      }
      return places as Places;
    });
    this.last = writing.catch(() => undefined);
    return writing;
  }

  /** All cells are there: the replay is kept from here on. */
  async commit(kept: Kept): Promise<void> {
    await this.last;
    const { file } = this;
    const json = join(this.folder, 'replay.json');
    await file?.sync();
    await writeFile(json, JSON.stringify(kept), { mode: 0o600, flush: true });
    const final = join(this.disk.replays, this.id);
    await rename(this.folder, final);
    this.folder = final;
    this.file = undefined;
    // Whoever reads meanwhile is waited for.
    await file?.close();
  }

  /** It will not be kept. */
  async discard(): Promise<void> {
    await this.last;
    const { file } = this;
    this.file = undefined;
    await file?.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Of the file. */
  get path(): string {
    return join(this.folder, 'results');
  }

  /** Throws DamagedError where the text is not what was written, or is gone. */
  async read(place: Place): Promise<Buffer> {
    const own = this.file;
    const file = own ?? (await open(this.path).catch(gone));
    try {
      return await readPlace(file, place);
    } finally {
      if (own === undefined) await file.close();
    }
  }
}

/** Throws DamagedError where the text is not what was written. */
export async function readPlace(file: FileHandle, [offset, length, crc]: Place): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  for (let n = 1; n > 0 && done < length; done += n) {
    n = (await file.read(bytes, done, length - done, offset + done)).bytesRead;
  }
  return whole(bytes, done, crc);
}

/** The same in a thread that has nothing else to do. */
export function readPlaceSync(fd: number, [offset, length, crc]: Place): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  for (let n = 1; n > 0 && done < length; done += n) n = readSync(fd, bytes, done, length - done, offset + done);
  return whole(bytes, done, crc);
}

function whole(bytes: Buffer, done: number, crc: number): Buffer {
  if (done < bytes.length || crc32(bytes) !== crc) throw new DamagedError('the results are not what was written');
  return bytes;
}

/** A file that is not there is damage; one that cannot be opened just now is not. */
export function gone(error: NodeJS.ErrnoException): never {
  if (error.code === 'ENOENT') throw new DamagedError(error.message);
  throw error;
}
