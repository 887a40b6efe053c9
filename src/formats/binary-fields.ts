import type { Batch } from '../batching/index.ts';
import type { RecordCursor } from './record-cursor.ts';
import { SOURCES_OF_A_POSITION } from './position.ts';
import type { Carried, CarriedField } from './splicer.ts';
import { MOST_VARUINT_BYTES, writeVaruint } from './varuint.ts';

/**
 * Writes the carried fields in front of a row of RowBinary: little-endian numbers, texts with their length in front, lists with their number of items.
 */
export class BinaryFields {
  readonly #fields: readonly CarriedField[];
  /** The row says of each of its values whether it is given (RowBinaryWithDefaults). */
  readonly #hasDefaultFlags: boolean;

  constructor(fields: readonly CarriedField[], hasDefaultFlags = false) {
    this.#fields = fields;
    this.#hasDefaultFlags = hasDefaultFlags;
  }

  /** Most bytes the fields of a row of this message take. */
  maxBytes(message: RecordCursor): number {
    let total = this.#fields.length;
    for (const { what } of this.#fields) total += binaryBytes(what, message);
    return total;
  }

  /** The caller has made room for `maxBytes`. */
  write(batch: Batch, source: number, message: RecordCursor): void {
    for (const field of this.#fields) {
      if (this.#hasDefaultFlags) batch.chunk[batch.position++] = 0;
      writeField(batch, field, source, message);
    }
  }
}

/** Most bytes a carried value takes in any of the binary formats. */
export function binaryBytes(what: Carried, message: RecordCursor): number {
  switch (what) {
    case 'guard':
    case 'source':
    case 'position':
    case 'timestamp':
      return 9;
    case 'key':
      return MOST_VARUINT_BYTES + Math.max(0, message.keyEnd - message.keyStart);
    case 'header-names':
    case 'header-values':
      return MOST_VARUINT_BYTES * (1 + message.headerCount) + message.headerBytes();
  }
}

function writeField(batch: Batch, { what, constant }: CarriedField, source: number, message: RecordCursor): void {
  switch (what) {
    case 'guard':
      return writeUInt32(batch, constant ?? 0);
    case 'source':
      return writeUInt32(batch, source);
    case 'position':
      batch.view.setUint32(batch.position + 4, positionHigh(message.offset, source), true);
      batch.view.setUint32(batch.position, positionLow(message.offset, source), true);
      batch.position += 8;
      return;
    case 'timestamp':
      batch.view.setInt32(batch.position + 4, Math.floor(message.timestampMs / 2 ** 32), true);
      batch.view.setUint32(batch.position, message.timestampMs % 2 ** 32, true);
      batch.position += 8;
      return;
    case 'key':
      return writeText(batch, message.bytes, message.keyStart, message.keyEnd);
    case 'header-names':
      writeVaruint(batch, message.headerCount);
      return message.forEachHeader((nameStart, nameEnd) => writeText(batch, message.bytes, nameStart, nameEnd));
    case 'header-values':
      writeVaruint(batch, message.headerCount);
      return message.forEachHeader((_nameStart, _nameEnd, valueStart, valueEnd) => writeText(batch, message.bytes, valueStart, valueEnd));
  }
}

function writeUInt32(batch: Batch, value: number): void {
  batch.view.setUint32(batch.position, value, true);
  batch.position += 4;
}

/** Of `offset * SOURCES_OF_A_POSITION + source`, which may be more than a double can hold, the lower 32 bits. */
export function positionLow(offset: number, source: number): number {
  return ((offset % 2 ** 32) * SOURCES_OF_A_POSITION + source) % 2 ** 32;
}

/** The same, the upper 32 bits. */
export function positionHigh(offset: number, source: number): number {
  const carry = Math.floor(((offset % 2 ** 32) * SOURCES_OF_A_POSITION + source) / 2 ** 32);
  return Math.floor(offset / 2 ** 32) * SOURCES_OF_A_POSITION + carry;
}

function writeText(batch: Batch, bytes: Buffer, start: number, end: number): void {
  writeVaruint(batch, Math.max(0, end - start));
  if (end > start) batch.position += bytes.copy(batch.chunk, batch.position, start, end);
}

/** Carried values come as they are. */
export const binaryDecoding = {
  decodeText: (expression: string): string => expression,
  decodeList: (expression: string): string => expression,
  listType: 'Array(String)',
} as const;
