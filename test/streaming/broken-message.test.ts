import test from 'ava';
import { ClickHouseException } from '../../src/errors.ts';
import { explainFailure } from '../../src/streaming/broken-message.ts';
import { STRAY_ROW } from '../../src/engine/index.ts';

// Texts as ClickHouse 26.7 sends them.
const failure = (code: number, text: string) => explainFailure(new ClickHouseException(code, 'NAME', text));

test('a row the format cannot read leads to its message', (t) => {
  t.deepEqual(
    failure(
      27,
      `Cannot parse input: expected '"' before: 'zz","s":"xxx"}\\n': (while reading the value of key a): (at row 399001)\n: While executing JSONEachRowRowInputFormat`,
    ),
    { kind: 'broken', row: 399_000 },
  );
});

test('a format that names no row still says that a message is broken', (t) => {
  t.deepEqual(failure(117, 'Expected end of line: While executing CSVRowInputFormat'), { kind: 'broken' });
});

test('what a library throws that reads the format says that a message is broken, but for want of memory', (t) => {
  t.deepEqual(failure(1001, 'avro::Exception: EOF reached'), { kind: 'broken' });
  t.deepEqual(failure(1001, 'std::bad_alloc: std::bad_alloc'), { kind: 'other' });
  t.deepEqual(failure(32, 'Attempt to read after eof: While executing Native'), { kind: 'broken' });
});

test('trouble of the server is not blamed on the messages', (t) => {
  t.deepEqual(failure(241, '(total) memory limit exceeded: would use 1 GiB: While executing JSONEachRowRowInputFormat'), { kind: 'other' });
  t.deepEqual(failure(252, 'Too many parts (300)'), { kind: 'other' });
  t.deepEqual(explainFailure(new Error('no answer from ClickHouse')), { kind: 'other' });
});

test('a view that throws is not blamed on the messages', (t) => {
  t.deepEqual(failure(6, "Cannot parse string 'aaa' as UInt64: while pushing to view db.mv: (at row 3)"), { kind: 'other' });
});

test('what a message holds cannot make its failure look like another', (t) => {
  const quoted = (held: string): string =>
    `Cannot parse input: expected ',' before: '${held}': (at row 4)\n: While executing JSONEachRowRowInputFormat`;
  for (const held of [': while pushing to view db.mv', STRAY_ROW, 'Code: 241. DB::Exception: x. (MEMORY_LIMIT_EXCEEDED)'])
    t.deepEqual(failure(27, quoted(held)), { kind: 'broken', row: 3 }, held);
});

test('a row without a source is told from the rest', (t) => {
  t.deepEqual(failure(395, `${STRAY_ROW}: while executing 'FUNCTION throwIf(…)'`), { kind: 'stray-row' });
});
