import type { Batch } from '../batching/index.ts';
import type { RecordCursor } from './record-cursor.ts';
import { hexDecoding, RowPrefix, writeRow } from './row-prefix.ts';
import { UNPROVABLE, type BodyTable, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { hasByteOrderMark, isSpace } from './write-text.ts';

const OPEN = 0x28;
const CLOSE = 0x29;
const COMMA = 0x2c;
const MINUS = 0x2d;
const QUOTE = 0x27;
const BACKSLASH = 0x5c;

/**
 * Values: `(1, 'x')` becomes `(<guard>,70001, 1, 'x')`. Only literals are spliced: how the server reads an expression depends on those in the rows before it, so
 * in a common body it may not read any (`bodySettings`), and a message with operators, functions or comments is left to the exact path. So is one with a
 * literal of another type than its column's, such as a quoted number: the server reads it as an expression.
 */
class ValuesWriter implements MessageWriter {
  readonly #prefix: RowPrefix;
  readonly #literals: readonly Literal[];

  constructor(fields: readonly CarriedField[], columns: BodyTable['columns']) {
    this.#literals = columns.map(({ type }) => literalOf(type));
    const quote = ({ type }: CarriedField): string => (type === 'String' ? `'` : '');
    this.#prefix = new RowPrefix(fields, { start: '(', before: quote, after: (field) => `${quote(field)},` });
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const { bytes, valueStart, valueEnd } = message;
    const isPlain = !hasByteOrderMark(bytes, valueStart);
    let rows = 0;
    for (let at = skipSpaces(bytes, valueStart, valueEnd); at < valueEnd;) {
      const rowEnd = isPlain && bytes[at] === OPEN ? endOfRow(bytes, at, valueEnd, this.#literals) : -1;
      if (rowEnd < 0) {
        batch.rollback();
        return UNPROVABLE;
      }
      writeRow(batch, this.#prefix, source, message, at + 1, rowEnd);
      rows += 1;
      at = skipSpaces(bytes, rowEnd, valueEnd);
      if (at < valueEnd && bytes[at] === COMMA) at = skipSpaces(bytes, at + 1, valueEnd);
    }
    return rows;
  }
}

function skipSpaces(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(bytes[at])) at++;
  return at;
}

/** What the server reads into a column without taking it for an expression. */
type Literal = 'any' | 'unsigned' | 'integer' | 'string';

function literalOf(type: string): Literal {
  const bare = type.replace(/^(?:LowCardinality\(|Nullable\()+/, '');
  if (/^U?Int\d/.test(bare)) return bare.startsWith('U') ? 'unsigned' : 'integer';
  return /^(?:Fixed)?String/.test(bare) ? 'string' : 'any';
}

/** Whether the field that begins at `start` is such a literal. Words (NULL, DEFAULT) are. */
function isLiteral(bytes: Buffer, start: number, end: number, literal: Literal | undefined): boolean {
  if (literal === undefined || literal === 'any') return true;
  let at = skipSpaces(bytes, start, end);
  const first = bytes[at] ?? 0;
  if (isLetter(first)) return true;
  if (literal === 'string') return first === QUOTE;
  if (literal === 'integer' && first === MINUS) at++;
  const digits = at;
  while (isDigit(bytes[at])) at++;
  const next = bytes[skipSpaces(bytes, at, end)];
  return at > digits && (next === COMMA || next === CLOSE);
}

/**
 * The position behind the parenthesis that closes the one at `start`, or -1 when there is anything but literals between them. `literals`: those of the
 * columns.
 */
function endOfRow(bytes: Buffer, start: number, end: number, literals: readonly Literal[]): number {
  let depth = 0;
  let column = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      at = lastOfString(bytes, at + 1, end);
      if (at < 0) return -1;
    } else if (isOpening(byte)) {
      depth += 1;
      if (at === start && !isLiteral(bytes, at + 1, end, literals[0])) return -1;
    } else if (isClosing(byte)) {
      depth -= 1;
      if (depth === 0) return byte === CLOSE ? at + 1 : -1;
    } else if (byte === COMMA && depth === 1) {
      column += 1;
      if (!isLiteral(bytes, at + 1, end, literals[column])) return -1;
    } else if (isLetter(byte)) {
      at = lastOfWord(bytes, at, end);
      if (at < 0) return -1;
    } else if (!isPartOfLiteral(byte) || (byte === MINUS && bytes[at + 1] === MINUS)) {
      return -1;
    }
  }
  return -1;
}

/** The position of the quote that ends the string whose inside begins at `at`, or -1. `''` is a quote in the string. */
function lastOfString(bytes: Buffer, at: number, end: number): number {
  for (; at < end; at++) {
    if (bytes[at] === BACKSLASH) at++;
    else if (bytes[at] === QUOTE) {
      if (at + 1 === end || bytes[at + 1] !== QUOTE) return at;
      at++;
    }
  }
  return -1;
}

const WORDS = new Set(['null', 'true', 'false', 'default', 'nan', 'inf', 'infinity', 'e']);

/** The position of the last letter of the word at `start`, or -1 when it is no literal and no exponent. */
function lastOfWord(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isLetter(bytes[at] as number)) at++;
  return WORDS.has(bytes.toString('latin1', start, at).toLowerCase()) ? at - 1 : -1;
}

function isLetter(byte: number): boolean {
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x7a;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isOpening(byte: number): boolean {
  return byte === OPEN || byte === 0x5b || byte === 0x7b;
}

function isClosing(byte: number): boolean {
  return byte === CLOSE || byte === 0x5d || byte === 0x7d;
}

/** Digits, `.`, `-`, `,`, `:` and white space. */
function isPartOfLiteral(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x3a) || (byte >= COMMA && byte <= 0x2e) || isSpace(byte);
}

export const values: Splicer = {
  isPositional: true,
  createWriter: (fields, { columns }) => new ValuesWriter(fields, columns),
  forcedSettings: {},
  bodySettings: { input_format_values_interpret_expressions: '0', input_format_values_deduce_templates_of_expressions: '0' },
  ...hexDecoding,
};
