import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { compress as compressZstd, init as loadZstd } from '@bokuweb/zstd-wasm';
import { compressFrame as compressLz4 } from 'lz4-napi';
import { compress as compressSnappyBlock } from 'snappy';
import { XERIAL_HEADER, type CompressionName } from './codecs.ts';

/** The codec's own default. */
export const DEFAULT_LEVEL = -1;

/**
 * Least and greatest `compression.level` of each codec, in librdkafka's ranges. -1 is the codec's default. Of lz4 and snappy there is one level only, so
 * that all of theirs mean the same.
 */
export const COMPRESSION_LEVELS: Readonly<Record<CompressionName, readonly [number, number]>> = {
  none: [DEFAULT_LEVEL, DEFAULT_LEVEL],
  gzip: [DEFAULT_LEVEL, 9],
  snappy: [DEFAULT_LEVEL, 0],
  lz4: [DEFAULT_LEVEL, 12],
  zstd: [DEFAULT_LEVEL, 22],
};

/**
 * The records of a batch as brokers and every client read them. A `level` outside of the codec's `COMPRESSION_LEVELS` is the nearest one, as in librdkafka. `bytes` must
 * stay until it resolves.
 */
export async function compress(compression: CompressionName, bytes: Buffer, level = DEFAULT_LEVEL): Promise<Buffer> {
  const [least, most] = COMPRESSION_LEVELS[compression];
  return COMPRESSORS[compression](bytes, Math.min(most, Math.max(least, level)));
}

const COMPRESSORS: Record<CompressionName, (bytes: Buffer, level: number) => Promise<Buffer>> = {
  none: async (bytes) => Promise.resolve(bytes),
  gzip: async (bytes, level) => gzip(bytes, { level, chunkSize: Math.max(LEAST_CHUNK_BYTES, bytes.length >>> 2) }),
  snappy: async (bytes) => framedSnappy(bytes),
  lz4: async (bytes) => compressLz4(bytes),
  zstd: zstdOf,
};

const LEAST_CHUNK_BYTES = 1024;
const gzip = promisify(zlib.gzip);

/** In the frame of the Java client, as one block: Java's readers want one. */
async function framedSnappy(bytes: Buffer): Promise<Buffer> {
  const block = await compressSnappyBlock(bytes);
  const length = Buffer.alloc(4);
  length.writeInt32BE(block.length);
  return Buffer.concat([XERIAL_HEADER, length, block]);
}

// Node 22.15 and later has zstd of its own, which runs beside the main thread.
type NodeZstd = (
  bytes: Buffer,
  options: { readonly params: Readonly<Record<number, number>> },
  callback: (error: Error | null, compressed: Buffer) => void,
) => void;
const { zstdCompress, constants } = zlib as { zstdCompress?: NodeZstd; constants: { ZSTD_c_compressionLevel?: number } };

const ZSTD_DEFAULT_LEVEL = 3;

async function zstdOf(bytes: Buffer, level: number): Promise<Buffer> {
  const wanted = level === DEFAULT_LEVEL ? ZSTD_DEFAULT_LEVEL : level;
  if (zstdCompress === undefined) return zstdInWasm(bytes, wanted);
  const params = { [constants.ZSTD_c_compressionLevel ?? 0]: wanted };
  return promisify(zstdCompress)(bytes, { params });
}

let isLoaded: Promise<void> | undefined;

async function zstdInWasm(bytes: Buffer, level: number): Promise<Buffer> {
  await (isLoaded ??= loadZstd());
  const compressed = compressZstd(bytes, level);
  return Buffer.from(compressed.buffer, compressed.byteOffset, compressed.byteLength);
}
