import test from 'ava';
import { bytesLiteral, packNumbers } from '../../src/streaming/packed-values.ts';

function pack(...values: number[]): string {
  return packNumbers(Float64Array.from(values), 'i', (bytes) => `x'${bytes.toString('hex')}'`);
}

test('numbers that are all the same are one number', (t) => {
  t.is(pack(7, 7, 7), '7');
  t.is(pack(-1), '-1');
});

test('numbers that grow evenly are computed', (t) => {
  t.is(pack(100, 101, 102), '(100 + i * 1)');
});

test('other numbers are distances from the smallest in as few bytes as will do', (t) => {
  t.is(pack(10, 9, 264), "(9 + reinterpretAsUInt8(substring(x'0100ff', i * 1 + 1, 1)))");
  t.is(pack(0, 256, 1), "(0 + reinterpretAsUInt16(substring(x'000000010100', i * 2 + 1, 2)))");
  t.is(pack(-1, 65_535, 0), "(-1 + reinterpretAsUInt32(substring(x'000000000000010001000000', i * 4 + 1, 4)))");
  t.is(pack(0, 2 ** 52 + 1, 1), "(0 + reinterpretAsUInt64(substring(x'000000000000000001000000000010000100000000000000', i * 8 + 1, 8)))");
});

test('bytes are a literal as they are, but for quotes and backslashes', (t) => {
  t.is(bytesLiteral(Buffer.from("a'\\\n\0\xff", 'latin1')).toString('latin1'), "'a\\'\\\\\n\0\xff'");
});
