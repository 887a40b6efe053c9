import type { Batch } from '../batching/index.ts';
import type { RecordCursor } from './record-cursor.ts';
import type { Carried, CarriedField } from './splicer.ts';
import { MAX_DIGITS, writeBytes, writeHex, writeInteger, writePosition } from './write-text.ts';

/**
 * Writes the carried fields in front of a row of CSV or TSV. Keys and headers go as hexadecimal, lists with a dot before each item:
 * no escaping rule of any dialect touches them, and `unhex` brings the bytes back.
 */
export class DelimitedPrefix {
  readonly #fields: readonly CarriedField[];
  readonly #delimiter: number;

  constructor(fields: readonly CarriedField[], delimiter: number) {
    this.#fields = fields;
    this.#delimiter = delimiter;
  }

  /** Most bytes the prefix of a row of this message takes. */
  maxBytes(message: RecordCursor): number {
    let total = 0;
    for (const field of this.#fields) total += 1 + carriedBytes(field.what, message);
    return total;
  }

  write(batch: Batch, source: number, message: RecordCursor): void {
    for (const field of this.#fields) {
      writeCarried(batch, field.what, source, message);
      batch.chunk[batch.position++] = this.#delimiter;
    }
  }
}

/** Copies one row, without its line break, behind its prefix. */
export function writeRow(batch: Batch, prefix: DelimitedPrefix, source: number, message: RecordCursor, start: number, end: number): void {
  batch.ensure(prefix.maxBytes(message) + end - start + 1);
  prefix.write(batch, source, message);
  writeBytes(batch, message, start, end);
  batch.chunk[batch.position++] = 0x0a;
}

/** The next place of one byte, remembered: looking for it message by message costs one pass over the record batch, not one a message. */
export class ByteFinder {
  readonly #byte: number;
  #bytes: Buffer | undefined;
  #from = 0;
  #found = -1;

  constructor(byte: number) {
    this.#byte = byte;
  }

  /** Position of the byte in `[start, end)`, or -1. Calls for one buffer come with growing `start`, or the search begins anew. */
  find(bytes: Buffer, start: number, end: number): number {
    if (bytes !== this.#bytes || start < this.#from || (this.#found !== -1 && this.#found < start)) {
      this.#bytes = bytes;
      this.#from = start;
      this.#found = bytes.indexOf(this.#byte, start);
    }
    return this.#found < end ? this.#found : -1;
  }
}

function carriedBytes(what: Carried, message: RecordCursor): number {
  switch (what) {
    case 'source':
    case 'position':
    case 'timestamp':
      return MAX_DIGITS;
    case 'key':
      return 2 * Math.max(0, message.keyEnd - message.keyStart);
    case 'header-names':
    case 'header-values':
      return 2 * message.headerBytes() + message.headerCount;
  }
}

function writeCarried(batch: Batch, what: Carried, source: number, message: RecordCursor): void {
  switch (what) {
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
export const delimitedDecoding = {
  decodeText: (expression: string): string => `unhex(${expression})`,
  decodeList: (expression: string): string => `arrayMap(item -> unhex(item), arraySlice(splitByChar('.', ${expression}), 2))`,
  listType: 'String',
} as const;
