/**
 * Sending a file: the one request that is not made by `fetch`, which cannot say how much of a body has left.
 *
 * The answer is a Response all the same, so that problems are read in one place. The file is streamed by the browser; none of it is in the page's
 * memory.
 */

import { ApiError, problem, problemOf, url } from './api.js';
import { askToken, authorization, token } from './token.js';

export const UPLOAD_TYPE = 'application/octet-stream';

export interface UploadOptions {
  signal: AbortSignal;
  /** Bytes sent, of how many. */
  progress(sent: number, all: number): void;
}

/** POSTs a file as it is; a response with a status of 2xx. Throws an ApiError, or an AbortError. */
export async function upload(path: string, file: Blob, options: UploadOptions): Promise<Response> {
  for (;;) {
    const tried = token();
    const response = await once(path, file, options);
    if (response.ok) return response;
    if (response.status === 401 && (await askToken(tried))) continue;
    throw new ApiError(await problemOf(response), response.headers);
  }
}

function once(path: string, file: Blob, { signal, progress }: UploadOptions): Promise<Response> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const xhr = new XMLHttpRequest();
    const abort = (): void => xhr.abort();
    signal.addEventListener('abort', abort, { once: true });
    xhr.upload.addEventListener('progress', ({ loaded, total }) => progress(loaded, total));
    xhr.addEventListener('loadend', () => {
      signal.removeEventListener('abort', abort);
      if (signal.aborted) reject(signal.reason);
      else if (xhr.status === 0) {
        const detail = `The upload to ${path.split('?')[0]} got no answer. If it began, the server may have closed the connection.`;
        reject(new ApiError(problem('unreachable', 'The server does not answer', detail)));
      } else {
        const { status, statusText } = xhr;
        const type = xhr.getResponseHeader('content-type') ?? '';
        resolve(new Response(xhr.responseText, { status, statusText, headers: { 'content-type': type } }));
      }
    });
    xhr.open('POST', url(path));
    for (const [name, value] of Object.entries(authorization())) xhr.setRequestHeader(name, value);
    xhr.setRequestHeader('accept', 'application/json');
    xhr.setRequestHeader('content-type', UPLOAD_TYPE);
    xhr.send(file);
  });
}
