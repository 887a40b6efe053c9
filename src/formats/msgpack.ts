import type { Batch } from '../batching/index.ts';
import { binaryBytes, binaryDecoding, positionHigh, positionLow } from './binary-fields.ts';
import type { RecordCursor } from './record-cursor.ts';
import { UNPROVABLE, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { writeBytes } from './write-text.ts';

/** MsgPack: a row is as many values as there are columns; the carried ones go in front. */
class MsgPackWriter implements MessageWriter {
  readonly #fields: readonly CarriedField[];
  readonly #columns: number;

  constructor(fields: readonly CarriedField[], columns: number) {
    this.#fields = fields;
    this.#columns = columns;
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const { bytes, valueEnd } = message;
    let fieldBytes = 0;
    for (const { what } of this.#fields) fieldBytes += binaryBytes(what, message);
    let rows = 0;
    for (let at = message.valueStart; at < valueEnd; rows++) {
      const end = skipValues(bytes, at, valueEnd, this.#columns);
      if (end < 0) {
        batch.rollback();
        return UNPROVABLE;
      }
      batch.ensure(fieldBytes + end - at);
      for (const field of this.#fields) writeField(batch, field, source, message);
      writeBytes(batch, message, at, end);
      at = end;
    }
    return rows;
  }
}

/**
 * The position behind `count` values, or -1 when they do not end within `end`. What an array or a map holds are more values to come, so nothing is
 * remembered of how deep they stand.
 *
 * Source: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
function skipValues(bytes: Buffer, start: number, end: number, count: number): number {
  let at = start;
  for (let left = count; left > 0; left--) {
    if (at >= end) return -1;
    const type = bytes[at++] as number;
    if (type < 0x80 || type >= 0xe0) continue; // a small number
    if (type < 0x90) left += 2 * (type & 0x0f);
    else if (type < 0xa0) left += type & 0x0f;
    else if (type < 0xc0) at += type & 0x1f;
    else {
      const size = SIZES[type - 0xc0] as number;
      if (size < 0) return -1;
      const lengthBytes = LENGTH_BYTES[type - 0xc0] as number;
      if (at + lengthBytes > end) return -1;
      const length = lengthBytes === 0 ? 0 : bytes.readUIntBE(at, lengthBytes);
      at += lengthBytes + size;
      if (type >= 0xdc) left += type >= 0xde ? 2 * length : length;
      else at += length;
    }
    if (at > end || left > end - at + 1) return -1; // every value takes a byte at least
  }
  return at;
}

/** By the type's byte from 0xc0 on: how many bytes tell a length; how many bytes follow besides. -1: no such type. */
//                      nil  --  no yes | bin       | ext       | floats | uint      | int       | fixext            | str       | array | map
const LENGTH_BYTES = [0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4];
const SIZES = [0, -1, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, 0, 0, 0, 0];

function writeField(batch: Batch, { what, constant }: CarriedField, source: number, message: RecordCursor): void {
  switch (what) {
    case 'guard':
      return writeUInt32(batch, 0xce, constant ?? 0);
    case 'source':
      return writeUInt32(batch, 0xce, source);
    case 'position':
      writeUInt32(batch, 0xcf, positionHigh(message.offset, source));
      batch.view.setUint32(batch.position, positionLow(message.offset, source));
      batch.position += 4;
      return;
    case 'timestamp':
      writeUInt32(batch, 0xd3, Math.floor(message.timestampMs / 2 ** 32));
      batch.view.setUint32(batch.position, message.timestampMs % 2 ** 32);
      batch.position += 4;
      return;
    case 'key':
      return writeText(batch, message.bytes, message.keyStart, message.keyEnd);
    case 'header-names':
      writeUInt32(batch, 0xdd, message.headerCount);
      return message.forEachHeader((nameStart, nameEnd) => writeText(batch, message.bytes, nameStart, nameEnd));
    case 'header-values':
      writeUInt32(batch, 0xdd, message.headerCount);
      return message.forEachHeader((_nameStart, _nameEnd, valueStart, valueEnd) => writeText(batch, message.bytes, valueStart, valueEnd));
  }
}

/** A type's byte and a number behind it. */
function writeUInt32(batch: Batch, type: number, value: number): void {
  batch.chunk[batch.position] = type;
  batch.view.setUint32(batch.position + 1, value);
  batch.position += 5;
}

/** As `bin`: the server puts its bytes into a String as they are. */
function writeText(batch: Batch, bytes: Buffer, start: number, end: number): void {
  writeUInt32(batch, 0xc6, Math.max(0, end - start));
  if (end > start) batch.position += bytes.copy(batch.chunk, batch.position, start, end);
}

export const msgPack: Splicer = {
  createWriter: (fields, { columns }) => (columns.length === 0 ? undefined : new MsgPackWriter(fields, columns.length)),
  isPositional: true,
  forcedSettings: {},
  ...binaryDecoding,
};
