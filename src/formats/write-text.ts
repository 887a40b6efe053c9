import type { Batch } from '../batching/index.ts';
import { SOURCES_OF_A_POSITION } from './position.ts';

/** Longest decimal rendering of a position, or of a safe integer with its sign. */
export const MAX_DIGITS = 20;
/** Of a position, behind the offset's. */
export const SOURCE_DIGITS = String(SOURCES_OF_A_POSITION - 1).length;

/** Where text is written: bytes with room enough, and the place to go on at. */
export interface Target {
  readonly chunk: Buffer;
  position: number;
}

/** Bytes with a view that reads four of them at once. */
export interface Bytes {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function bytesOf(bytes: Buffer): Bytes {
  return { bytes, view: viewOf(bytes) };
}

export function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Up to so many bytes a loop over words beats the runtime's copy, which makes a view for each call (measured on Node 20). */
const LOOP_BYTES = 256;

/** Copies `source[start, end)` to the batch's position. The caller has made room. */
export function writeBytes(batch: Batch, source: Bytes, start: number, end: number): void {
  const length = end - start;
  if (length > LOOP_BYTES) {
    source.bytes.copy(batch.chunk, batch.position, start, end);
    batch.position += length;
    return;
  }
  const from = source.view;
  const to = batch.view;
  let position = batch.position;
  let at = start;
  for (const words = end - 3; at < words; at += 4, position += 4) to.setUint32(position, from.getUint32(at));
  for (; at < end; at++) to.setUint8(position++, from.getUint8(at));
  batch.position = position;
}

/** Writes `offset * SOURCES_OF_A_POSITION + source` in decimal; the product itself may be more than a double can hold. */
export function writePosition(batch: Target, offset: number, source: number): void {
  if (offset === 0) return writeInteger(batch, source); // no leading zeros
  writeInteger(batch, offset);
  const { chunk } = batch;
  let rest = source;
  for (let at = batch.position + SOURCE_DIGITS - 1; at >= batch.position; at--) {
    const quotient = (rest / 10) | 0;
    chunk[at] = 0x30 + (rest - quotient * 10);
    rest = quotient;
  }
  batch.position += SOURCE_DIGITS;
}

/** Writes a safe integer in decimal. */
export function writeInteger(batch: Target, value: number): void {
  const chunk = batch.chunk;
  let position = batch.position;
  let rest = value;
  if (rest < 0) {
    chunk[position++] = 0x2d;
    rest = -rest;
  }
  let digits = 1;
  for (let limit = 10; rest >= limit; limit *= 10) digits += 1;
  let at = position + digits;
  batch.position = at;
  // 32-bit arithmetic is several times faster than floating-point division: take nine digits at a time.
  while (rest >= 1e9) {
    const high = Math.floor(rest / 1e9);
    let low = (rest - high * 1e9) | 0;
    for (let i = 0; i < 9; i++) {
      const quotient = (low / 10) | 0;
      chunk[--at] = 0x30 + (low - quotient * 10);
      low = quotient;
    }
    rest = high;
  }
  let low = rest | 0;
  while (at > position) {
    const quotient = (low / 10) | 0;
    chunk[--at] = 0x30 + (low - quotient * 10);
    low = quotient;
  }
}

/** White space as ClickHouse's parsers skip it: space, \t, \n, \v, \f, \r. */
export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

/** The server skips one at the beginning of a text, but not in the middle of a body. */
export function hasByteOrderMark(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf;
}

const HEX = Buffer.from('0123456789abcdef', 'latin1');

/** Most bytes that one byte becomes inside a JSON string. */
export const JSON_ESCAPE_FACTOR = 6;

/** Writes bytes as a quoted JSON string. Bytes above 0x7f stay as they are: ClickHouse strings are bytes. */
export function writeJsonString(batch: Batch, source: Buffer, start: number, end: number): void {
  const chunk = batch.chunk;
  let position = batch.position;
  chunk[position++] = 0x22;
  for (let i = start; i < end; i++) {
    const byte = source[i] as number;
    if (byte === 0x22 || byte === 0x5c) {
      chunk[position++] = 0x5c;
      chunk[position++] = byte;
    } else if (byte < 0x20) {
      chunk[position++] = 0x5c;
      chunk[position++] = 0x75;
      chunk[position++] = 0x30;
      chunk[position++] = 0x30;
      chunk[position++] = HEX[byte >> 4] as number;
      chunk[position++] = HEX[byte & 15] as number;
    } else {
      chunk[position++] = byte;
    }
  }
  chunk[position++] = 0x22;
  batch.position = position;
}

/** Writes bytes as lower-case hexadecimal. */
export function writeHex(batch: Batch, source: Buffer, start: number, end: number): void {
  const chunk = batch.chunk;
  let position = batch.position;
  for (let i = start; i < end; i++) {
    const byte = source[i] as number;
    chunk[position++] = HEX[byte >> 4] as number;
    chunk[position++] = HEX[byte & 15] as number;
  }
  batch.position = position;
}
