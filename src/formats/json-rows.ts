import type { Batch } from '../batching/index.ts';
import { ByteFinder } from './byte-finder.ts';
import { HeadLines, LINE_BREAK, type HeadKind } from './head-lines.ts';
import type { RecordCursor } from './record-cursor.ts';
import { RowHead } from './row-head.ts';
import { carriedBytes as hexBytes, hexDecoding, writeCarried as writeHexCarried } from './row-prefix.ts';
import { endOfBracketed, RowScanner } from './row-scanner.ts';
import { UNPROVABLE, type BodyTable, type Carried, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { bytesOf, JSON_ESCAPE_FACTOR, MAX_DIGITS, isSpace, writeBytes, writeInteger, writeJsonString, type Bytes } from './write-text.ts';

/** One of the formats whose rows are JSON, each by itself. */
interface JsonDialect {
  readonly rows: 'objects' | 'arrays';
  /** All values are in strings, and read from their text. */
  readonly isQuoted: boolean;
  readonly head: HeadKind;
}

/**
 * `{…}` becomes `{"<position>":70001,"<timestamp>":1700000000000,…}`, and `[…]` becomes `[<guard>,70001,1700000000000,…]`, by writing the carried fields
 * behind the opening bracket.
 *
 * Why this is safe with a look at only the first and the last byte: each row has a secret at its beginning (its carried names, or the guard), which no
 * payload can contain, and the INSERT refuses any row without it and any other number of rows. So if it goes in, each row was read from where one of
 * ours begins to at most where the next one does, whatever strings or brackets a payload left open; and its last bracket, the last byte of the message, was
 * read as such: between two rows the server takes white space and one comma only. A message of several rows, and a broken one that reaches into the next, fail the INSERT,
 * which is atomic; the batch is then made again with every message scanned (`scanNext`).
 */
class JsonRowWriter implements MessageWriter {
  readonly #open: number;
  readonly #close: number;
  readonly #isQuoted: boolean;
  readonly #head: RowHead;
  readonly #bodyHead: HeadLines;
  /** Those that are not in the head. */
  readonly #whats: readonly Carried[];
  /** What stands before each of them. */
  readonly #texts: readonly Bytes[];
  readonly #scanner: RowScanner;
  readonly #ends = new ByteFinder(0x5d);
  #scanLeft = 0;

  constructor(fields: readonly CarriedField[], { rows, isQuoted, head }: JsonDialect, bodyHead: BodyTable['head']) {
    const isNamed = rows === 'objects';
    [this.#open, this.#close] = isNamed ? [0x7b, 0x7d] : [0x5b, 0x5d];
    this.#isQuoted = isQuoted;
    this.#scanner = new RowScanner(rows);
    const quote = isQuoted ? '"' : '';
    const before = ({ name }: CarriedField): string => (isNamed ? `"${name}":${quote}` : quote);
    const guards = fields.filter(({ what }) => what === 'guard').map((guard) => `${before(guard)}${guard.constant}${quote},`);
    const [position, timestamp, ...others] = fields.filter(({ what }) => what !== 'guard') as [CarriedField, ...CarriedField[]];
    const carriesTimestamp = timestamp?.what === 'timestamp';
    if (timestamp !== undefined && !carriesTimestamp) others.unshift(timestamp);
    this.#head = new RowHead(
      { position: position.what === 'position', timestamp: carriesTimestamp },
      {
        beforePosition: `${isNamed ? '{' : '['}${guards.join('')}${before(position)}`,
        afterPosition: quote + (carriesTimestamp ? `,${before(timestamp)}` : ''),
        afterTimestamp: quote,
      },
    );
    this.#whats = others.map(({ what }) => what);
    this.#texts = others.map((field) => bytesOf(Buffer.from(`,${before(field)}`, 'latin1')));
    this.#bodyHead = new HeadLines(bodyHead, arrayHead, fields, head);
  }

  /** The next `messages` messages are scanned row by row: set after an INSERT found a row that no splice accounts for. */
  scanNext(messages: number): void {
    this.#scanLeft = messages;
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const rowsFrom = this.#bodyHead.rowsFrom(message);
    if (rowsFrom < 0) return UNPROVABLE;
    const rows = this.#writeRows(batch, source, message, rowsFrom);
    if (rows > 0) this.#bodyHead.accept(message, rowsFrom);
    return rows === 0 && rowsFrom > message.valueStart ? UNPROVABLE : rows;
  }

  #writeRows(batch: Batch, source: number, message: RecordCursor, rowsFrom: number): number {
    const bytes = message.bytes;
    let start = rowsFrom;
    let end = message.valueEnd;
    while (start < end && isSpace(bytes[start])) start++;
    while (end > start && isSpace(bytes[end - 1])) end--;
    if (start === end) return 0; // white space only: no row, as in the real engine
    if (this.#mustScan(bytes, start, end)) return this.#writeScanned(batch, source, message, start, end);
    if (bytes[start] !== this.#open || bytes[end - 1] !== this.#close || end - start < 2) return UNPROVABLE;
    this.#writeRow(batch, source, message, start, end);
    return 1;
  }

  /** Arrays without names, one behind the other, would be read as one that is broken: a look at both ends is enough where the message has only one end of an array. */
  #mustScan(bytes: Buffer, start: number, end: number): boolean {
    if (this.#open === 0x5b) return this.#ends.find(bytes, start, end) !== end - 1;
    if (this.#scanLeft > 0) this.#scanLeft -= 1;
    else return bytes[start] === 0x5b;
    return true;
  }

  #writeScanned(batch: Batch, source: number, message: RecordCursor, start: number, end: number): number {
    const rows = this.#scanner.scan(message.bytes, start, end);
    if (rows === undefined) return UNPROVABLE;
    for (let i = 0; i < rows.length; i += 2) {
      this.#writeRow(batch, source, message, rows[i] as number, rows[i + 1] as number);
    }
    // Topics with several rows in a message usually go on so: keep scanning.
    if (rows.length > 2) this.#scanLeft = SCAN_MESSAGES;
    return rows.length / 2;
  }

  #writeRow(batch: Batch, source: number, message: RecordCursor, start: number, end: number): void {
    const bytes = message.bytes;
    const head = this.#head;
    head.set(source, message.offset, message.timestampMs);
    batch.ensure(head.length + this.#carriedBytes(message) + end - start + 2);
    writeBytes(batch, head, 0, head.length);
    for (let i = 0; i < this.#whats.length; i++) {
      const text = this.#texts[i] as Bytes;
      writeBytes(batch, text, 0, text.bytes.length);
      this.#writeCarried(batch, this.#whats[i] as Carried, source, message);
    }
    let inner = start + 1;
    while (isSpace(bytes[inner])) inner++;
    if (inner < end - 1) batch.chunk[batch.position++] = 0x2c;
    writeBytes(batch, message, inner, end);
    batch.chunk[batch.position++] = 0x0a;
  }

  /** Upper bound of what the carried fields of one row take, besides the head. */
  #carriedBytes(message: RecordCursor): number {
    let total = 0;
    for (let i = 0; i < this.#whats.length; i++) {
      const what = this.#whats[i] as Carried;
      total += (this.#texts[i] as Bytes).bytes.length + (this.#isQuoted ? hexBytes(what, message) + 1 : jsonBytes(what, message));
    }
    return total;
  }

  #writeCarried(batch: Batch, what: Carried, source: number, message: RecordCursor): void {
    if (!this.#isQuoted) return writeJsonCarried(batch, what, message);
    writeHexCarried(batch, what, source, message);
    batch.chunk[batch.position++] = 0x22;
  }
}

/** A line of names or types is an array of strings; the next one, or the rows, may follow on the same line. */
const arrayHead = {
  line(bytes: Buffer, at: number, end: number): readonly [number, number, number] | undefined {
    let start = at;
    while (start < end && isSpace(bytes[start])) start++;
    const lineEnd = bytes[start] === 0x5b ? endOfBracketed(bytes, start, end) : -1;
    if (lineEnd < 0) return undefined;
    let first = start + 1;
    while (isSpace(bytes[first])) first++;
    if (bytes[first] !== 0x22) return undefined;
    let next = lineEnd;
    while (next < end && isSpace(bytes[next])) next++;
    if (bytes[next] === 0x2c || bytes[next] === 0x3b) next++;
    while (next < end && isSpace(bytes[next])) next++;
    return [first, lineEnd, next];
  },
  fields: (texts: readonly string[]): string => `[${texts.map((text) => `"${text}",`).join('')}`,
  lineEnd: LINE_BREAK,
};

/** After a message of several objects so many messages are scanned before the quick look is trusted again. */
export const SCAN_MESSAGES = 200_000;

function jsonBytes(what: Carried, message: RecordCursor): number {
  switch (what) {
    case 'key':
      return 2 + Math.max(0, message.keyEnd - message.keyStart) * JSON_ESCAPE_FACTOR;
    case 'header-names':
    case 'header-values':
      return 2 + message.headerBytes() * JSON_ESCAPE_FACTOR + message.headerCount * 3;
    default:
      return MAX_DIGITS;
  }
}

function writeJsonCarried(batch: Batch, what: Carried, message: RecordCursor): void {
  switch (what) {
    case 'timestamp':
      return writeInteger(batch, message.timestampMs);
    case 'key':
      return writeJsonString(batch, message.bytes, message.keyStart, Math.max(message.keyStart, message.keyEnd));
    case 'header-names':
    case 'header-values':
      return writeHeaders(batch, what, message);
    default:
      return; // in the head
  }
}

function writeHeaders(batch: Batch, what: 'header-names' | 'header-values', message: RecordCursor): void {
  let separator = 0x5b;
  message.forEachHeader((nameStart, nameEnd, valueStart, valueEnd) => {
    batch.chunk[batch.position++] = separator;
    separator = 0x2c;
    if (what === 'header-names') writeJsonString(batch, message.bytes, nameStart, nameEnd);
    else writeJsonString(batch, message.bytes, valueStart, Math.max(valueStart, valueEnd));
  });
  if (separator === 0x5b) batch.chunk[batch.position++] = 0x5b;
  batch.chunk[batch.position++] = 0x5d;
}

/** JSONEachRow, JSONCompactEachRow and their kin. */
export const jsonRows = (rows: JsonDialect['rows'], values: 'json' | 'strings' = 'json', head: HeadKind = 'none'): Splicer => ({
  ...(rows === 'arrays' ? { isPositional: true } : {}),
  createWriter: (fields, table) => new JsonRowWriter(fields, { rows, isQuoted: values === 'strings', head }, table.head),
  forcedSettings: {},
  ...(values === 'strings' ? hexDecoding : plainDecoding),
});

const plainDecoding = {
  decodeText: (expression: string): string => expression,
  decodeList: (expression: string): string => expression,
  listType: 'Array(String)',
} as const;
