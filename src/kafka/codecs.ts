import zlib from 'node:zlib';
import { decompress as decompressZstd } from 'fzstd';
import { decompressFrameSync } from 'lz4-napi';
import { uncompressSync } from 'snappy';
import { lz4UnfoldedBytes, snappyUnfoldedBytes, zstdUnfoldedBytes } from '../unfolded-size.ts';

/** Compression types by their number in a record batch's attributes (bits 0–2, KIP-98 and KIP-110). */
export const COMPRESSION_NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type CompressionName = (typeof COMPRESSION_NAMES)[number];

/**
 * The bytes before compression. Throws a `TooMuchError` when there would be more than `mostBytes` of them, found before memory is taken for more, and whatever the codec
 * throws when `bytes` is not its format.
 */
export function decompress(compression: CompressionName, bytes: Buffer, mostBytes: number): Buffer {
  return DECOMPRESSORS[compression](bytes, mostBytes);
}

/** Compressed data that would take more memory than it may. */
export class TooMuchError extends Error {
  override readonly name = 'TooMuchError';

  constructor(mostBytes: number) {
    super(`it unfolds to more than ${mostBytes} bytes`);
  }
}

const DECOMPRESSORS: Record<CompressionName, (bytes: Buffer, mostBytes: number) => Buffer> = {
  none: (bytes) => bytes,
  gzip: gunzip,
  snappy: uncompressSnappy,
  lz4: (bytes, mostBytes) => {
    assertAtMost(mostBytes, lz4UnfoldedBytes(bytes));
    return decompressFrameSync(bytes);
  },
  zstd: uncompressZstd,
};

function assertAtMost(mostBytes: number, bytes: number): void {
  if (bytes > mostBytes) throw new TooMuchError(mostBytes);
}

function gunzip(bytes: Buffer, mostBytes: number): Buffer {
  try {
    return zlib.gunzipSync(bytes, { maxOutputLength: mostBytes });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? new TooMuchError(mostBytes) : error;
  }
}

// The Java client frames snappy as the xerial library does: 8 magic bytes, version, lowest compatible version, then blocks with their
// length. librdkafka and others write one raw block.
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

/** What comes before the blocks: version 1, readable by those who know version 1. */
export const XERIAL_HEADER = Buffer.concat([XERIAL_MAGIC, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])], XERIAL_HEADER_BYTES);

function uncompressSnappy(bytes: Buffer, mostBytes: number): Buffer {
  const blocks = snappyBlocks(bytes);
  assertAtMost(
    mostBytes,
    blocks.reduce((total, block) => total + snappyUnfoldedBytes(block), 0),
  );
  const [first] = blocks;
  return blocks.length === 1 && first !== undefined ? uncompressSnappyBlock(first) : Buffer.concat(blocks.map(uncompressSnappyBlock));
}

function snappyBlocks(bytes: Buffer): readonly Buffer[] {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return [bytes];
  const blocks: Buffer[] = [];
  let position = XERIAL_HEADER_BYTES;
  while (position < bytes.length) {
    const end = position + 4 + bytes.readInt32BE(position);
    if (end <= position || end > bytes.length) throw new RangeError(`snappy block at byte ${position} goes past the end`);
    blocks.push(bytes.subarray(position + 4, end));
    position = end;
  }
  return blocks;
}

function uncompressSnappyBlock(block: Buffer): Buffer {
  const plain = uncompressSync(block, { asBuffer: true });
  return typeof plain === 'string' ? Buffer.from(plain) : plain;
}

// Node 22.15 and later has zstd of its own, many times faster than the JavaScript one that serves Node 20.
const nativeZstd = (zlib as { zstdDecompressSync?: (bytes: Buffer) => Buffer }).zstdDecompressSync;

function uncompressZstd(bytes: Buffer, mostBytes: number): Buffer {
  assertAtMost(mostBytes, zstdUnfoldedBytes(bytes));
  if (nativeZstd !== undefined) return nativeZstd(bytes);
  const plain = decompressZstd(bytes);
  return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
}
