/** What becomes of the rest of an upload that was refused, on an injected clock. */

import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { uploadOf } from '../../../src/server/replays/upload.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] }));
afterEach(() => void vi.useRealTimers());

it('a connection that stays silent is told once to end, and is cut off if it does not', () => {
  const socket = { destroy: vi.fn(), destroySoon: vi.fn() };
  const request = Object.assign(new PassThrough(), { complete: false, socket });
  uploadOf(request as unknown as IncomingMessage).discard();
  vi.advanceTimersByTime(4_900);
  // Each call would leave a listener on the socket until its client has read everything.
  expect([socket.destroySoon.mock.calls.length, socket.destroy.mock.calls.length]).toEqual([1, 0]);
  vi.advanceTimersByTime(200);
  expect(socket.destroy).toHaveBeenCalled();
  request.destroy();
});
