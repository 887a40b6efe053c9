import { decompress as decompressZstd } from 'fzstd';
import { compressSync, uncompressSync } from 'lz4-napi';
import { cityHash128 } from './city-hash.ts';
import { zstdUnfoldedBytes } from '../unfolded-size.ts';
import { ByteReader, ProtocolError } from './reader.ts';

/**
 * A compressed block is one or more frames: checksum (16 bytes), method, size of method + sizes + body, size of the decompressed body, body.
 *
 * Source: ClickHouse `src/Compression/CompressionInfo.h`, `CompressedReadBufferBase.cpp`.
 */
export const COMPRESSION_METHODS = { None: 0x02, LZ4: 0x82, ZSTD: 0x90 } as const;

export type CompressionMethod = keyof typeof COMPRESSION_METHODS;

export const CHECKSUM_BYTES = 16;
const SIZES_BYTES = 9;
export const FRAME_HEADER_BYTES = CHECKSUM_BYTES + SIZES_BYTES;
/** `DBMS_MAX_COMPRESSED_SIZE`: the server refuses more. */
const MAX_FRAME_BYTES = 0x40000000;
// LZ4 cannot shrink more than this, nor grow data by more than a 255th.
const MAX_LZ4_RATIO = 255;
// The last block counts as a full one, and a window of up to 128 MiB is needed where the size is not told.
const MAX_ZSTD_SLACK_BYTES = (128 << 20) + (128 << 10);

export interface FrameHeader {
  readonly method: CompressionMethod;
  /** Of the whole frame, checksum included. */
  readonly frameBytes: number;
  readonly decompressedBytes: number;
}

/** Reads the header of a frame that begins at `at`; undefined when these bytes cannot be one. Needs `FRAME_HEADER_BYTES` bytes. */
export function readFrameHeader(bytes: Buffer, at: number): FrameHeader | undefined {
  const method = METHOD_OF_BYTE.get(bytes[at + CHECKSUM_BYTES] ?? 0);
  if (method === undefined) return undefined;
  const compressedBytes = bytes.readUInt32LE(at + CHECKSUM_BYTES + 1);
  const decompressedBytes = bytes.readUInt32LE(at + CHECKSUM_BYTES + 5);
  if (!isPossible(method, compressedBytes - SIZES_BYTES, decompressedBytes)) return undefined;
  return { method, frameBytes: CHECKSUM_BYTES + compressedBytes, decompressedBytes };
}

const METHOD_OF_BYTE: ReadonlyMap<number, CompressionMethod> = new Map(
  (Object.keys(COMPRESSION_METHODS) as CompressionMethod[]).map((method) => [COMPRESSION_METHODS[method], method]),
);

function isPossible(method: CompressionMethod, bodyBytes: number, decompressedBytes: number): boolean {
  if (bodyBytes <= 0 || bodyBytes > MAX_FRAME_BYTES || decompressedBytes === 0 || decompressedBytes > MAX_FRAME_BYTES) return false;
  switch (method) {
    case 'None':
      return bodyBytes === decompressedBytes;
    case 'LZ4':
      return (
        bodyBytes <= decompressedBytes + Math.ceil(decompressedBytes / MAX_LZ4_RATIO) + 16 && decompressedBytes <= bodyBytes * MAX_LZ4_RATIO
      );
    case 'ZSTD':
      return true;
  }
}

/** Whether the frame's bytes are those its checksum was made of. */
export function hasRightChecksum(frame: Buffer): boolean {
  return cityHash128(frame.subarray(CHECKSUM_BYTES)).equals(frame.subarray(0, CHECKSUM_BYTES));
}

/** Puts data into one frame; into one of ZSTD as they are, uncompressed. */
export function compressFrame(data: Buffer, method: CompressionMethod): Buffer {
  // lz4-napi puts the data's size, 4 bytes, in front of the block.
  const body = method === 'None' ? data : method === 'LZ4' ? compressSync(data).subarray(4) : storeZstd(data);
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + body.length);
  frame[CHECKSUM_BYTES] = COMPRESSION_METHODS[method];
  frame.writeUInt32LE(SIZES_BYTES + body.length, CHECKSUM_BYTES + 1);
  frame.writeUInt32LE(data.length, CHECKSUM_BYTES + 5);
  body.copy(frame, FRAME_HEADER_BYTES);
  cityHash128(frame.subarray(CHECKSUM_BYTES)).copy(frame);
  return frame;
}

const ZSTD_BLOCK_BYTES = 128 * 1024;

/** A frame of raw blocks, its size in four bytes. Source: RFC 8878, 3.1.1. */
function storeZstd(data: Buffer): Buffer {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0]);
  head.writeUInt32LE(data.length, 5);
  const parts: Buffer[] = [head];
  for (let at = 0; at < data.length; at += ZSTD_BLOCK_BYTES) {
    const block = data.subarray(at, at + ZSTD_BLOCK_BYTES);
    const blockHead = Buffer.alloc(3);
    const isLast = at + block.length === data.length;
    blockHead.writeUIntLE((block.length << 3) | (isLast ? 1 : 0), 0, 3);
    parts.push(blockHead, block);
  }
  return Buffer.concat(parts);
}

/** Unfolds a whole frame. A wrong checksum or body is a `ProtocolError`. */
export function decompressFrame(frame: Buffer): Buffer {
  const header = readFrameHeader(frame, 0);
  if (header?.frameBytes !== frame.length) throw new ProtocolError('not a compressed frame');
  if (!hasRightChecksum(frame)) throw new ProtocolError("a compressed frame's checksum is wrong");
  const data = decompressBody(frame.subarray(FRAME_HEADER_BYTES), header);
  if (data.length !== header.decompressedBytes) throw new ProtocolError('a compressed frame holds less or more than it says');
  return data;
}

function decompressBody(body: Buffer, { method, decompressedBytes }: FrameHeader): Buffer {
  try {
    switch (method) {
      case 'None':
        return body;
      case 'LZ4': {
        const sized = Buffer.alloc(4 + body.length);
        sized.writeUInt32LE(decompressedBytes);
        body.copy(sized, 4);
        return uncompressSync(sized);
      }
      case 'ZSTD':
        if (zstdUnfoldedBytes(body) > decompressedBytes + MAX_ZSTD_SLACK_BYTES)
          throw new RangeError('a frame that unfolds to more than it says');
        return Buffer.from(decompressZstd(body));
    }
  } catch (error) {
    throw new ProtocolError('a compressed frame cannot be unfolded', { cause: error });
  }
}

/** Reads what is inside the frames of `outer`, taking one frame at a time and only when more is wanted. */
export class FrameReader extends ByteReader {
  readonly #outer: ByteReader;

  constructor(outer: ByteReader) {
    super();
    this.#outer = outer;
  }

  protected override async nextChunk(): Promise<Buffer> {
    await this.#outer.want(FRAME_HEADER_BYTES);
    const header = readFrameHeader(this.#outer.chunk, this.#outer.at);
    if (header === undefined) throw new ProtocolError('expected a compressed frame');
    return decompressFrame(await this.#outer.bytes(header.frameBytes));
  }
}
