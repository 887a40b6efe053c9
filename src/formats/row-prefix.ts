import type { Batch } from '../batching/index.ts';
import { LINE_BREAK } from './head-lines.ts';
import type { RecordCursor } from './record-cursor.ts';
import type { Carried, CarriedField } from './splicer.ts';
import { bytesOf, MAX_DIGITS, writeBytes, writeHex, writeInteger, writePosition, type Bytes } from './write-text.ts';

/** What stands around the values of the carried fields. Text, ASCII only. */
export interface PrefixText {
  /** Before the first field. */
  readonly start: string;
  readonly before: (field: CarriedField) => string;
  readonly after: (field: CarriedField) => string;
}

/**
 * Writes the carried fields in front of a row of text. Keys and headers go as hexadecimal, lists with a dot before each item:
 * no escaping rule of any dialect touches them, and `unhex` brings the bytes back (`hexDecoding`).
 */
export class RowPrefix {
  /** Those whose value differs from row to row. */
  readonly #whats: readonly Carried[];
  /** What stands before each value and behind the last one; a guard is part of it. */
  readonly #texts: readonly Bytes[];
  readonly #textBytes: number;

  constructor(fields: readonly CarriedField[], { start, before, after }: PrefixText) {
    const whats: Carried[] = [];
    const texts: string[] = [];
    let text = start;
    for (const field of fields) {
      text += before(field);
      if (field.what === 'guard') {
        text += String(field.constant);
      } else {
        whats.push(field.what);
        texts.push(text);
        text = '';
      }
      text += after(field);
    }
    texts.push(text);
    this.#whats = whats;
    this.#texts = texts.map((text) => bytesOf(Buffer.from(text, 'latin1')));
    this.#textBytes = this.#texts.reduce((total, { bytes }) => total + bytes.length, 0);
  }

  /** Most bytes the prefix of a row of this message takes. */
  maxBytes(message: RecordCursor): number {
    let total = this.#textBytes;
    for (const what of this.#whats) total += carriedBytes(what, message);
    return total;
  }

  /** The caller has made room. */
  write(batch: Batch, source: number, message: RecordCursor): void {
    for (let i = 0; i < this.#texts.length; i++) {
      const text = this.#texts[i] as Bytes;
      writeBytes(batch, text, 0, text.bytes.length);
      if (i < this.#whats.length) writeCarried(batch, this.#whats[i] as Carried, source, message);
    }
  }
}

/** Copies one row, without what ended it in the message, behind its prefix; `end` comes behind it. */
export function writeRow(
  batch: Batch,
  prefix: RowPrefix,
  source: number,
  message: RecordCursor,
  start: number,
  rowEnd: number,
  end: Buffer = LINE_BREAK,
): void {
  batch.ensure(prefix.maxBytes(message) + rowEnd - start + end.length);
  prefix.write(batch, source, message);
  writeBytes(batch, message, start, rowEnd);
  for (let i = 0; i < end.length; i++) batch.chunk[batch.position++] = end[i] as number;
}

/** Most bytes a value takes that is written by `writeCarried`. */
export function carriedBytes(what: Carried, message: RecordCursor): number {
  switch (what) {
    case 'key':
      return 2 * Math.max(0, message.keyEnd - message.keyStart);
    case 'header-names':
    case 'header-values':
      return 2 * message.headerBytes() + message.headerCount;
    default:
      return MAX_DIGITS;
  }
}

/** Writes a value, keys and headers as hexadecimal. A guard is never written here: its value is part of a constant text. */
export function writeCarried(batch: Batch, what: Carried, source: number, message: RecordCursor): void {
  switch (what) {
    case 'guard':
      return;
    case 'source':
      return writeInteger(batch, source);
    case 'position':
      return writePosition(batch, message.offset, source);
    case 'timestamp':
      return writeInteger(batch, message.timestampMs);
    case 'key':
      return writeHex(batch, message.bytes, message.keyStart, Math.max(message.keyStart, message.keyEnd));
    case 'header-names':
      return message.forEachHeader((nameStart, nameEnd) => writeItem(batch, message.bytes, nameStart, nameEnd));
    case 'header-values':
      return message.forEachHeader((_nameStart, _nameEnd, valueStart, valueEnd) => writeItem(batch, message.bytes, valueStart, valueEnd));
  }
}

function writeItem(batch: Batch, bytes: Buffer, start: number, end: number): void {
  batch.chunk[batch.position++] = 0x2e;
  writeHex(batch, bytes, start, Math.max(start, end));
}

/** How the values written here are read back in SQL. */
export const hexDecoding = {
  decodeText: (expression: string): string => `unhex(${expression})`,
  decodeList: (expression: string): string => `arrayMap(item -> unhex(item), arraySlice(splitByChar('.', ${expression}), 2))`,
  listType: 'String',
} as const;
