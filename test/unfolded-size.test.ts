import { randomBytes } from 'node:crypto';
import { compress as compressZstd, init as loadZstd } from '@bokuweb/zstd-wasm';
import test from 'ava';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { lz4UnfoldedBytes, snappyUnfoldedBytes, zstdUnfoldedBytes, zstdWindowBytes } from '../src/unfolded-size.ts';

test.before('zstd is loaded', async () => loadZstd());

const samples = [
  Buffer.alloc(0),
  Buffer.from('a'),
  Buffer.alloc(5_000_000),
  randomBytes(700_000),
  Buffer.from('{"a": 1}\n'.repeat(90_000)),
];

test('what is told is never less than what it becomes, and near to it', (t) => {
  for (const sample of samples) {
    const told = [
      zstdUnfoldedBytes(compressZstd(sample)),
      lz4UnfoldedBytes(compressFrameSync(sample)),
      snappyUnfoldedBytes(compressSync(sample)),
    ];
    t.true(
      told.every((bytes) => bytes >= sample.length && bytes <= sample.length + 2 * 4 * 1024 * 1024 + 1024),
      `${sample.length} bytes: ${told.join(', ')}`,
    );
  }
});

test('frames one behind the other count together', (t) => {
  const [sample = Buffer.alloc(0)] = samples.slice(2);
  const twice = (frame: Uint8Array): Buffer => Buffer.concat([frame, frame]);
  t.is(zstdUnfoldedBytes(twice(compressZstd(sample))), 10_000_000);
  t.true(lz4UnfoldedBytes(twice(compressFrameSync(sample))) >= 10_000_000);
});

test('a head of a few bytes that claims gigabytes is believed', (t) => {
  const claims = Buffer.from('28b52ffde0000000000001000001', 'hex');
  t.true(zstdUnfoldedBytes(claims) >= 2 ** 40);
  t.is(zstdWindowBytes(Buffer.from('28b52ffd00a8010000', 'hex')), 2 ** 31);
  t.is(snappyUnfoldedBytes(Buffer.from('ffffffff0f', 'hex')), 2 ** 32 - 1);
});

test('bytes of any kind are read to an end', (t) => {
  const magics = fc.constantFrom('28b52ffd', '502a4d18', '04224d18', '').map((hex) => Buffer.from(hex, 'hex'));
  fc.assert(
    fc.property(magics, fc.uint8Array({ maxLength: 300 }), (magic, rest) => {
      const bytes = Buffer.concat([magic, rest]);
      for (const told of [zstdUnfoldedBytes(bytes), lz4UnfoldedBytes(bytes), snappyUnfoldedBytes(bytes), zstdWindowBytes(bytes)])
        t.true(told >= 0);
    }),
    { numRuns: 2000 },
  );
});
