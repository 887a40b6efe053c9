/**
 * How much compressed data becomes, told by its frames before any of it is unfolded: a few bytes can claim to be gigabytes, and the codecs believe them. What is
 * cut off or broken counts as far as it can be read; the codec says what is wrong with it.
 */

const ZSTD_MAGIC = 0xfd2fb528;
const ZSTD_SKIPPABLE = 0x184d2a5;
const ZSTD_BLOCK_BYTES = 128 * 1024;
const RLE_BLOCK = 1;
const COMPRESSED_BLOCK = 2;

/** At most so many bytes, those of the windows that a decoder needs among them. Source: RFC 8878, 3.1.1. */
export function zstdUnfoldedBytes(data: Uint8Array): number {
  let unfolded = 0;
  for (const { contentBytes, windowBytes, blocksBytes } of zstdFrames(asBuffer(data)))
    unfolded += contentBytes > 0 ? contentBytes : windowBytes + blocksBytes;
  return unfolded;
}

/** The largest window that a decoder of these frames needs, the last of which may be cut off. */
export function zstdWindowBytes(data: Uint8Array): number {
  let most = 0;
  for (const { windowBytes } of zstdFrames(asBuffer(data))) most = Math.max(most, windowBytes);
  return most;
}

function* zstdFrames(bytes: Buffer): Generator<ZstdHead & { readonly blocksBytes: number }> {
  for (let at = 0; at + 8 <= bytes.length;) {
    const magic = bytes.readUInt32LE(at);
    if (magic >>> 4 === ZSTD_SKIPPABLE) {
      at += 8 + bytes.readUInt32LE(at + 4);
      continue;
    }
    const head = magic === ZSTD_MAGIC ? readZstdHead(bytes, at) : undefined;
    if (head === undefined) return;
    const blocks = walkZstdBlocks(bytes, head.end);
    yield { ...head, blocksBytes: blocks.unfoldedBytes };
    at = blocks.end + head.checksumBytes;
  }
}

interface ZstdHead {
  readonly end: number;
  /** 0: not told. */
  readonly contentBytes: number;
  readonly windowBytes: number;
  readonly checksumBytes: number;
}

function readZstdHead(bytes: Buffer, start: number): ZstdHead | undefined {
  const flags = bytes[start + 4] ?? 0;
  const isSingle = (flags & 0x20) !== 0;
  const windowAt = start + 5;
  const sizeAt = windowAt + (isSingle ? 0 : 1) + ([0, 1, 2, 4][flags & 3] ?? 0);
  const sizeBytes = flags >> 6 === 0 ? Number(isSingle) : 1 << (flags >> 6);
  const end = sizeAt + sizeBytes;
  if (end > bytes.length) return undefined;
  const contentBytes = readSize(bytes, sizeAt, sizeBytes);
  const exponent = bytes[windowAt] ?? 0;
  const windowBytes = isSingle ? contentBytes : 2 ** (10 + (exponent >> 3)) * (1 + (exponent & 7) / 8);
  return { end, contentBytes, windowBytes, checksumBytes: (flags & 4) === 0 ? 0 : 4 };
}

function readSize(bytes: Buffer, at: number, sizeBytes: number): number {
  if (sizeBytes === 8) return Number(bytes.readBigUInt64LE(at));
  if (sizeBytes === 0) return 0;
  return bytes.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
}

function walkZstdBlocks(bytes: Buffer, start: number): { readonly unfoldedBytes: number; readonly end: number } {
  let unfoldedBytes = 0;
  for (let at = start; at + 3 <= bytes.length;) {
    const head = bytes.readUIntLE(at, 3);
    const [type, size] = [(head >> 1) & 3, head >> 3];
    unfoldedBytes += type === COMPRESSED_BLOCK ? ZSTD_BLOCK_BYTES : size;
    at += 3 + (type === RLE_BLOCK ? 1 : size);
    if ((head & 1) !== 0) return { unfoldedBytes, end: at };
  }
  return { unfoldedBytes, end: bytes.length };
}

const LZ4_MAGIC = 0x184d2204;
const LZ4_UNCOMPRESSED = 0x80000000;
/** No byte of a block becomes more. */
const LZ4_MOST_RATIO = 255;

/** At most so many bytes, of frames one behind the other. Source: lz4 `doc/lz4_Frame_format.md`. */
export function lz4UnfoldedBytes(data: Uint8Array): number {
  const bytes = asBuffer(data);
  let unfolded = 0;
  for (let at = 0; at + 7 <= bytes.length && bytes.readUInt32LE(at) === LZ4_MAGIC;) {
    const flags = bytes[at + 4] ?? 0;
    const blockBytes = 2 ** (8 + 2 * (((bytes[at + 5] ?? 0) >> 4) & 7));
    at += 7 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4);
    for (let size = 1; size > 0 && at + 4 <= bytes.length;) {
      size = bytes.readUInt32LE(at);
      const coded = size >= LZ4_UNCOMPRESSED ? size - LZ4_UNCOMPRESSED : size;
      unfolded += size >= LZ4_UNCOMPRESSED ? coded : Math.min(blockBytes, coded * LZ4_MOST_RATIO);
      at += 4 + coded + (size === 0 || (flags & 0x10) === 0 ? 0 : 4);
    }
    at += (flags & 0x04) === 0 ? 0 : 4;
  }
  return unfolded;
}

/** Exactly so many bytes, of one block: it begins with their number. Source: snappy `format_description.txt`. */
export function snappyUnfoldedBytes(block: Uint8Array): number {
  let size = 0;
  for (let i = 0; i < 5; i += 1) {
    const byte = block[i] ?? 0;
    size += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return size;
  }
  return 0;
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
