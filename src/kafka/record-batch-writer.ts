import { RECORDS } from './record-batch-layout.ts';
import { giveBuffer, takeBuffer } from './spare-buffers.ts';

export interface RecordHeader {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** The records of one batch, taken out of a writer. */
export interface WrittenRecords {
  /** Not compressed. `giveBuffer` when they are done with. */
  readonly records: Buffer;
  readonly recordCount: number;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
}

const NOTHING = Buffer.alloc(0);
const FIRST_BYTES = 16 << 10;

/** At least what a record needs beside key, value and headers: length, attributes, timestamp, offset, and two lengths. */
const RECORD_OVERHEAD_BYTES = 5 + 1 + 10 + 5 + 5 + 5;

/**
 * The records of one record batch (magic 2, KIP-98) being written, back to back into one buffer that is used again. Records keep the order in which
 * they are appended; timestamps count from the first one's. An empty writer holds next to no memory.
 */
export class RecordBatchWriter {
  readonly #maxBytes: number;
  #buffer: Buffer = NOTHING;
  /** What the buffer begins with: the last one's size, since batches resemble each other. */
  #nextBytes = FIRST_BYTES;
  #position = 0;
  #recordCount = 0;
  #baseTimestampMs = 0;
  #maxTimestampMs = 0;

  /** `maxBytes`: of the batch with its header, before compression. */
  constructor(maxBytes: number) {
    this.#maxBytes = Math.max(0, maxBytes - RECORDS);
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  /** Of the batch with its header, before compression. */
  get bytes(): number {
    return RECORDS + this.#position;
  }

  /**
   * Writes one message: `source` from `keyStart` up to `keyEnd` is its key, from `valueStart` up to `valueEnd` its value; a start of -1: null. The bytes are
   * copied. Answers false, and writes nothing, when there is no room for it; an empty batch takes a message of any size.
   */
  append(
    source: Buffer,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    timestampMs: number,
    headers: readonly RecordHeader[] | undefined,
  ): boolean {
    const keyBytes = keyStart < 0 ? -1 : keyEnd - keyStart;
    const valueBytes = valueStart < 0 ? -1 : valueEnd - valueStart;
    const headerBytes = headers === undefined ? 1 : sizeOfHeaders(headers);
    const most = RECORD_OVERHEAD_BYTES + keyBytes + valueBytes + headerBytes;
    const end = this.#position + most;
    if (this.#recordCount === 0) this.#baseTimestampMs = this.#maxTimestampMs = timestampMs;
    else if (end > this.#maxBytes) return false;
    if (end > this.#buffer.length) this.#grow(end);

    const timestampDelta = timestampMs - this.#baseTimestampMs;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    const bytes =
      1 + // attributes
      sizeOfVarint(timestampDelta) +
      sizeOfVarint(this.#recordCount) +
      sizeOfVarint(keyBytes) +
      sizeOfVarint(valueBytes) +
      Math.max(0, keyBytes) +
      Math.max(0, valueBytes) +
      headerBytes;

    const buffer = this.#buffer;
    let position = writeVarint(buffer, this.#position, bytes);
    buffer[position] = 0;
    position = writeVarint(buffer, position + 1, timestampDelta);
    position = writeVarint(buffer, position, this.#recordCount);
    position = writeVarint(buffer, position, keyBytes);
    if (keyBytes > 0) position = copy(source, keyStart, keyEnd, buffer, position);
    position = writeVarint(buffer, position, valueBytes);
    if (valueBytes > 0) position = copy(source, valueStart, valueEnd, buffer, position);
    if (headers === undefined) {
      buffer[position] = 0;
      position += 1;
    } else position = writeHeaders(buffer, position, headers);
    this.#position = position;
    this.#recordCount += 1;
    return true;
  }

  clear(): void {
    if (this.#buffer.length > this.#maxBytes) this.#buffer = NOTHING;
    this.#position = this.#recordCount = 0;
  }

  /** Hands the records over, without copying them, and is empty again. */
  take(): WrittenRecords {
    const taken: WrittenRecords = {
      records: this.#buffer.subarray(0, this.#position),
      recordCount: this.#recordCount,
      baseTimestampMs: this.#baseTimestampMs,
      maxTimestampMs: this.#maxTimestampMs,
    };
    this.#nextBytes = Math.min(this.#buffer.length, this.#maxBytes);
    this.#buffer = NOTHING;
    this.clear();
    return taken;
  }

  #grow(bytes: number): void {
    const wanted = Math.max(this.#nextBytes, 2 * this.#buffer.length);
    const grown = takeBuffer(Math.max(bytes, Math.min(wanted, this.#maxBytes)));
    this.#buffer.copy(grown, 0, 0, this.#position);
    if (this.#buffer !== NOTHING) giveBuffer(this.#buffer);
    this.#buffer = grown;
  }
}

function sizeOfHeaders(headers: readonly RecordHeader[]): number {
  let bytes = sizeOfVarint(headers.length);
  for (const { name, value } of headers) {
    bytes += sizeOfVarint(name.length) + name.length + sizeOfVarint(value.length) + value.length;
  }
  return bytes;
}

function writeHeaders(buffer: Buffer, start: number, headers: readonly RecordHeader[]): number {
  let position = writeVarint(buffer, start, headers.length);
  for (const { name, value } of headers) {
    position = writeVarint(buffer, position, name.length);
    position = copy(name, 0, name.length, buffer, position);
    position = writeVarint(buffer, position, value.length);
    position = copy(value, 0, value.length, buffer, position);
  }
  return position;
}

/** Below this a loop is quicker than a call out of JavaScript. */
const SHORT_BYTES = 32;

function copy(source: Buffer, start: number, end: number, target: Buffer, position: number): number {
  if (end - start > SHORT_BYTES) {
    source.copy(target, position, start, end);
    return position + end - start;
  }
  let to = position;
  for (let from = start; from < end; from += 1, to += 1) target[to] = source[from] as number;
  return to;
}

/** From here on twice the value is no signed integer of 32 bits. */
const SHIFTABLE = 0x4000_0000;

/** Of a safe integer, as a zigzag varint. */
function sizeOfVarint(value: number): number {
  if (value >= -64 && value < 64) return 1;
  if (value >= -8192 && value < 8192) return 2;
  if (value >= -1_048_576 && value < 1_048_576) return 3;
  let bytes = 3;
  for (let rest = Math.floor(zigzag(value) / 0x20_0000); rest > 0; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

/** Answers the position behind it. */
function writeVarint(buffer: Buffer, start: number, value: number): number {
  let position = start;
  if (value < -SHIFTABLE || value >= SHIFTABLE) return writeLongVarint(buffer, position, value);
  let rest = (value << 1) ^ (value >> 31);
  for (; rest >= 0x80; rest >>>= 7, position += 1) buffer[position] = (rest & 0x7f) | 0x80;
  buffer[position] = rest;
  return position + 1;
}

function writeLongVarint(buffer: Buffer, start: number, value: number): number {
  let position = start;
  let rest = zigzag(value);
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80), position += 1) buffer[position] = (rest % 0x80) + 0x80;
  buffer[position] = rest;
  return position + 1;
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}
