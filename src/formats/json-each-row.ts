import type { Batch } from '../batching/index.ts';
import type { RecordCursor } from './record-cursor.ts';
import { RowHead } from './row-head.ts';
import { UNPROVABLE, type Carried, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { bytesOf, JSON_ESCAPE_FACTOR, MAX_DIGITS, isSpace, writeBytes, writeInteger, writeJsonString, type Bytes } from './write-text.ts';
import { ObjectScanner } from './json-objects.ts';

/**
 * JSONEachRow: `{…}` becomes `{"<position>":70001,"<timestamp>":1700000000000,…}` by writing the carried fields behind the opening brace.
 *
 * Why this is safe with a look at only the first and the last byte: the carried names hold a secret, so no payload can contain them,
 * and the INSERT refuses any row without a source. A message begins with `{` and ends with `}`; after its last `}` the
 * parser is either done with the row, or in need of `,`, `]`, `}`, or inside a string. What follows is always a line break and
 * `{"<secret>`: no continuation of the first kind, and in a string the quote ends it and the secret's letters are garbage. So
 * no row reaches into the next message, and a message of several objects leaves rows without a source. Both fail the
 * INSERT, which is atomic; the batch is then made again with every message scanned (`scanNext`).
 */
class JsonEachRowWriter implements MessageWriter {
  readonly #head: RowHead;
  /** Those that are not in the head. */
  readonly #fields: readonly CarriedField[];
  readonly #names: readonly Bytes[];
  readonly #scanner = new ObjectScanner();
  #scanLeft = 0;

  constructor(fields: readonly CarriedField[]) {
    const inHead = fields[1]?.what === 'timestamp' ? 2 : 1;
    this.#head = new RowHead(fields.slice(0, inHead));
    this.#fields = fields.slice(inHead);
    this.#names = this.#fields.map((field) => bytesOf(Buffer.from(`,"${field.name}":`, 'latin1')));
  }

  /** The next `messages` messages are scanned object by object: set after an INSERT found a row that no splice accounts for. */
  scanNext(messages: number): void {
    this.#scanLeft = messages;
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const bytes = message.bytes;
    let start = message.valueStart;
    let end = message.valueEnd;
    while (start < end && isSpace(bytes[start])) start++;
    while (end > start && isSpace(bytes[end - 1])) end--;
    if (start === end) return 0; // white space only: no row, as in the real engine
    const first = bytes[start];
    if (this.#scanLeft > 0 || first === 0x5b) {
      if (this.#scanLeft > 0) this.#scanLeft -= 1;
      return this.#writeScanned(batch, source, message, start, end);
    }
    if (first !== 0x7b || bytes[end - 1] !== 0x7d || end - start < 2) return UNPROVABLE;
    this.#writeObject(batch, source, message, start, end);
    return 1;
  }

  #writeScanned(batch: Batch, source: number, message: RecordCursor, start: number, end: number): number {
    const objects = this.#scanner.scan(message.bytes, start, end);
    if (objects === undefined) return UNPROVABLE;
    for (let i = 0; i < objects.length; i += 2) {
      this.#writeObject(batch, source, message, objects[i] as number, objects[i + 1] as number);
    }
    // Topics with several objects in a message usually go on so: keep scanning.
    if (objects.length > 2) this.#scanLeft = SCAN_MESSAGES;
    return objects.length / 2;
  }

  #writeObject(batch: Batch, source: number, message: RecordCursor, start: number, end: number): void {
    const bytes = message.bytes;
    const head = this.#head;
    head.set(source, message.offset, message.timestampMs);
    batch.ensure(head.length + this.#carriedBytes(message) + end - start + 2);
    writeBytes(batch, head, 0, head.length);
    for (let i = 0; i < this.#fields.length; i++) {
      const name = this.#names[i] as Bytes;
      writeBytes(batch, name, 0, name.bytes.length);
      writeCarried(batch, (this.#fields[i] as CarriedField).what, message);
    }
    let inner = start + 1;
    while (isSpace(bytes[inner])) inner++;
    if (inner < end - 1) batch.chunk[batch.position++] = 0x2c;
    writeBytes(batch, message, inner, end);
    batch.chunk[batch.position++] = 0x0a;
  }

  /** Upper bound of what the carried fields of one object take, besides the head. */
  #carriedBytes(message: RecordCursor): number {
    let total = 0;
    for (let i = 0; i < this.#fields.length; i++) {
      total += (this.#names[i] as Bytes).bytes.length + carriedBytes((this.#fields[i] as CarriedField).what, message);
    }
    return total;
  }
}

/** After a message of several objects so many messages are scanned before the quick look is trusted again. */
export const SCAN_MESSAGES = 200_000;

function carriedBytes(what: Carried, message: RecordCursor): number {
  switch (what) {
    case 'source':
    case 'position':
    case 'timestamp':
      return MAX_DIGITS;
    case 'key':
      return 2 + Math.max(0, message.keyEnd - message.keyStart) * JSON_ESCAPE_FACTOR;
    case 'header-names':
    case 'header-values':
      return 2 + message.headerBytes() * JSON_ESCAPE_FACTOR + message.headerCount * 3;
  }
}

function writeCarried(batch: Batch, what: Carried, message: RecordCursor): void {
  switch (what) {
    case 'source':
    case 'position':
      return; // in the head
    case 'timestamp':
      return writeInteger(batch, message.timestampMs);
    case 'key':
      return writeJsonString(batch, message.bytes, message.keyStart, Math.max(message.keyStart, message.keyEnd));
    case 'header-names':
    case 'header-values':
      return writeHeaders(batch, what, message);
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

/** JSONEachRow and its other names JSONLines and NDJSON. */
export const jsonEachRow: Splicer = {
  createWriter: (fields) => new JsonEachRowWriter(fields),
  forcedSettings: {},
  decodeText: (expression) => expression,
  decodeList: (expression) => expression,
  listType: 'Array(String)',
};
