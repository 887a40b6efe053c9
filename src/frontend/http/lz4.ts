/**
 * LZ4, decoding the beginning of data whose end has not come yet, which no package offers: they want whole blocks or frames.
 * Source: lz4 `doc/lz4_Block_format.md` and `doc/lz4_Frame_format.md`.
 */

const FRAME_MAGIC = 0x184d2204;
const UNCOMPRESSED_BLOCK = 0x80000000;

/** Unfolds a block, or as much of it as is there, up to about `limitBytes`. Throws when it points before its beginning. */
export function decodeLz4Block(block: Buffer, limitBytes: number): Buffer {
  const output = new GrowingBuffer();
  appendBlock(block, output, limitBytes);
  return output.bytes();
}

/** Unfolds the blocks of a frame (later frames are not looked at), up to about `limitBytes`. */
export function decodeLz4Frame(frame: Buffer, limitBytes: number): Buffer {
  const header = readFrameHeader(frame);
  if (header === undefined) return Buffer.alloc(0);
  let at = header.bytes;
  const output = new GrowingBuffer();
  while (at + 4 <= frame.length && output.length < limitBytes) {
    const size = frame.readUInt32LE(at);
    if (size === 0) break;
    const bytes = (size & ~UNCOMPRESSED_BLOCK) >>> 0;
    // One output for all blocks: a linked block refers to those before it.
    unfoldBlock(frame.subarray(at + 4, at + 4 + bytes), size, output, limitBytes);
    at += 4 + bytes + header.blockChecksumBytes;
  }
  return output.bytes();
}

/** Unfolds frames, one after the other, as they come. Checksums are not looked at. */
export class Lz4FrameDecoder {
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** So many bytes must be there before there is something to do. */
  #neededBytes = 1;
  #header: FrameHeader | undefined;
  /** What the next block may refer to. */
  #history: Buffer = Buffer.alloc(0);

  push(piece: Buffer): readonly Buffer[] {
    this.#pending.push(piece);
    this.#pendingBytes += piece.length;
    const parts: Buffer[] = [];
    if (this.#pendingBytes < this.#neededBytes) return parts;
    let rest = Buffer.concat(this.#pending);
    for (let taken = this.#take(rest, parts); taken > 0; taken = this.#take(rest, parts)) rest = rest.subarray(taken);
    this.#pending = [rest];
    this.#pendingBytes = rest.length;
    return parts;
  }

  end(): void {
    if (this.#pendingBytes > 0 || this.#header !== undefined) throw new Error('unexpected end of an LZ4 frame');
  }

  /** How many bytes it has done with; 0: it needs more. */
  #take(bytes: Buffer, parts: Buffer[]): number {
    if (this.#header === undefined) {
      this.#header = readFrameHeader(bytes);
      return this.#header?.bytes ?? this.#needs(bytes.length + 1);
    }
    const { blockChecksumBytes, contentChecksumBytes } = this.#header;
    if (bytes.length < 4) return this.#needs(4);
    const size = bytes.readUInt32LE(0);
    const blockBytes = (size & ~UNCOMPRESSED_BLOCK) >>> 0;
    if (blockBytes > MOST_BLOCK_BYTES) throw new Error(`an LZ4 block of ${blockBytes} bytes`);
    const end = 4 + blockBytes + (size === 0 ? contentChecksumBytes : blockChecksumBytes);
    if (bytes.length < end) return this.#needs(end);
    if (size === 0) {
      this.#header = undefined;
      this.#history = Buffer.alloc(0);
    } else parts.push(this.#unfold(bytes.subarray(4, 4 + blockBytes), size));
    return end;
  }

  #unfold(block: Buffer, size: number): Buffer {
    const output = new GrowingBuffer();
    output.append(this.#history);
    const limitBytes = this.#history.length + MOST_BLOCK_BYTES + 1;
    unfoldBlock(block, size, output, limitBytes);
    if (output.length >= limitBytes) throw new Error(`an LZ4 block unfolds to more than ${MOST_BLOCK_BYTES} bytes`);
    const bytes = output.bytes();
    const unfolded = bytes.subarray(this.#history.length);
    this.#history = bytes.subarray(Math.max(0, bytes.length - HISTORY_BYTES));
    return unfolded;
  }

  #needs(bytes: number): 0 {
    this.#neededBytes = bytes;
    return 0;
  }
}

const HISTORY_BYTES = 64 * 1024;
const MOST_BLOCK_BYTES = 4 * 1024 * 1024;

interface FrameHeader {
  readonly bytes: number;
  readonly blockChecksumBytes: number;
  readonly contentChecksumBytes: number;
}

/** Undefined: it is not there yet. */
function readFrameHeader(frame: Buffer): FrameHeader | undefined {
  if (frame.length < 7) return undefined;
  if (frame.readUInt32LE(0) !== FRAME_MAGIC) throw new Error('not an LZ4 frame');
  const flags = frame[4] ?? 0;
  const bytes = 7 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4);
  if (frame.length < bytes) return undefined;
  return { bytes, blockChecksumBytes: (flags & 0x10) === 0 ? 0 : 4, contentChecksumBytes: (flags & 0x04) === 0 ? 0 : 4 };
}

/** `size` as it stands in front of the block. */
function unfoldBlock(block: Buffer, size: number, output: GrowingBuffer, limitBytes: number): void {
  if (size >= UNCOMPRESSED_BLOCK) output.append(block);
  else appendBlock(block, output, limitBytes);
}

function appendBlock(block: Buffer, output: GrowingBuffer, limitBytes: number): void {
  const input = { block, at: 0 };
  while (input.at < block.length && output.length < limitBytes) {
    const token = block[input.at] ?? 0;
    input.at += 1;
    const literals = readLength(input, token >> 4);
    output.append(block.subarray(input.at, input.at + literals));
    input.at += literals;
    if (input.at + 2 > block.length) return;
    const distance = block.readUInt16LE(input.at);
    input.at += 2;
    if (distance === 0 || distance > output.length) throw new Error(`an LZ4 match at distance ${distance} after ${output.length} bytes`);
    const isCutOff = input.at >= block.length && (token & 15) === 15;
    if (isCutOff) return;
    output.repeat(distance, Math.min(readLength(input, token & 15) + 4, limitBytes));
  }
}

/** A length of four bits; 15 says that bytes follow which are added, up to the first that is not 255. */
function readLength(input: { readonly block: Buffer; at: number }, bits: number): number {
  if (bits < 15) return bits;
  let length = bits;
  let byte: number | undefined;
  do {
    byte = input.block[input.at];
    input.at += 1;
    length += byte ?? 0;
  } while (byte === 255);
  return length;
}

class GrowingBuffer {
  #buffer = Buffer.allocUnsafe(4096);
  length = 0;

  append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#buffer, this.length);
    this.length += bytes.length;
  }

  /** Appends `count` bytes from `distance` before the end; they may overlap what is being written. */
  repeat(distance: number, count: number): void {
    this.#reserve(count);
    for (let i = 0; i < count; i += 1) this.#buffer[this.length + i] = this.#buffer[this.length + i - distance] ?? 0;
    this.length += count;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  #reserve(count: number): void {
    if (this.length + count <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + count));
    this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
  }
}
