/** The errors of a system that has no more of something just now, and may have again in a while. */

const SCARCE = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM']);

export function isScarcity(error: unknown): boolean {
  return SCARCE.has(String((error as NodeJS.ErrnoException | null)?.code));
}
