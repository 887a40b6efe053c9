import { uncompressSync } from 'snappy';
import { snappyUnfoldedBytes } from '../../unfolded-size.ts';

/**
 * Snappy's framing format (`framing_format.txt` of its sources), which the server reads and writes as `Content-Encoding: snappy`:
 * chunks of a type, a length of three bytes (little-endian) and data, which begin with a checksum (the server checks it, not we).
 */
const HEADER_BYTES = 4;
const CHECKSUM_BYTES = 4;
/** Writers put 64 KiB into a chunk; no ratio makes more of its three bytes of length. */
const MOST_CHUNK_BYTES = 64 * 1024 * 1024;
const COMPRESSED = 0x00;
const UNCOMPRESSED = 0x01;
const FIRST_SKIPPABLE = 0x80;

/** Unfolds the chunks that are there whole, up to about `limitBytes`. Throws at what is no chunk of this format. */
export function decodeSnappyFrames(bytes: Buffer, limitBytes: number): Buffer {
  const parts: Buffer[] = [];
  let unfolded = 0;
  let at = 0;
  for (let end = endOfChunk(bytes, at); end <= bytes.length && unfolded < limitBytes; end = endOfChunk(bytes, at)) {
    const part = decodeChunk(bytes[at] ?? 0, bytes.subarray(at + HEADER_BYTES, end));
    parts.push(part);
    unfolded += part.length;
    at = end;
  }
  return Buffer.concat(parts);
}

/** Unfolds chunks as they come. */
export class SnappyFrameDecoder {
  #pending: Buffer = Buffer.alloc(0);

  push(piece: Buffer): readonly Buffer[] {
    const bytes = this.#pending.length === 0 ? piece : Buffer.concat([this.#pending, piece]);
    const parts: Buffer[] = [];
    let at = 0;
    for (let end = endOfChunk(bytes, at); end <= bytes.length; end = endOfChunk(bytes, at)) {
      parts.push(decodeChunk(bytes[at] ?? 0, bytes.subarray(at + HEADER_BYTES, end)));
      at = end;
    }
    this.#pending = bytes.subarray(at);
    return parts;
  }

  end(): void {
    if (this.#pending.length > 0) throw new Error('unexpected end of a snappy chunk');
  }
}

/** Infinity while its length is not there yet. */
function endOfChunk(bytes: Buffer, at: number): number {
  return at + HEADER_BYTES <= bytes.length ? at + HEADER_BYTES + bytes.readUIntLE(at + 1, 3) : Infinity;
}

function decodeChunk(type: number, data: Buffer): Buffer {
  if (type === COMPRESSED) {
    const block = data.subarray(CHECKSUM_BYTES);
    const bytes = snappyUnfoldedBytes(block);
    if (bytes > MOST_CHUNK_BYTES) throw new Error(`a chunk of snappy frames that unfolds to ${bytes} bytes`);
    return uncompressSync(block) as Buffer;
  }
  if (type === UNCOMPRESSED) return data.subarray(CHECKSUM_BYTES);
  if (type >= FIRST_SKIPPABLE) return Buffer.alloc(0);
  throw new Error(`unknown chunk type 0x${type.toString(16)} of snappy frames`);
}
