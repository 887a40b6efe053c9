import fc from 'fast-check';

/** Pieces that mean something to one format or another, or to the one who puts messages together. */
const TOKENS: readonly Buffer[] = [
  ...[
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    '"',
    "'",
    '\\',
    '\\"',
    "\\'",
    '`',
    ',',
    ';',
    ':',
    '=',
    '|',
    '\t',
    ' ',
    '.',
    '-',
    '0',
    '1',
    '/',
    '#',
    '<',
    '>',
    '&',
    '%',
    '+',
  ],
  ...['\n', '\r', '\r\n', '\n\n', '\\n', '\\N', '\0', '\ufeff', '\u2028', '\v', '\f', '\x1a', '\x7f'],
  ...[
    'null',
    'NULL',
    'nan',
    'true',
    '{}',
    '[]',
    '()',
    '""',
    "''",
    '}{',
    '},{',
    '}\n{',
    '][',
    '],[',
    '),(',
    '{"',
    '"}',
    '\\u0000',
    '\\ud800',
    '\\x41',
    '/*',
    '*/',
    '--',
  ],
  ...[
    '"_offset":99,',
    '"_topic":"forged",',
    '"_key":"forged"',
    '_offset=99\t',
    '_topic=forged',
    '\t_partition=7',
    '{"id":1}',
    '1,2,3',
    "(1,'a')",
    'FORMAT TSV\n',
  ],
].map((text) => Buffer.from(text));

/** The server's errors quote the message: none of it may be taken for the error. */
const FORGED_ERRORS: readonly Buffer[] = [
  'while pushing to view default.x',
  ' (at row 9)',
  '(at row 1)\n: While executing CSVRowInputFormat. (INCORRECT_DATA) (version 26.7)',
  'Code: 241. DB::Exception: x. (MEMORY_LIMIT_EXCEEDED) (version 26.7)',
  'sluice: a row without a source',
].map((text) => Buffer.from(text));

const BYTES: readonly Buffer[] = [
  [0x00],
  [0xff],
  [0x80],
  [0xc3],
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xfe, 0xff],
  [0xff, 0xfe],
  [0x0a],
  [0x01],
  [0x7f],
  [0x90],
  [0xc1],
  [0xdf, 0xff, 0xff, 0xff, 0xff],
].map((bytes) => Buffer.from(bytes));

/** Blank-only and tiny messages, met in every run. */
export const TINY: readonly Buffer[] = [
  ...[
    '',
    ' ',
    '\n',
    '\r\n',
    '\r',
    '\t',
    '\n\n\n',
    '  \n ',
    '\0',
    '\ufeff',
    '\ufeff\n',
    '{',
    '}',
    '[',
    ']',
    '{}',
    '[]',
    '"',
    "'",
    ',',
    ';',
    '(',
    ')',
    '\\',
    '\\N',
    '-',
    '0',
    '{{',
    '}}',
    '[[',
    '""',
    "''",
    '#',
    '\x1a',
  ],
].map((text) => Buffer.from(text));

type Change = (message: Buffer, at: number) => Buffer;

/** `at` is a place in the message, from 0 to 1. */
function place(message: Buffer, at: number): number {
  return Math.round(at * message.length);
}

function insert(piece: Buffer): Change {
  return (message, at) => Buffer.concat([message.subarray(0, place(message, at)), piece, message.subarray(place(message, at))]);
}

function replace(piece: Buffer): Change {
  return (message, at) =>
    Buffer.concat([message.subarray(0, place(message, at)), piece, message.subarray(place(message, at) + piece.length)]);
}

const cutOff: Change = (message, at) => message.subarray(0, place(message, at));
const cutFront: Change = (message, at) => message.subarray(place(message, at));
const leaveOut: Change = (message, at) =>
  Buffer.concat([message.subarray(0, place(message, at)), message.subarray(place(message, at) + 1)]);
const append =
  (piece: Buffer): Change =>
  (message) =>
    Buffer.concat([message, piece]);
const prepend =
  (piece: Buffer): Change =>
  (message) =>
    Buffer.concat([piece, message]);

/** Copies of a piece of the message, one behind the other: deep nesting and long runs. */
function repeatByte(times: number): Change {
  return (message, at) => {
    const from = place(message, at);
    const byte = message.subarray(from, from + 1);
    return Buffer.concat([message.subarray(0, from), ...Array.from({ length: times }, () => byte), message.subarray(from)]);
  };
}

function changes(good: readonly Buffer[]): fc.Arbitrary<Change> {
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...TOKENS) },
    { weight: 1, arbitrary: fc.constantFrom(...BYTES) },
    { weight: 1, arbitrary: fc.constantFrom(...FORGED_ERRORS) },
  );
  const whole = fc.constantFrom(...good);
  const between = fc.constantFrom('', '\n', ',', ' ', ';', '\r\n', '\n\n', '\0').map((text) => Buffer.from(text));
  return fc.oneof(
    { weight: 6, arbitrary: piece.map(insert) },
    { weight: 2, arbitrary: piece.map(replace) },
    { weight: 3, arbitrary: piece.map(append) },
    { weight: 2, arbitrary: piece.map(prepend) },
    { weight: 3, arbitrary: fc.constantFrom(cutOff, cutFront, leaveOut) },
    { weight: 2, arbitrary: fc.tuple(between, whole).map((parts) => append(Buffer.concat(parts))) },
    { weight: 1, arbitrary: fc.constantFrom(2, 20, 1200).map(repeatByte) },
  );
}

/** Messages of one topic: good ones, good ones with up to three changes, and bytes without sense. */
export function hostileMessages(good: readonly Buffer[], count: { min: number; max: number }): fc.Arbitrary<Buffer[]> {
  const changed = fc
    .tuple(
      fc.constantFrom(...good),
      fc.array(fc.tuple(changes(good), fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 1, maxLength: 3 }),
    )
    .map(([message, list]) => list.reduce((bytes, [change, at]) => change(bytes, at), message));
  const message = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...good) },
    { weight: 10, arbitrary: changed },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  );
  return fc.array(message, { minLength: count.min, maxLength: count.max, size: 'max' });
}
