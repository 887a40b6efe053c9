import type { Batch } from '../batching/index.ts';
import { ByteFinder } from './byte-finder.ts';
import { isCutOff } from './cut-end.ts';
import { HeadLines, LINE_BREAK, type HeadKind } from './head-lines.ts';
import type { RecordCursor } from './record-cursor.ts';
import { hexDecoding, RowPrefix, writeRow } from './row-prefix.ts';
import { UNPROVABLE, type BodyTable, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { hasByteOrderMark } from './write-text.ts';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;

/**
 * CSV: the carried fields go in front of each row. A message without quotes ends its rows at line breaks; one with quotes is read
 * field by field as ClickHouse does (RFC 4180 with white space around fields). Whatever else — an open quote, text behind a closing
 * one, lone carriage returns, empty lines, a byte order mark, and a blank at the very end, which the server keeps there
 * and cuts off in front of a line break, or anything else there that may mean something else (`isCutOff`) — is left to the exact path.
 */
class CsvWriter implements MessageWriter {
  readonly #prefix: RowPrefix;
  readonly #head: HeadLines;
  readonly #delimiter: number;
  /** Rows may have fewer fields than columns. */
  readonly #mayLeaveOut: boolean;
  readonly #newlines = new ByteFinder(NEWLINE);
  readonly #quotes = new ByteFinder(QUOTE);
  readonly #carriageReturns = new ByteFinder(CARRIAGE_RETURN);

  constructor(fields: readonly CarriedField[], delimiter: number, { settings, head }: BodyTable, kind: HeadKind) {
    const comma = String.fromCharCode(delimiter);
    this.#prefix = new RowPrefix(fields, { start: '', before: () => '', after: () => comma });
    this.#delimiter = delimiter;
    this.#mayLeaveOut = (settings['input_format_csv_allow_variable_number_of_columns'] ?? '0') !== '0';
    const line = (bytes: Buffer, at: number, end: number): readonly [number, number, number] | undefined => {
      const newline = endOfRow(bytes, at, end, delimiter);
      const lineEnd = withoutCarriageReturn(bytes, at, newline);
      return lineEnd <= at ? undefined : [at, lineEnd, newline + 1];
    };
    this.#head = new HeadLines(
      head,
      { line, fields: (texts) => texts.map((text) => text + comma).join(''), lineEnd: LINE_BREAK },
      fields,
      kind,
    );
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const { bytes, valueStart, valueEnd } = message;
    const rowsFrom = this.#head.rowsFrom(message);
    if (rowsFrom < 0 || hasByteOrderMark(bytes, valueStart)) return UNPROVABLE;
    const isQuoted = this.#quotes.find(bytes, valueStart, valueEnd) >= 0;
    const hasCarriageReturn = this.#carriageReturns.find(bytes, valueStart, valueEnd) >= 0;
    let rows = 0;
    for (let start = rowsFrom; start < valueEnd;) {
      const newline =
        isQuoted || hasCarriageReturn ? endOfRow(bytes, start, valueEnd, this.#delimiter) : this.#endOfPlainRow(bytes, start, valueEnd);
      const rowEnd = withoutCarriageReturn(bytes, start, newline);
      if (newline < 0 || rowEnd === start || (newline === valueEnd && this.#isOpenEnded(bytes, start, valueEnd))) {
        batch.rollback();
        return UNPROVABLE;
      }
      writeRow(batch, this.#prefix, source, message, start, rowEnd);
      rows += 1;
      start = newline + 1;
    }
    this.#head.accept(message, rowsFrom);
    return rows;
  }

  /** Whether the message's last field, without a line break behind it, may mean something else with one. */
  #isOpenEnded(bytes: Buffer, start: number, end: number): boolean {
    const last = bytes[end - 1];
    return isBlank(last) || (last === this.#delimiter && this.#mayLeaveOut) || isCutOff(bytes, start, end);
  }

  #endOfPlainRow(bytes: Buffer, start: number, end: number): number {
    const newline = this.#newlines.find(bytes, start, end);
    return newline < 0 ? end : newline;
  }
}

/** The end of the row's own text, when its line break is at `newline`. */
function withoutCarriageReturn(bytes: Buffer, start: number, newline: number): number {
  return newline > start && bytes[newline] === NEWLINE && bytes[newline - 1] === CARRIAGE_RETURN ? newline - 1 : newline;
}

/** The position of the line break that ends the row beginning at `start` (or `end`), or -1 when the row cannot be made out. */
function endOfRow(bytes: Buffer, start: number, end: number, delimiter: number): number {
  for (let at = start; ;) {
    at = skipBlanks(bytes, at, end);
    if (bytes[at] === QUOTE && at < end) {
      at = endOfQuoted(bytes, at + 1, end);
      if (at < 0) return -1;
      at = skipBlanks(bytes, at, end);
    } else {
      while (at < end && bytes[at] !== delimiter && bytes[at] !== NEWLINE && bytes[at] !== CARRIAGE_RETURN) at++;
    }
    if (at === end || bytes[at] === NEWLINE) return at;
    if (bytes[at] === CARRIAGE_RETURN) return at + 1 < end && bytes[at + 1] === NEWLINE ? at + 1 : -1;
    if (bytes[at] !== delimiter) return -1;
    at++;
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09;
}

function skipBlanks(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isBlank(bytes[at])) at++;
  return at;
}

/** The position behind the quote that closes the field whose inside begins at `at`, or -1. `""` is a quote in the field. */
function endOfQuoted(bytes: Buffer, at: number, end: number): number {
  for (; at < end; at++) {
    if (bytes[at] !== QUOTE) continue;
    if (at + 1 < end && bytes[at + 1] === QUOTE) at++;
    else return at + 1;
  }
  return -1;
}

/** Settings that act once a message or change where a field or row ends. */
const UNSAFE: Readonly<Record<string, string>> = {
  input_format_csv_skip_first_lines: '0',
  input_format_csv_allow_cr_end_of_line: '0',
  input_format_csv_allow_whitespace_or_tab_as_delimiter: '0',
  format_csv_allow_single_quotes: '0',
  format_csv_allow_double_quotes: '1',
  input_format_csv_trim_whitespaces: '1',
};

/** A delimiter that the carried fields (digits, hexadecimal, dots; in a head also letters) and quoting leave unambiguous, or undefined. */
function plainDelimiter(text: string, kind: HeadKind): number | undefined {
  const plain = kind === 'none' ? /^[!#-&(-,/:-@G-`g-~]$/ : /^[!#-&*+,/:-@[-`{-~]$/;
  return plain.test(text) ? text.charCodeAt(0) : undefined;
}

/** CSV with any one-character delimiter, without or with lines of names and types. */
export const csv = (kind: HeadKind): Splicer => ({
  isPositional: true,
  createWriter(fields, table) {
    const { settings } = table;
    const delimiter = plainDelimiter(settings['format_csv_delimiter'] ?? ',', kind);
    const isSafe = Object.entries(UNSAFE).every(([name, safe]) => (settings[name] ?? safe) === safe);
    return delimiter === undefined || !isSafe ? undefined : new CsvWriter(fields, delimiter, table, kind);
  },
  forcedSettings: { input_format_csv_detect_header: '0', format_csv_allow_single_quotes: '0' },
  ...hexDecoding,
});
