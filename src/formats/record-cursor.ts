import type { RecordBatch } from '../kafka/index.ts';
import { viewOf, type Bytes } from './write-text.ts';

const EMPTY = Buffer.alloc(0);

/**
 * Walks the records of one record batch without making an object per record: the fields of the cursor *are* the current record.
 * Positions are indices into `bytes`; -1 as an end means the field is null.
 *
 * Record layout (KIP-98, https://kafka.apache.org/documentation/#record): length varint, attributes int8, timestampDelta varlong,
 * offsetDelta varint, keyLength varint, key, valueLength varint, value, headerCount varint, headers; all varints zigzag-coded.
 */
export class RecordCursor implements Bytes {
  bytes: Buffer = EMPTY;
  view: DataView = viewOf(EMPTY);
  offset = 0;
  /** Milliseconds since the epoch; -1 when the message has none. */
  timestampMs = -1;
  keyStart = 0;
  keyEnd = -1;
  /** Where the value begins, what is skipped of it included. */
  wholeStart = 0;
  /** Where the payload begins: behind the bytes that are skipped; `valueEnd` or more when there is no payload. */
  valueStart = 0;
  valueEnd = -1;
  headerCount = 0;
  headersStart = 0;
  readonly #skipBytes: number;
  #next = 0;
  #left = 0;
  #baseOffset = 0;
  #baseTimestampMs = 0;
  #appendTimestampMs = 0;
  #isLogAppendTime = false;

  /** `skipBytes`: of every value, in front of the payload (`kafka_schema_registry_skip_bytes`). */
  constructor(skipBytes = 0) {
    this.#skipBytes = skipBytes;
  }

  /** The message has a value, if only an empty one. */
  get hasValue(): boolean {
    return this.valueEnd >= this.wholeStart;
  }

  open(batch: RecordBatch): void {
    this.bytes = batch.records;
    this.view = viewOf(batch.records);
    this.#next = 0;
    this.#left = batch.recordCount;
    this.#baseOffset = batch.baseOffset;
    this.#baseTimestampMs = batch.baseTimestampMs;
    this.#appendTimestampMs = batch.maxTimestampMs;
    this.#isLogAppendTime = batch.isLogAppendTime;
  }

  /** Moves to the next record; false at the end. Throws a RangeError when the bytes are not what the header promised. */
  next(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    const bytes = this.bytes;
    this.#at = this.#next;
    const length = this.#varint();
    const end = this.#at + length;
    if (length < 0 || end > bytes.length)
      throw new RangeError(`record of ${length} bytes at ${this.#next} exceeds its batch of ${bytes.length} bytes`);
    this.#at += 1; // attributes: unused by Kafka so far
    const timestampDelta = this.#varlong();
    this.offset = this.#baseOffset + this.#varint();
    this.timestampMs = this.#isLogAppendTime
      ? this.#appendTimestampMs
      : this.#baseTimestampMs < 0
        ? -1
        : this.#baseTimestampMs + timestampDelta;
    const keyLength = this.#varint();
    this.keyStart = this.#at;
    this.keyEnd = keyLength < 0 ? -1 : (this.#at += keyLength);
    const valueLength = this.#varint();
    this.wholeStart = this.#at;
    this.valueStart = this.#at + this.#skipBytes;
    this.valueEnd = valueLength < 0 ? -1 : (this.#at += valueLength);
    this.headerCount = this.#varint();
    this.headersStart = this.#at;
    if (this.#at > end) throw new RangeError(`record at ${this.#next} runs over its length of ${length} bytes`);
    this.#next = end;
    return true;
  }

  /** A cursor that stays at the current record, over the same bytes. It must not be moved. */
  copy(): RecordCursor {
    const { bytes, view, offset, timestampMs, keyStart, keyEnd, wholeStart, valueStart, valueEnd, headerCount, headersStart } = this;
    return Object.assign(new RecordCursor(), {
      bytes,
      view,
      offset,
      timestampMs,
      keyStart,
      keyEnd,
      wholeStart,
      valueStart,
      valueEnd,
      headerCount,
      headersStart,
    });
  }

  /** Calls `visit` with the bounds of each header's name and value (`valueEnd` -1: null), in the message's order. */
  forEachHeader(visit: (nameStart: number, nameEnd: number, valueStart: number, valueEnd: number) => void): void {
    this.#at = this.headersStart;
    for (let i = 0; i < this.headerCount; i++) {
      const nameLength = this.#varint();
      const nameStart = this.#at;
      const nameEnd = (this.#at += nameLength);
      const valueLength = this.#varint();
      const valueStart = this.#at;
      const valueEnd = valueLength < 0 ? -1 : (this.#at += valueLength);
      visit(nameStart, nameEnd, valueStart, valueEnd);
    }
  }

  /** Bytes of all header names and values together. */
  headerBytes(): number {
    let total = 0;
    this.forEachHeader((nameStart, nameEnd, valueStart, valueEnd) => {
      total += nameEnd - nameStart + Math.max(0, valueEnd - valueStart);
    });
    return total;
  }

  #at = 0;

  #varint(): number {
    const bytes = this.bytes;
    let at = this.#at;
    let byte = bytes[at++] as number;
    let value = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 28) throw new RangeError('varint of more than five bytes');
      byte = bytes[at++] as number;
      value |= (byte & 0x7f) << shift;
    }
    this.#at = at;
    return (value >>> 1) ^ -(value & 1);
  }

  /** Timestamp deltas may need 64 bits: above 2^31 the sum is made in floating point, exact up to 2^53. */
  #varlong(): number {
    const bytes = this.bytes;
    let at = this.#at;
    let byte = bytes[at++] as number;
    let value = byte & 0x7f;
    for (let factor = 128; byte >= 0x80; factor *= 128) {
      if (factor > 2 ** 63) throw new RangeError('varlong of more than ten bytes');
      byte = bytes[at++] as number;
      value += (byte & 0x7f) * factor;
    }
    this.#at = at;
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

/** A message that is in no record batch, without timestamp and headers. */
export function messageOf(
  { offset, key, value }: { readonly offset: number; readonly key: Buffer; readonly value: Buffer },
  skipBytes: number,
): RecordCursor {
  const bytes = Buffer.concat([key, value]);
  return Object.assign(new RecordCursor(), {
    bytes,
    view: viewOf(bytes),
    offset,
    keyEnd: key.length,
    wholeStart: key.length,
    valueStart: Math.min(key.length + skipBytes, bytes.length),
    valueEnd: bytes.length,
  });
}
