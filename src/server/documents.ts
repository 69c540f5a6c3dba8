/**
 * What anybody may read without a token: pages, the API's document, scripts and styles. Each is made or read once and lies in
 * memory from then on, whole. A request for one makes nothing, serialises nothing and opens no file: it sends the bytes that
 * all share, so that however many are on their way, they cost no memory and no descriptors.
 */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface Document {
  readonly bytes: Buffer;
  readonly type: string;
  readonly etag: string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'application/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
};

export function documentOf(type: string, content: string | Buffer): Document {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return { bytes, type, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}

/** Made when it is asked for, and kept. */
export function once(make: () => Document): () => Document {
  let document: Document | undefined;
  return () => {
    document ??= make();
    return document;
  };
}

const folders = new Map<string, ReadonlyMap<string, Document>>();

/** The files of a folder, and of those in it, by their paths; read once in a process. None if there is no such folder. */
export function folder(root: string): ReadonlyMap<string, Document> {
  let files = folders.get(root);
  if (files === undefined) {
    files = new Map(read(root, ''));
    folders.set(root, files);
  }
  return files;
}

function* read(root: string, within: string): Generator<[string, Document]> {
  for (const entry of entries(join(root, within))) {
    const path = `${within}${entry.name}`;
    const type = TYPES[extname(path)];
    if (entry.isDirectory()) yield* read(root, `${path}/`);
    else if (type !== undefined) yield [path, documentOf(type, readFileSync(join(root, path)))];
  }
}

function entries(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Sends it, unless the client has it already. */
export function sendDocument(
  request: FastifyRequest,
  reply: FastifyReply,
  { bytes, type, etag }: Document,
  cacheControl = 'public, max-age=0',
): FastifyReply {
  reply.header('etag', etag).header('cache-control', cacheControl);
  const known = request.headers['if-none-match'];
  // A proxy that packs an answer makes its tag a weak one.
  if (known !== undefined && (known === '*' || known.includes(etag))) return reply.code(304).send();
  return reply.type(type).send(bytes);
}
