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
  if (frame.length < 7) return Buffer.alloc(0);
  if (frame.readUInt32LE(0) !== FRAME_MAGIC) throw new Error('not an LZ4 frame');
  const flags = frame[4] ?? 0;
  const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4;
  let at = 7 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4);
  const output = new GrowingBuffer();
  while (at + 4 <= frame.length && output.length < limitBytes) {
    const size = frame.readUInt32LE(at);
    if (size === 0) break;
    const bytes = (size & ~UNCOMPRESSED_BLOCK) >>> 0;
    const block = frame.subarray(at + 4, at + 4 + bytes);
    // One output for all blocks: a linked block refers to those before it.
    if (size >= UNCOMPRESSED_BLOCK) output.append(block);
    else appendBlock(block, output, limitBytes);
    at += 4 + bytes + blockChecksumBytes;
  }
  return output.bytes();
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
