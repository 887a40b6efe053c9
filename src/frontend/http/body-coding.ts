import { brotliDecompressSync, constants, gunzipSync, inflateSync } from 'node:zlib';
import { Decompress } from 'fzstd';
import { zstdWindowBytes } from '../../unfolded-size.ts';
import { decodeLz4Block, decodeLz4Frame } from './lz4.ts';
import { decodeSnappyFrames } from './snappy.ts';

/** How a body's bytes hide the statement: `Content-Encoding` outside, the server's own compressed blocks (`decompress=1`) inside. */
export interface BodyCoding {
  /** As in the header; empty for none. */
  readonly encoding: string;
  readonly nativeBlocks: boolean;
}

type PrefixDecoder = (prefix: Buffer, limitBytes: number) => Buffer;

// A compressed prefix can unfold a thousandfold; what unfolds further is not a statement.
const MAX_UNFOLDED_BYTES = 64 * 1024 * 1024;
const ZLIB_PREFIX = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MAX_UNFOLDED_BYTES };
const BROTLI_PREFIX = { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength: MAX_UNFOLDED_BYTES };
// As the server's own decoder, by default.
const MAX_ZSTD_WINDOW_BYTES = 128 * 1024 * 1024;
// A block of four bytes becomes 128 KiB.
const MOST_ZSTD_RATIO = 32_768;
const LEAST_PIECE_BYTES = 64;
const MOST_PIECE_BYTES = 16_384;
const FIRST_PIECE_BYTES = 512;
const PIECE_GROWTH = 4;

// The server's names (`CompressionMethod.cpp`). It also reads xz and bz2, for which there is no decoder here.
const DECODERS: Readonly<Record<string, PrefixDecoder>> = {
  gzip: byPieces((prefix) => gunzipSync(prefix, ZLIB_PREFIX)),
  gz: byPieces((prefix) => gunzipSync(prefix, ZLIB_PREFIX)),
  deflate: byPieces((prefix) => inflateSync(prefix, ZLIB_PREFIX)),
  br: byPieces((prefix) => brotliDecompressSync(prefix, BROTLI_PREFIX)),
  zstd: decodeZstd,
  zst: decodeZstd,
  lz4: decodeLz4Frame,
  snappy: decodeSnappyFrames,
  identity: (prefix) => prefix,
};

export function isKnownEncoding(encoding: string): boolean {
  return Object.hasOwn(DECODERS, encoding.toLowerCase());
}

export function isPlain(coding: BodyCoding): boolean {
  return coding.encoding === '' && !coding.nativeBlocks;
}

/**
 * Decodes as much of a body as its first bytes allow, at most about `mostBytes` (a block more may come).
 * Throws when the bytes are not what the coding says.
 */
export function decodePrefix(coding: BodyCoding, prefix: Buffer, mostBytes: number): Buffer {
  if (prefix.length === 0) return prefix;
  const limitBytes = Math.min(mostBytes, MAX_UNFOLDED_BYTES);
  const decoder = DECODERS[coding.encoding.toLowerCase()];
  const outer = decoder === undefined ? prefix : decoder(prefix, limitBytes);
  return coding.nativeBlocks ? decodeNativeBlocks(outer, limitBytes) : outer;
}

/** These decoders take everything at once, and a little may become very much: they get as little as is enough. */
function byPieces(decode: (prefix: Buffer) => Buffer): PrefixDecoder {
  return (prefix, limitBytes) => {
    for (let bytes = FIRST_PIECE_BYTES; ; bytes *= PIECE_GROWTH) {
      const decoded = decode(prefix.subarray(0, bytes));
      if (decoded.length >= limitBytes || bytes >= prefix.length) return decoded;
    }
  };
}

/** A window is memory that is taken at once. */
export function assertZstdWindow(prefix: Uint8Array): void {
  if (zstdWindowBytes(prefix) > MAX_ZSTD_WINDOW_BYTES) throw new Error('Frame requires too much memory for decoding');
}

function decodeZstd(prefix: Buffer, limitBytes: number): Buffer {
  assertZstdWindow(prefix);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const stream = new Decompress((part) => {
    parts.push(part);
    bytes += part.length;
  });
  // In pieces, so that a prefix which unfolds far beyond the limit is left alone in time.
  for (let at = 0, end = 0; at < prefix.length && bytes < limitBytes; at = end) {
    end = at + Math.min(Math.max(LEAST_PIECE_BYTES, Math.ceil((limitBytes - bytes) / MOST_ZSTD_RATIO)), MOST_PIECE_BYTES);
    stream.push(prefix.subarray(at, end));
  }
  return Buffer.concat(parts);
}

const CHECKSUM_BYTES = 16;
const BLOCK_HEADER_BYTES = 9;

/**
 * Blocks of `CompressedReadBuffer`: CityHash128 checksum (the server checks it, not we), then method, size with this header, size unfolded
 * (both little-endian), data. A last block that is cut off gives what it can.
 */
function decodeNativeBlocks(bytes: Buffer, limitBytes: number): Buffer {
  const parts: Buffer[] = [];
  let unfolded = 0;
  let at = 0;
  while (at + CHECKSUM_BYTES + BLOCK_HEADER_BYTES < bytes.length && unfolded < limitBytes) {
    const start = at + CHECKSUM_BYTES;
    const end = start + bytes.readUInt32LE(start + 1);
    if (end < start + BLOCK_HEADER_BYTES)
      throw new Error(`a compressed block of ${end - start} bytes at byte ${at} is shorter than its header`);
    const part = decodeNativeBlock(bytes[start] ?? 0, bytes.subarray(start + BLOCK_HEADER_BYTES, end), limitBytes);
    parts.push(part);
    unfolded += part.length;
    at = end;
  }
  return Buffer.concat(parts);
}

function decodeNativeBlock(method: number, data: Buffer, limitBytes: number): Buffer {
  if (method === 0x02) return data;
  if (method === 0x82) return decodeLz4Block(data, limitBytes);
  if (method === 0x90) return decodeZstd(data, limitBytes);
  throw new Error(`unknown compression method 0x${method.toString(16)} of a compressed block`);
}
