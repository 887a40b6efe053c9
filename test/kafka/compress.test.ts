import test from 'ava';
import fc from 'fast-check';
import { decompress } from '../../src/kafka/codecs.ts';
import { compress, COMPRESSION_LEVELS } from '../../src/kafka/compress.ts';
import { COMPRESSION_NAMES, type CompressionName } from '../../src/kafka/index.ts';

/** Counts where a frame does not tell its size. */
const ZSTD_WINDOW_BYTES = 64 * 1024 * 1024;

const text = Buffer.from(Array.from({ length: 500 }, (_, i) => `{"id":${i},"name":"${Math.imul(i, 2_654_435_761) >>> 8}"}\n`).join(''));

const everyLevel = test.macro({
  exec: async (t, codec: CompressionName) => {
    const [least, most] = COMPRESSION_LEVELS[codec];
    for (let level = least; level <= most; level += 1) {
      const compressed = await compress(codec, text, level);
      t.true(decompress(codec, compressed, text.length + ZSTD_WINDOW_BYTES).equals(text), `level ${level}`);
      if (codec !== 'none' && !(codec === 'gzip' && level === 0)) t.true(compressed.length < text.length / 2, `level ${level}`);
    }
  },
  title: (_, codec: string) => `${codec}: what any level compresses is read again`,
});

for (const codec of COMPRESSION_NAMES) test(everyLevel, codec);

test('a higher level compresses more', async (t) => {
  for (const codec of ['gzip', 'zstd'] as const) {
    const [low, high] = [await compress(codec, text, 1), await compress(codec, text, COMPRESSION_LEVELS[codec][1])];
    t.true(high.length < low.length, `${codec}: ${low.length}, ${high.length}`);
  }
});

test('a level that a codec does not have is the nearest one that it has', async (t) => {
  for (const codec of COMPRESSION_NAMES) {
    const [least, most] = COMPRESSION_LEVELS[codec];
    t.deepEqual(await compress(codec, text, most + 3), await compress(codec, text, most), codec);
    t.deepEqual(await compress(codec, text, least - 4), await compress(codec, text, least), codec);
  }
});

test('any bytes are compressed', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...COMPRESSION_NAMES), fc.uint8Array({ minLength: 1, maxLength: 2000 }), async (codec, bytes) =>
      decompress(codec, await compress(codec, Buffer.from(bytes)), ZSTD_WINDOW_BYTES).equals(bytes),
    ),
  );
  t.pass();
});
