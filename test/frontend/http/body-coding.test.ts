import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { decodePrefix, isKnownEncoding } from '../../../src/frontend/http/body-coding.ts';
import { STREAM_DECODERS } from '../../../src/frontend/http/stream-decoders.ts';
import { decodeLz4Block, decodeLz4Frame } from '../../../src/frontend/http/lz4.ts';

const STATEMENT = Buffer.from(
  `MARKED SELECT '${'0123456789abcdef'.repeat(5000)}', ${Array.from({ length: 5000 }, (_, i) => i * i).join(',')}`,
);
const PLAIN = { encoding: '', nativeBlocks: false };

/** A zstd frame of raw blocks of at most 128 KiB, made by hand after RFC 8878, as no encoder is among the packages. */
function zstdOfRawBlocks(bytes: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])];
  for (let at = 0; at < bytes.length; at += 65_536) {
    const block = bytes.subarray(at, at + 65_536);
    const isLast = at + 65_536 >= bytes.length ? 1 : 0;
    const header = (block.length << 3) | isLast;
    parts.push(Buffer.from([header & 255, (header >> 8) & 255, header >> 16]), block);
  }
  return Buffer.concat(parts);
}

function nativeBlock(method: number, data: Buffer, unfoldedBytes: number): Buffer {
  const header = Buffer.alloc(25);
  header[16] = method;
  header.writeUInt32LE(data.length + 9, 17);
  header.writeUInt32LE(unfoldedBytes, 21);
  return Buffer.concat([header, data]);
}

const coded: Readonly<Record<string, Buffer>> = {
  gzip: gzipSync(STATEMENT),
  deflate: deflateSync(STATEMENT),
  br: brotliCompressSync(STATEMENT),
  lz4: compressFrameSync(STATEMENT),
  zstd: zstdOfRawBlocks(STATEMENT),
};

for (const [encoding, bytes] of Object.entries(coded)) {
  test(`a body in ${encoding} gives its statement`, (t) => {
    t.true(isKnownEncoding(encoding));
    t.deepEqual(decodePrefix({ encoding, nativeBlocks: false }, bytes, STATEMENT.length + 1), STATEMENT);
  });

  test(`every beginning of a body in ${encoding} gives a beginning of its statement`, (t) => {
    for (let length = 0; length < bytes.length; length += 997) {
      const part = decodePrefix({ encoding, nativeBlocks: false }, bytes.subarray(0, length), STATEMENT.length + 1);
      t.true(STATEMENT.subarray(0, part.length).equals(part), `${encoding} ${length}`);
    }
  });
}

test("the server's own compressed blocks give their statement, whichever method and however cut off", (t) => {
  const first = STATEMENT.subarray(0, 1000);
  const blocks = Buffer.concat([
    nativeBlock(0x02, first, 1000),
    nativeBlock(0x90, zstdOfRawBlocks(STATEMENT.subarray(1000)), STATEMENT.length - 1000),
  ]);
  t.deepEqual(decodePrefix({ ...PLAIN, nativeBlocks: true }, blocks, STATEMENT.length + 1), STATEMENT);
  for (let length = 0; length < blocks.length; length += 501) {
    const part = decodePrefix({ ...PLAIN, nativeBlocks: true }, blocks.subarray(0, length), STATEMENT.length + 1);
    t.true(STATEMENT.subarray(0, part.length).equals(part));
  }
});

test('an LZ4 block made by hand unfolds literals, a match and an overlapping match', (t) => {
  // 4 literals "abcd" and a match of 4 at distance 4; 1 literal "x" and a match of 9 at distance 1; 2 literals "yz".
  const block = Buffer.from([0x40, ...Buffer.from('abcd'), 4, 0, 0x15, ...Buffer.from('x'), 1, 0, 0x20, ...Buffer.from('yz')]);
  t.is(decodeLz4Block(block, 1000).toString(), 'abcdabcdxxxxxxxxxxyz');
});

test('an LZ4 match before the beginning is an error, not memory', (t) => {
  t.throws(() => decodeLz4Block(Buffer.from([0x10, 97, 9, 0]), 1000), { message: 'an LZ4 match at distance 9 after 1 bytes' });
});

test('an LZ4 length of gigabytes unfolds no further than wanted', (t) => {
  const bomb = Buffer.concat([Buffer.from([0x1f, 97, 1, 0]), Buffer.alloc(1_000_000, 255)]);
  t.true(decodeLz4Block(bomb, 4096).length < 16_384);
});

