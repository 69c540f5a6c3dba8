/**
 * Every error that this server can answer, declared once.
 *
 * An error's `code` is a promise to clients: it is what they branch on, so it never changes its meaning. Everything
 * that is said about a code (its HTTP status, its title, what it means, what to do about it) stands in this one table,
 * and drives the answers, the pages under `/problems/{code}`, the responses in the OpenAPI document, and
 * `docs/problems.md`. A code that is not in the table cannot be raised: `ErrorCode` is its key type.
 *
 * Invariant: one code, one status. Where one mistake would deserve two statuses, it deserves two codes.
 *
 * How an error travels is `problem.ts`; how other people's errors become ours is `error-handler.ts`.
 */

export interface ErrorEntry {
  /** The HTTP status, always the same one for a code. */
  readonly status: number;
  /** A short sentence, the same for every occurrence (RFC 9457 `title`). */
  readonly title: string;
  /** What it means, for a reader who meets it for the first time. */
  readonly meaning: string;
  /** What to do about it. */
  readonly remedy: string;
}

export const ERRORS = {
  // Requests that say something wrong.

  'bad-request': {
    status: 400,
    title: 'The request is not valid HTTP',
    meaning: 'The request line, the headers or the percent-encoding of the URL could not be read.',
    remedy: 'Check how the client builds its request; `detail` says what could not be read.',
  },
  'invalid-json': {
    status: 400,
    title: 'The body is not valid JSON',
    meaning: 'The body is empty, cut short, not JSON, or uses a key such as `__proto__` that is never accepted.',
    remedy: 'Send one complete JSON value. An object whose every field is optional may be sent as `{}`.',
  },
  'incomplete-body': {
    status: 400,
    title: 'The body ended early',
    meaning: 'The connection brought fewer or more bytes than Content-Length announced.',
    remedy: 'Send the whole body, with the right Content-Length. Nothing of the request was carried out.',
  },
  'validation-failed': {
    status: 400,
    title: 'A value is not allowed',
    meaning:
      'A field of the body, the query, the path or the headers is missing, of the wrong type, or out of range. ' +
      'JSON bodies are not coerced: the string "12" is not the number 12.',
    remedy: '`field` names the value and `allowed` says what it may be. Nothing of the request was carried out.',
  },
  'unknown-field': {
    status: 400,
    title: 'A field is unknown',
    meaning: 'The body or the query has a field that the operation does not know. A typo is an error, never ignored.',
    remedy: '`field` names it and `allowed` lists the fields that exist.',
  },
  'invalid-heap-name': {
    status: 400,
    title: 'The heap name is not valid',
    meaning:
      'A heap name is a part of the URL and a Prometheus label: 1 to 63 characters, lower-case letters, digits, `-` ' +
      'and `_`, beginning with a letter or a digit.',
    remedy: 'Choose a name that matches `^[a-z0-9][a-z0-9_-]{0,62}$`.',
  },
  'invalid-setting': {
    status: 400,
    title: 'A setting has a value that it cannot have',
    meaning: 'A setting of a heap or of a replay is malformed, or outside the limits of this server.',
    remedy: '`field` names the setting and `allowed` says what it may be.',
  },
  'setting-not-live': {
    status: 400,
    title: 'This setting cannot change on a live heap',
    meaning: 'The number of Ps, the arena size and the reservation are fixed when a heap is created.',
    remedy: '`allowed` lists what PATCH may change. For the rest, DELETE the heap and PUT it again.',
  },
  'invalid-size': {
    status: 400,
    title: 'The size is not valid',
    meaning: 'A size is a whole number of bytes, zero or more, as a JSON number.',
    remedy: '`allowed` gives the range.',
  },
  'invalid-p': {
    status: 400,
    title: 'There is no such P',
    meaning: 'The request names a P that the heap does not have.',
    remedy: 'A P is a number from 0 to GOMAXPROCS - 1 of that heap; leave `p` out to let the scheduler choose.',
  },
  'invalid-address': {
    status: 400,
    title: 'The address is malformed',
    meaning: 'An address is a string of `0x` and 1 to 16 lower-case hexadecimal digits, as alloc answered it.',
    remedy: 'Send the address back exactly as the server gave it.',
  },
  'invalid-reference': {
    status: 400,
    title: 'The ref names no earlier alloc',
    meaning:
      'In a batch, `ref` is the index of an earlier operation that allocated. This one is later, no alloc, or failed.',
    remedy: 'Refer only to allocs that stand before the operation in the same batch.',
  },
  'invalid-record': {
    status: 400,
    title: 'The batch is malformed',
    meaning: 'A binary batch is a whole number of fixed-size records; an NDJSON batch is one JSON object a line.',
    remedy: '`index` names the first record or line that could not be read; docs/api.md describes the format.',
  },
  'invalid-cursor': {
    status: 400,
    title: 'The cursor is not valid',
    meaning: 'A cursor is an opaque string that an earlier page of the same listing answered.',
    remedy: 'Start again without a cursor.',
  },
  unauthorized: {
    status: 401,
    title: 'A valid token is required',
    meaning: 'This server was started with AUTH_TOKEN, and the request carries no bearer token or a wrong one.',
    remedy: 'Send `Authorization: Bearer TOKEN`.',
  },
  'cross-site': {
    status: 403,
    title: 'Requests from other web sites are refused',
    meaning:
      'A browser said (Sec-Fetch-Site, Origin) that another web site made it send this request. A page that you merely ' +
      'visit must not drive a server on your own machine.',
    remedy: "Open the console from this server's own address, or call the API from a program.",
  },
  'not-found': {
    status: 404,
    title: 'There is nothing at this path',
    meaning: 'No route has this path.',
    remedy: 'See `/docs` for every path.',
  },
  'heap-not-found': {
    status: 404,
    title: 'There is no heap of this name',
    meaning: 'The heap was never created, or was deleted.',
    remedy: '`GET /v1/heaps` lists the heaps; `PUT /v1/heaps/{heap}` creates one.',
  },
  'span-not-found': {
    status: 404,
    title: 'There is no such span',
    meaning: 'No span in use has this id. Spans come and go as the heap works.',
    remedy: '`GET …/spans` lists the spans that are in use now.',
  },
  'arena-not-found': {
    status: 404,
    title: 'There is no such arena',
    meaning: 'The heap has not grown to this arena.',
    remedy: '`GET …/arenas` lists the arenas that the heap has.',
  },
  'workload-not-found': {
    status: 404,
    title: 'There is no such workload',
    meaning: 'No workload of this heap has this id. Of those that ended only the last sixteen are remembered.',
    remedy: '`GET …/workloads` lists the workloads of the heap.',
  },
  'fetch-not-allowed': {
    status: 403,
    title: 'The server does not fetch from there',
    meaning:
      'A server connects to no address that a client names, unless its operator allowed it (GOHEAP_REPLAY_FETCH).',
    remedy: 'Fetch the profile yourself and upload it; `allowed` lists where the server may fetch from.',
  },
  'replay-not-found': {
    status: 404,
    title: 'There is no such replay',
    meaning: 'No replay has this id. It may have been removed, or have made room for newer ones.',
    remedy: '`GET /v1/replays` lists those that there are.',
  },
  'example-not-found': {
    status: 404,
    title: 'There is no such example',
    meaning: 'No recording of this name comes with goheap.',
    remedy: '`GET /v1/replays/examples` lists them.',
  },
  'cell-not-found': {
    status: 404,
    title: 'The replay has no such cell',
    meaning: "A replay's grid has its cells numbered from 0, and this is none of them.",
    remedy: '`cells` of `GET /v1/replays/{id}` lists them; `limit` says how many there are.',
  },
  'address-outside-heap': {
    status: 404,
    title: 'The address is not in this heap',
    meaning: 'The address lies outside every arena of the heap. It may belong to another heap.',
    remedy: 'Use the address with the heap that answered it.',
  },
  'never-allocated': {
    status: 404,
    title: 'No object was ever allocated here',
    meaning: 'The address lies in the heap, but in free pages, or in a slot that has not been handed out.',
    remedy: 'Use an address that alloc answered.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'The path does not take this method',
    meaning: 'The path exists, with other methods.',
    remedy: '`allowed` and the Allow header list them.',
  },
  'request-timeout': {
    status: 408,
    title: 'The request did not arrive in time',
    meaning: 'The client took too long to send its headers or its body.',
    remedy: 'Send it again.',
  },
  'heap-exists': {
    status: 409,
    title: 'A heap of this name exists with other settings',
    meaning: 'PUT is idempotent: the same settings again answer 200, other settings are a conflict.',
    remedy: 'PATCH what can change live, or DELETE the heap first. `field` names the first setting that differs.',
  },
  'too-many-heaps': {
    status: 409,
    title: 'The server has as many heaps as it may',
    meaning: 'Every heap has threads and a reservation of its own, so their number is limited (GOHEAP_MAX_HEAPS).',
    remedy: 'Delete a heap, or start the server with a higher GOHEAP_MAX_HEAPS.',
  },
  'too-many-workloads': {
    status: 409,
    title: 'The server runs as many workloads as it may',
    meaning: 'Workloads run on the main thread beside the requests, so their number is limited (GOHEAP_MAX_LOADS).',
    remedy: 'Stop a workload or wait until one ends, or start the server with a higher GOHEAP_MAX_LOADS.',
  },
  'recording-under-way': {
    status: 409,
    title: 'The heap is being recorded',
    meaning: 'A heap has one recording at a time (`GET …/recording`): each keeps account of every object.',
    remedy: 'Wait until the other one ends, or end it: it ends when its client closes the connection.',
  },
  'replay-not-done': {
    status: 409,
    title: 'The result is not there',
    meaning:
      'This part of the replay has not been simulated yet, or never will be, because it failed or was cancelled.',
    remedy: '`state` of the replay says which; `GET …/events` tells when it is done.',
  },
  'replay-cancelled': {
    status: 409,
    title: 'The replay was cancelled',
    meaning: 'Somebody deleted the replay while its recording was being uploaded.',
    remedy: 'Send it again if that was not meant.',
  },
  'replay-trace-gone': {
    status: 409,
    title: 'The recording is no longer there',
    meaning:
      'A heap map, and a replay under other settings, need the recording that a replay was made from. It was not kept: ' +
      'it alone takes more than GOHEAP_REPLAY_DISK, or its file was removed or damaged.',
    remedy: 'Upload the recording again. The results of the replay are still there.',
  },
  'workload-needs-limit': {
    status: 409,
    title: 'The workload needs a memory limit',
    meaning: 'The workload shows what happens close to GOMEMLIMIT, and the heap has none.',
    remedy: 'PATCH the heap with a `gomemlimit` first.',
  },
  'already-freed': {
    status: 409,
    title: 'The object was already freed',
    meaning: 'The address is that of an object whose root was dropped earlier: a double free. Nothing was changed.',
    remedy: 'Find out which of the two frees is wrong.',
  },
  'heap-deleted': {
    status: 410,
    title: 'The heap was deleted meanwhile',
    meaning: 'The heap was deleted while the request waited for it.',
    remedy: 'Nothing to repeat: the heap and all its objects are gone.',
  },
  'host-not-allowed': {
    status: 421,
    title: 'The server is not known by this name',
    meaning:
      'The Host header has a name that this server was not given. A web page can make its own name resolve to your machine ' +
      '(DNS rebinding), and then the browser takes the server for its own.',
    remedy: 'Use http://localhost or the IP address, or list the name in GOHEAP_ALLOWED_HOSTS when the server starts.',
  },
  'body-too-large': {
    status: 413,
    title: 'The body is too large',
    meaning:
      'The body exceeds GOHEAP_BODY_LIMIT; or 1 MiB for a single allocation, or 64 KiB where it has but a few fields.',
    remedy: 'Split the work; `limit` says how many bytes are accepted. NDJSON batches may be streamed.',
  },
  'batch-too-large': {
    status: 413,
    title: 'The batch has too many operations',
    meaning: 'The batch exceeds GOHEAP_MAX_BATCH operations. None of them was carried out.',
    remedy: 'Split the batch; `limit` says how many operations are accepted.',
  },
  'replay-too-large': {
    status: 413,
    title: 'The recording is too large',
    meaning:
      'The recording, or what it unpacks to, has more bytes than the server reads (GOHEAP_REPLAY_UPLOAD, GOHEAP_REPLAY_TEXT), ' +
      'or more of something than any program has: threads, or samples, frames or strings of a heap profile.',
    remedy:
      '`detail` says what there is too much of. Pack it (gzip, zstd), record a shorter run, or start the server with higher limits. Nothing of it was kept.',
  },
  'replay-bomb': {
    status: 413,
    title: 'The recording unpacks to too much',
    meaning: 'It unpacks to hundreds of times its size, which no recording of a program does.',
    remedy: 'Unpack it and look at what it is.',
  },
  'replay-too-many-events': {
    status: 413,
    title: 'The recording has too many events',
    meaning: 'It has more events than GOHEAP_REPLAY_EVENTS.',
    remedy: 'Record a shorter run, or start the server with a higher limit.',
  },
  'replay-too-many-objects': {
    status: 413,
    title: 'The recording has too many objects',
    meaning: 'More of its objects are live at once than GOHEAP_REPLAY_OBJECTS.',
    remedy: 'Record a smaller run, or start the server with a higher limit.',
  },
  'uri-too-long': {
    status: 414,
    title: 'The URL is too long',
    meaning: 'A part of the path is longer than any name or address can be.',
    remedy: 'Check how the client builds its URL.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The Content-Type is not accepted here',
    meaning: 'The body has a Content-Type that the operation does not read, or none at all.',
    remedy: "`allowed` lists the types; with curl: `-H 'content-type: application/json'`.",
  },
  'range-not-satisfiable': {
    status: 416,
    title: 'The range lies outside the object',
    meaning: "The Range header asks for bytes behind the object's end.",
    remedy: 'Content-Range in the answer gives the length of the object.',
  },
  'interior-address': {
    status: 422,
    title: 'The address points inside an object',
    meaning: 'The address is in the heap, but not at the beginning of an object. Nothing was changed.',
    remedy: 'Use the address that alloc answered; `base` gives the beginning of the slot.',
  },
  'outside-object': {
    status: 422,
    title: 'The bytes do not fit the object',
    meaning: "A write would go past the object's end. Nothing was written.",
    remedy: '`limit` gives the size of the object.',
  },
  'not-pointer-word': {
    status: 422,
    title: 'This word holds no pointer',
    meaning: 'The object has no pointer at this word: it is noscan, or its type says so, or the word is past its end.',
    remedy: 'Allocate the object with `pointers` that include the word.',
  },
  'invalid-pointer': {
    status: 422,
    title: 'The pointer refers to no object',
    meaning: 'A pointer may only refer to a live object of the same heap, or be null. Nothing was written.',
    remedy: 'Point at an address that alloc answered and that is still live.',
  },
  'object-too-large': {
    status: 422,
    title: 'The object is too large',
    meaning: 'The size exceeds GOHEAP_MAX_OBJECT, or what the reservation of the heap could ever hold.',
    remedy: '`limit` gives the largest size that is accepted.',
  },
  'grid-too-large': {
    status: 422,
    title: 'The grid has too many cells',
    meaning: 'The lists of settings make more combinations than GOHEAP_REPLAY_CELLS.',
    remedy: 'Ask for fewer at once; `limit` says how many are accepted.',
  },
  'replay-empty': {
    status: 422,
    title: 'The recording is empty',
    meaning: 'There are no bytes, or no allocations in them that can be replayed.',
    remedy: 'Look at what the recorder wrote: the program may not have been recorded at all.',
  },
  'replay-format': {
    status: 422,
    title: 'The recording is in no known format',
    meaning: 'Formats are recognised by the beginning of the text, whatever the name of the file.',
    remedy: '`detail` says what it looks like, or what has to be done with it first, and which formats are known.',
  },
  'replay-damaged': {
    status: 422,
    title: 'The recording is damaged',
    meaning: 'Its packed data are damaged, or it says something that no program can have done.',
    remedy:
      '`detail` says where. Copy it again, or record again. One that is merely cut off can be replayed up to the cut.',
  },
  'replay-memory': {
    status: 422,
    title: 'The replay takes too much memory',
    meaning:
      'A thread that parses, simulates or writes a report has a bound on its own memory, several times of what ' +
      'recordings of programs need; objects and simulated heaps are not counted there. This one would have gone beyond.',
    remedy: '`limit` says how many bytes it may have. Look at what the recording is, or record a shorter run.',
  },
  'rate-limited': {
    status: 429,
    title: 'Too many requests',
    meaning: 'The client sent more requests a minute than RATE_LIMIT allows.',
    remedy: 'Wait as long as Retry-After says.',
  },
  'headers-too-large': {
    status: 431,
    title: 'The headers are too large',
    meaning: 'The request headers exceed what the HTTP server accepts.',
    remedy: 'Send fewer or shorter headers.',
  },
  internal: {
    status: 500,
    title: 'The server made a mistake',
    meaning: 'This is a bug in goheap. The log has the details under the same request id.',
    remedy: 'Please report it, with the log entry that has the `requestId` of the answer.',
  },
  'replay-failed': {
    status: 500,
    title: 'The replay failed',
    meaning: 'A thread that parsed or simulated ended unexpectedly. This is a bug in goheap.',
    remedy: 'The log has the details. Please report it, with the recording if you can.',
  },
  'replay-timed-out': {
    status: 503,
    title: 'The replay took too long',
    meaning:
      'A recording may be parsed, a replay may simulate, and a heap map or a report may be worked on, each for as long ' +
      'as GOHEAP_REPLAY_TIME says. Time in which the server waits for an upload does not count.',
    remedy: 'Ask for fewer cells or a part of the recording (`from`, `to`), or start the server with a higher limit.',
  },
  'check-failed': {
    status: 500,
    title: 'The heap is inconsistent',
    meaning: 'check() compared all derived state with the span table and found differences. This is a bug in goheap.',
    remedy: 'Please report it with the differences listed in the answer.',
  },
  'replay-fetch-failed': {
    status: 502,
    title: 'The profile could not be fetched',
    meaning: 'The server that the URL names did not answer with a heap profile.',
    remedy: '`detail` says what it did. The program has to run, and to import net/http/pprof.',
  },
  overloaded: {
    status: 503,
    title: 'There is too much to do',
    meaning:
      'As many operations as a heap can hold at once are already waiting for it, the bodies of other requests take all the ' +
      'memory that there is for them (GOHEAP_MAX_BODIES), or the system has no thread or file descriptor left. This one ' +
      'was not begun.',
    remedy: 'Retry after the time that Retry-After says; send batches instead of single operations.',
  },
  'too-many-replays': {
    status: 503,
    title: 'The server has as many replays to do as it may',
    meaning: 'Replays that are uploaded or wait for their turn are limited (GOHEAP_REPLAYS_WAITING).',
    remedy: 'Come again after the time that Retry-After says, or cancel one that waits.',
  },
  'too-many-streams': {
    status: 503,
    title: 'The server has as many event streams as it may',
    meaning: 'Every live stream (`GET …/events`) holds a connection, so their number is limited (GOHEAP_MAX_STREAMS).',
    remedy: 'Close a stream, come again after the time that Retry-After says, or raise GOHEAP_MAX_STREAMS.',
  },
  'shutting-down': {
    status: 503,
    title: 'The server is shutting down',
    meaning: 'The server finishes what it has begun and takes nothing new. This request was not begun.',
    remedy: 'Retry elsewhere, or when the server is up again.',
  },
  'm-died': {
    status: 503,
    title: 'The thread that ran the request died',
    meaning: 'The worker thread (M) ended while it ran this operation. Its P has been taken over by a new thread.',
    remedy:
      '`happened` says whether the work was done: `no`, `yes`, `partly` or `unknown`. Retry when it is `no`. Of a batch, the first ' +
      '`completed` operations were carried out: what they freed and stored stays so, what they allocated was freed again, since ' +
      'its addresses were never told.',
  },
  'reservation-exhausted': {
    status: 507,
    title: 'The heap is full',
    meaning:
      "The reservation of the heap has no run of free pages that is long enough: Go's out of memory. The heap is " +
      'whole, and frees, sweeps and inspection work.',
    remedy: 'Free objects and sweep, or create a heap with a larger `reserve`.',
  },
  'type-table-full': {
    status: 507,
    title: 'The heap knows too many types',
    meaning: 'Every distinct layout of pointers takes an entry in a table of fixed size.',
    remedy: 'Use fewer different layouts, or `"pointers": "all"`.',
  },
  'site-table-full': {
    status: 507,
    title: 'The heap knows too many allocation sites',
    meaning: 'Every distinct `site` takes an entry in a table of fixed size.',
    remedy: 'Use fewer different sites: name call stacks, not requests.',
  },
  'replay-spool': {
    status: 507,
    title: 'There is no room for the recording',
    meaning: 'A recording that does not fit into memory goes to a temporary file, and that could not be written.',
    remedy: 'Make room in GOHEAP_DATA_DIR, or choose another directory; `detail` has what the system said.',
  },
  'replay-disk': {
    status: 507,
    title: 'The replay could not be written to disk',
    meaning:
      'Results are written to GOHEAP_DATA_DIR as they are made. The system refused that. Nothing of the replay remains there.',
    remedy: 'Make room there, or choose another directory; `detail` has what the system said.',
  },
  'heap-start-failed': {
    status: 507,
    title: 'The heap could not be created',
    meaning: 'The operating system refused the memory or the threads. Nothing of the heap remains.',
    remedy: 'Ask for a smaller `reserve` or fewer Ps; `detail` has what the system said.',
  },
  'no-memory-for-threads': {
    status: 507,
    title: 'There is no memory for the threads of another heap',
    meaning:
      'Every P of a heap is a thread of some 12 MiB. With those of this heap the process would use more memory than it may: ' +
      "its container's limit, or what GOHEAP_MEMORY says. Nothing was created.",
    remedy:
      'Ask for fewer Ps, delete a heap, or give the container more memory. `limit`, `needed` and `available` say in bytes what may ' +
      'be used, what the threads need, and what is left.',
  },
} as const satisfies Record<string, ErrorEntry>;

/** The stable name of an error. */
export type ErrorCode = keyof typeof ERRORS;

export const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

export function errorEntry(code: ErrorCode): ErrorEntry {
  return ERRORS[code];
}
