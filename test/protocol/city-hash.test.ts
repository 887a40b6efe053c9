import test from 'ava';
import { cityHash128 } from '../../src/protocol/index.ts';

// Byte i of the input is (7 · i + 1) mod 256. Cross-checked against go-faster/city.
const VECTORS: Readonly<Record<number, string>> = {
  0: '2b9ac064fc9df03d291ee592c340b53c',
  1: '6c3f2b804fab035a1ae9318a3c8aa858',
  3: '9796db9b5fcc95770c56c9f0a173e9ff',
  7: '08d8d447df1bba550dd2865981d05dcb',
  8: '19bdee6fb071df956ab6f57020a0c21e',
  15: 'e3ce6dd11b801bc857c5954d74c90387',
  16: '2a49e11a754349bd0974f464a2b5257c',
  17: 'd24db2f391eb4852f1c97d80ce5d602e',
  31: '80fe4b993f3b0fd1dece80846a811456',
  32: 'e2cf4e0ea9b22c33bb5781a281f678a5',
  33: '5e361c5d6efc39275e0cd03b3d4bfee0',
  64: '94a56b63a95eaeaca6dfb4f3f2ddbfb0',
  127: '72aa617a6c01e2fccda548e093da8a72',
  128: '7666f79b17e03abfe3163b285bc3d0c0',
  143: '7d6d8b069e8aaf622410a57e19a96850',
  144: '551d3cb3d8926b3b83c4db07c9aa0828',
  159: 'c7cb620b5a2b23eb72c6f6c255a5c17f',
  255: 'e4bafc90b27177e5a32079a2fa0de8a1',
  256: 'a338e8a5b2c4988147b7472fff59bf9c',
  1000: 'd9b4a31ce008a42a23db5860895ac9a8',
  1_048_576: 'f0d7212007444b1f1ae36cd299ac939f',
};

for (const [bytes, expected] of Object.entries(VECTORS)) {
  test(`${bytes} bytes have the checksum the server writes`, (t) => {
    const input = Buffer.from(Array.from({ length: Number(bytes) }, (_, i) => (7 * i + 1) % 256));
    t.is(cityHash128(input).toString('hex'), expected);
  });
}
