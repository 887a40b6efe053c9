import test from 'ava';
import { ClickHouseException } from '../../src/errors.ts';
import { explainFailure } from '../../src/streaming/broken-message.ts';
import { STRAY_ROW } from '../../src/streaming/carried-columns.ts';

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

test('trouble of the server is not blamed on the messages', (t) => {
  t.deepEqual(failure(241, '(total) memory limit exceeded: would use 1 GiB: While executing JSONEachRowRowInputFormat'), { kind: 'other' });
  t.deepEqual(failure(252, 'Too many parts (300)'), { kind: 'other' });
  t.deepEqual(explainFailure(new Error('no answer from ClickHouse')), { kind: 'other' });
});

test('a view that throws is not blamed on the messages', (t) => {
  t.deepEqual(failure(6, "Cannot parse string 'aaa' as UInt64: while pushing to view db.mv: (at row 3)"), { kind: 'other' });
});

test('a row without a source is told from the rest', (t) => {
  t.deepEqual(failure(395, `${STRAY_ROW}: while executing 'FUNCTION throwIf(…)'`), { kind: 'stray-row' });
});