test('bytes of any kind are decoded or refused, never more', (t) => {
  const encodings = fc.constantFrom('', 'gzip', 'deflate', 'br', 'zstd', 'lz4', 'snappy');
  fc.assert(
    fc.property(encodings, fc.boolean(), fc.uint8Array({ maxLength: 200 }), (encoding, nativeBlocks, bytes) => {
      try {
        decodePrefix({ encoding, nativeBlocks }, Buffer.from(bytes), 4096);
      } catch (error) {
        return error instanceof Error;
      }
      return true;
    }),
  );
  t.throws(() => decodeLz4Frame(Buffer.from('not a frame at all'), 10), { message: 'not an LZ4 frame' });
});

test('frames are unfolded as they come, wherever they are cut', async (t) => {
  const text = Buffer.concat([STATEMENT, Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * i) % 251))]);
  const encoded = {
    lz4: Buffer.concat([compressFrameSync(text, { contentChecksum: true, blockChecksums: true }), compressFrameSync(text)]),
    zstd: Buffer.concat([zstdOfRawBlocks(text), zstdOfRawBlocks(text)]),
    gzip: gzipSync(Buffer.concat([text, text])),
  };
  for (const [encoding, bytes] of Object.entries(encoded)) {
    for (const size of [1, 7, 1000, 65_536, bytes.length]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
      const decoded = await buffer(Readable.from(pieces).pipe(STREAM_DECODERS[encoding]?.create() ?? new PassThrough()));
      t.true(decoded.equals(Buffer.concat([text, text])), `${encoding} in pieces of ${size}`);
    }
    const cut = Readable.from([bytes.subarray(0, -5)]).pipe(STREAM_DECODERS[encoding]?.create() ?? new PassThrough());
    await t.throwsAsync(buffer(cut), undefined, encoding);
  }
});

test('encodings that only the server reads are not ours to look into', (t) => {
  t.false(isKnownEncoding('xz'));
  t.false(isKnownEncoding('constructor'));
});

const ZEROS = Buffer.alloc(200 * 1024 * 1024);
const bombs: Readonly<Record<string, Buffer>> = {
  gzip: gzipSync(ZEROS),
  deflate: deflateSync(ZEROS),
  lz4: compressFrameSync(ZEROS),
  zstd: Buffer.concat([Buffer.from('28b52ffd0058', 'hex'), ...Array.from({ length: 100_000 }, () => Buffer.from([2, 0, 0x10, 0]))]),
};

for (const [encoding, bytes] of Object.entries(bombs)) {
  test(`of a bomb in ${encoding} no more is unfolded than is looked at`, (t) => {
    const before = process.resourceUsage().maxRSS;
    const part = decodePrefix({ encoding, nativeBlocks: false }, bytes, 1024);
    t.true(part.length >= 1024 && part.length <= 2 * 1024 * 1024, String(part.length));
    // Neither is more than a statement may be.
    try {
      const all = decodePrefix({ encoding, nativeBlocks: false }, bytes, Infinity);
      t.true(all.length <= 72 * 1024 * 1024, String(all.length));
    } catch (error) {
      t.is((error as NodeJS.ErrnoException).code, 'ERR_BUFFER_TOO_LARGE');
    }
    t.true(process.resourceUsage().maxRSS - before < 300 * 1024, `${process.resourceUsage().maxRSS - before} KiB more`);
  });
}

test('what claims to need gigabytes is not believed', (t) => {
  const window = Buffer.concat([Buffer.from('28b52ffd00a8', 'hex'), Buffer.alloc(1000)]);
  t.throws(() => decodePrefix({ encoding: 'zstd', nativeBlocks: false }, window, 1024), { message: /too much memory/ });
  const chunk = Buffer.from('000a000000000000ffffffff0f00', 'hex');
  t.throws(() => decodePrefix({ encoding: 'snappy', nativeBlocks: false }, chunk, 1024), { message: /unfolds to 4294967295 bytes/ });
});

test('a stream in zstd that needs too large a window is broken', async (t) => {
  const stream = STREAM_DECODERS['zstd']?.create() ?? new PassThrough();
  const window = Buffer.concat([Buffer.from('28b52ffd00a8', 'hex'), Buffer.alloc(1000)]);
  const unfolded = Readable.from([window.subarray(0, 5), window.subarray(5)]).pipe(stream);
  await t.throwsAsync(buffer(unfolded), { message: /too much memory/ });
});
