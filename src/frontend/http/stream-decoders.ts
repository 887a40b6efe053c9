import { Transform, type TransformCallback } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { Decompress } from 'fzstd';
import { ClickHouseException } from '../../errors.ts';
import { assertZstdWindow } from './body-coding.ts';
import { Lz4FrameDecoder } from './lz4.ts';
import { SnappyFrameDecoder } from './snappy.ts';

/** Unfolds a body as it comes. */
export interface StreamDecoder {
  readonly create: () => Transform;
  /** What the server says of a body that is broken, or ends too early. */
  readonly broken: (error: NodeJS.ErrnoException) => ClickHouseException;
}

/** Takes a body's bytes piece by piece; both throw when they are not what they should be. */
export interface PieceDecoder {
  /** What can be unfolded with this piece. */
  push(piece: Buffer): readonly Uint8Array[];
  /** There are no more pieces. */
  end(): void;
}

class Decoding extends Transform {
  readonly #decoder: PieceDecoder;

  constructor(decoder: PieceDecoder) {
    super();
    this.#decoder = decoder;
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#run(done, () => {
      for (const part of this.#decoder.push(piece)) this.push(part);
    });
  }

  override _flush(done: TransformCallback): void {
    this.#run(done, () => {
      this.#decoder.end();
    });
  }

  #run(done: TransformCallback, step: () => void): void {
    try {
      step();
      done();
    } catch (error) {
      done(error as Error);
    }
  }
}

/** Of a frame of zstd. */
const MOST_HEAD_BYTES = 18;

class ZstdDecoder implements PieceDecoder {
  #parts: Uint8Array[] = [];
  #start = Buffer.alloc(0);
  readonly #stream = new Decompress((part) => this.#parts.push(part));

  push(piece: Buffer): readonly Uint8Array[] {
    if (this.#start.length < MOST_HEAD_BYTES) {
      this.#start = Buffer.concat([this.#start, piece.subarray(0, MOST_HEAD_BYTES)]);
      assertZstdWindow(this.#start);
    }
    this.#stream.push(piece);
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  end(): void {
    this.#stream.push(new Uint8Array(0), true);
  }
}

const inflateFailed = ({ code }: NodeJS.ErrnoException): ClickHouseException =>
  new ClickHouseException(354, 'ZLIB_INFLATE_FAILED', `inflate failed: ${code === 'Z_BUF_ERROR' ? 'buffer' : 'data'} error`);
const gunzip: StreamDecoder = { create: createGunzip, broken: inflateFailed };
const zstd: StreamDecoder = {
  create: () => new Decoding(new ZstdDecoder()),
  broken: ({ message }) => new ClickHouseException(561, 'ZSTD_DECODER_FAILED', `ZSTD stream decoding failed: error '${message}'`),
};

/** The encodings whose statements can be read, by the server's names in lower case. */
export const STREAM_DECODERS: Readonly<Record<string, StreamDecoder>> = {
  gzip: gunzip,
  gz: gunzip,
  deflate: { create: createInflate, broken: inflateFailed },
  br: { create: createBrotliDecompress, broken: () => new ClickHouseException(448, 'BROTLI_READ_FAILED', 'brotli decode error') },
  zstd,
  zst: zstd,
  lz4: {
    create: () => new Decoding(new Lz4FrameDecoder()),
    broken: ({ message }) => new ClickHouseException(618, 'LZ4_DECODER_FAILED', `LZ4 decompression failed. Error: ${message}`),
  },
  snappy: {
    create: () => new Decoding(new SnappyFrameDecoder()),
    broken: ({ message }) => new ClickHouseException(638, 'SNAPPY_UNCOMPRESS_FAILED', `Snappy decompression failed: ${message}`),
  },
};
