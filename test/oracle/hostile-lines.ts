/**
 * Lines that no recorder writes, one kind for each loop of a reader that could start over at every
 * byte: long runs of what it looks for, of what it skips, of what opens and never closes. Of any
 * length, for the benchmark of readers and the tests that attack them.
 */

export interface HostileLine {
  /** The reader that the line is for, as in FORMATS. */
  readonly format: string;
  readonly shape: string;
  /** Lines by which the format is recognised. */
  readonly head: readonly string[];
  /**
   * A line of about so many bytes. Those of another serial number have other types, as readers keep
   * what they know of a type.
   */
  line(bytes: number, serial?: number): string;
}

/** `before`, then `piece` over and over, then `after`. */
function run(before: string, piece: string, after = ''): (bytes: number) => string {
  return (bytes) =>
    before + piece.repeat(Math.max(1, Math.floor((bytes - before.length - after.length) / piece.length))) + after;
}

/** As many of `open` as of `close`. */
function nested(before: string, open: string, middle: string, close: string): (bytes: number) => string {
  return (bytes) => {
    const depth = Math.max(1, Math.floor((bytes - before.length - middle.length) / (open.length + close.length)));
    return before + open.repeat(depth) + middle + close.repeat(depth);
  };
}

const HEADS: Record<string, readonly string[]> = {
  mtrace: ['= Start', '+ 0x1000 0x10'],
  goheap: ['# goheap 0.1.0: heap default, GOMAXPROCS 2', '0: malloc 0x1000 16 0 0'],
  aosp: ['1: malloc 0x1000 16', '1: malloc 0x2000 16'],
  goalloc: ['1: malloc 0x1000 16 # 16 int', '1: malloc 0x2000 16 # 16 int'],
  valgrind: ['--1-- malloc(16) = 0x1000', '--1-- malloc(16) = 0x2000'],
  heaptrack: ['v 10400 3', 'a 10 1', '+ 0'],
  ltrace: ['1 malloc(16) = 0x1000', '1 malloc(16) = 0x2000'],
  lttng: ['[17.5] vm lttng_ust_libc:malloc: { vtid = 1 }, { size = 16, ptr = 0x1000 }'],
  'cs-app': ['1', '9', '9', '1', 'a 0 16', 'a 1 16'],
};

const MALLOC = '[17.5] vm lttng_ust_libc:malloc: ';
const SERIAL = '[0]';
const TYPE = `1: malloc 0x3000 16 # 16 ${SERIAL}`;

const SHAPES: readonly [format: string, shape: string, line: (bytes: number) => string][] = [
  ['mtrace', 'words of a location', run('@ ', 'x ', '- 0x10')],
  ['mtrace', 'operations in a location', run('@ ', '+ 0x1 ', '+ 0x10 0x10')],
  ['mtrace', 'zeros of an address', run('+ 0x', '0', ' 0x10')],
  ['mtrace', 'zeros of a size', run('+ 0x10 0x', '0')],
  ['mtrace', 'blanks', run('+', ' ', '0x10 0x10')],
  ['mtrace', 'null pointers', run('@ ', '(nil) ', '- (nil)')],
  ['goheap', 'comments', run('0: malloc 0x10 16 0 0 # ', 'scan ')],
  ['goheap', 'zeros of a time', run('0: malloc 0x10 16 0 ', '0')],
  ['aosp', 'zeros of a thread', run('', '0', ': malloc 0x10 16')],
  ['aosp', 'zeros of an address', run('1: malloc 0x', '0', '1 16')],
  ['aosp', 'numbers', run('1: calloc 0x10', ' 8')],
  ['aosp', 'hex numbers', run('1: realloc 0x10', ' 0x8')],
  ['goalloc', 'structs that open', run(TYPE, 'struct { a ')],
  ['goalloc', 'nested structs', nested(TYPE, 'struct { a ', 'int', ' }')],
  ['goalloc', 'nested arrays', run(TYPE, '[1]', 'int')],
  ['goalloc', 'arrays that open', run(TYPE, '[')],
  ['goalloc', 'nested arrays of none', nested(TYPE, '[0]struct { a ', 'int', ' }')],
  ['goalloc', 'fields', run(`${TYPE}struct { `, 'a int; ', 'a int }')],
  ['goalloc', 'digits of an array', run(`${TYPE}[`, '1', ']int')],
  ['goalloc', 'functions', nested(TYPE, 'struct { f pkg.F[', 'int', '] }')],
  ['goalloc', 'blanks of a class', run('1: malloc 0x3000 16 #', ' ', '16 int')],
  ['valgrind', 'calls without end', run('--1-- ', '_Znw(1)')],
  ['valgrind', 'calls that are others', run('--1-- ', 'realloc(0x0,8)', ' = 0x10')],
  ['valgrind', 'operators', run('--1-- ', 'operator new(')],
  ['valgrind', 'mangled names', run('--1-- _Znw', 'm', '(16) = 0x10')],
  ['valgrind', 'arguments', run('--1-- malloc(', '1,', '1) = 0x10')],
  ['valgrind', 'labels', run('--1-- memalign(', 'size ', '1) = 0x10')],
  ['valgrind', 'commas and blanks', run('--1-- malloc(', ', ', ')')],
  ['valgrind', 'blanks before a result', run('--1-- malloc(16)', ' ', '= 0x10')],
  ['heaptrack', 'zeros of a size', run('a ', '0', ' 1')],
  ['heaptrack', 'a string', run('s ', 'x')],
  ['heaptrack', 'zeros of a time', run('c ', '0')],
  ['ltrace', 'libraries', run('1 ', 'a->', 'malloc(16) = 0x10')],
  ['ltrace', 'blanks of a thread', run('1', ' ', 'malloc(16) = 0x10')],
  ['ltrace', 'parts of a time', run('1 ', '1:', '1.5 malloc(16) = 0x10')],
  ['ltrace', 'arguments', run('1 malloc(', '16, ')],
  ['ltrace', 'calls in a call', run('1 ', 'malloc(')],
  ['ltrace', 'parentheses that close', run('1 <... malloc resumed> ', ')', ' x')],
  ['ltrace', 'parentheses and blanks', run('1 malloc(16', ') ', '= 0x10')],
  ['ltrace', 'operators', run('1 operator new(', '(', ' = 0x10')],
  ['lttng', 'equal signs', run(MALLOC, '=')],
  ['lttng', 'equal signs between blanks', run(MALLOC, ' = ')],
  ['lttng', 'fields', run(MALLOC, 'size = 16, ', 'ptr = 0x10')],
  ['lttng', 'a long name', run(MALLOC, 'x', ' = 16')],
  ['lttng', 'names and equal signs', run(MALLOC, 'x=', ' = 16')],
  ['lttng', 'providers', run('', 'lttng_ust_libc:')],
  ['lttng', 'colons', run('', ':', MALLOC)],
  ['lttng', 'zeros of a size', run(`${MALLOC}{ size = `, '0', ', ptr = 0x10 }')],
  ['cs-app', 'zeros of an id', run('a ', '0', ' 16')],
  ['cs-app', 'zeros of a size', run('a 2 ', '0')],
  ['cs-app', 'blanks', run('a', ' ', '2 16')],
];

export const HOSTILE_LINES: readonly HostileLine[] = SHAPES.map(([format, shape, line]) => ({
  format,
  shape,
  head: HEADS[format],
  line: (bytes, serial = 1) => line(bytes).replace(` ${SERIAL}`, ` [${serial}]`),
}));
