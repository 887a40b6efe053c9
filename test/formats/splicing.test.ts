import test from 'ava';
import { Batch, ChunkPool, MemoryBudget } from '../../src/batching/index.ts';
import { BodyHead, RecordCursor, splicerOf } from '../../src/formats/index.ts';
import { recordBatch } from '../helpers/records.ts';
import { GUARD, splice } from '../helpers/splice.ts';

const json = (...values: string[]) => splice('JSONEachRow', values);
const scanned = (...values: string[]) => splice('JSONEachRow', values, { scan: true });
const csv = (...values: string[]) => splice('CSV', values);
const tsv = (...values: string[]) => splice('TSV', values);

test('a JSON object carries its source and offset behind the opening brace', (t) => {
  t.deepEqual(json('{"a":1}', ' {\n"a": 2 }\n'), {
    body: '{"zz0":410003,"a":1}\n{"zz0":420003,"a": 2 }\n',
    rows: [1, 1],
  });
});

test('an empty JSON object stays an object', (t) => {
  t.is(json('{ }').body, '{"zz0":410003}\n');
});

test('a JSON message that does not begin and end like an object goes alone', (t) => {
  for (const value of ['{"a":1', '"a":1}', 'x{"a":1}', '{"a":1}x', '1', '\u0000{"a":1}', '\ufeff{"a":1}', '{'])
    t.deepEqual(json(value), { body: '', rows: ['alone'] }, value);
});

test('a JSON message of white space makes no row', (t) => {
  t.deepEqual(json(' \n\t'), { body: '', rows: [0] });
});

test('each object of a JSON array carries the metadata', (t) => {
  t.deepEqual(json('[{"a":1}, {"a":[2]}]'), { body: '{"zz0":410003,"a":1}\n{"zz0":410003,"a":[2]}\n', rows: [2] });
});

test('scanning finds the objects of a message of several lines', (t) => {
  t.deepEqual(scanned('{"a":"}{"}\n{"a":"\\"}"},{}'), {
    body: '{"zz0":410003,"a":"}{"}\n{"zz0":410003,"a":"\\"}"}\n{"zz0":410003}\n',
    rows: [3],
  });
});

test('scanning leaves alone what is not a plain sequence of objects', (t) => {
  for (const value of ['{"a":1}}', '{"a":[1}', '{"a":"x}', '{},', '[{}', '[{},]', '[{}{}]', '[{}] {}', '{} x', '{"a":1]}'])
    t.deepEqual(scanned(value).rows, ['alone'], value);
});

test('scanning leaves alone a string in which the server would take a quote for a digit', (t) => {
  for (const value of ['{"a":"\\u"}', '{"a":"\\u12"}', '{"a":"\\u}', '{"a":"\\u00g0"}']) t.deepEqual(scanned(value).rows, ['alone'], value);
  t.deepEqual(scanned('{"a":"\\u00E9\\\\u"}').rows, [1]);
});

test('keys, headers and timestamps travel with a JSON row, whatever bytes they hold', (t) => {
  const { body } = splice(
    'JSONEachRow',
    [
      {
        value: '{}',
        key: Buffer.from([0x22, 0x5c, 0x01, 0xff]),
        timestampMs: 1_699_999_999_999,
        headers: [
          ['a', 'x"'],
          ['a', null],
          ['', ''],
        ],
      },
    ],
    {
      allFields: true,
    },
  );
  t.is(body, '{"zz0":410003,"zz2":1699999999999,"zz3":"\\"\\\\\\u0001\xff","zz4":["a","a",""],"zz5":["x\\"","",""]}\n');
});

test('a message without key, headers and timestamp has empty ones', (t) => {
  const { body } = splice('JSONEachRow', [{ value: '{}', key: null }], { allFields: true });
  t.is(body, '{"zz0":410003,"zz2":1700000000000,"zz3":"","zz4":[],"zz5":[]}\n');
});

test('CSV rows carry the metadata in front', (t) => {
  t.deepEqual(csv('1,foo', '2,"b,a\r""r"\n3,baz\n'), {
    body: `${GUARD},410003,1,foo\n${GUARD},420003,2,"b,a\r""r"\n${GUARD},420003,3,baz\n`,
    rows: [1, 2],
  });
});

test('CSV line ends of DOS are taken off', (t) => {
  t.deepEqual(csv('1,foo\r\n2,bar\r\n'), { body: `${GUARD},410003,1,foo\n${GUARD},410003,2,bar\n`, rows: [2] });
});

test('a CSV message whose rows cannot be made out goes alone and leaves nothing behind', (t) => {
  for (const value of ['1,"foo', '1,foo\n2,"x" y', '\n', '1,a\n\n2,b', '1,a\r2,b', '1,a\r', '1,a '])
    t.deepEqual(csv(value), { body: '', rows: ['alone'] }, value);
});

test('CSV settings that change the borders of rows or act once a message are not spliced', (t) => {
  for (const settings of [
    { format_csv_delimiter: '"' },
    { format_csv_delimiter: '1' },
    { input_format_csv_skip_first_lines: '1' },
    { format_csv_allow_single_quotes: '1' },
  ]) {
    t.deepEqual(splice('CSV', [{ value: '1,a' }], { settings: settings as unknown as Record<string, string> }).rows, ['alone']);
  }
  t.is(splice('CSV', [{ value: '1|a' }], { settings: { format_csv_delimiter: '|' } }).body, `${GUARD}|410003|1|a\n`);
});

test('TSV rows carry the metadata in front', (t) => {
  t.deepEqual(tsv('1\tfoo', '2\tb\\nar\n3\tbaz\n'), {
    body: `${GUARD}\t410003\t1\tfoo\n${GUARD}\t420003\t2\tb\\nar\n${GUARD}\t420003\t3\tbaz\n`,
    rows: [1, 2],
  });
});

test('a TSV message with an escaped line break, carriage return or empty line goes alone', (t) => {
  for (const value of ['1\ta\\\nb', '1\ta\r\n', '1\ta\n\n', '1\ta\\']) t.deepEqual(tsv(value), { body: '', rows: ['alone'] }, value);
});

test('keys and headers travel with a TSV row as hexadecimal', (t) => {
  const { body } = splice(
    'TabSeparated',
    [
      {
        value: '1',
        key: '\t',
        headers: [
          ['n', 'v'],
          ['m', null],
        ],
      },
    ],
    { allFields: true },
  );
  t.is(body, `${GUARD}\t410003\t1700000000000\t09\t.6e.6d\t.76.\t1\n`);
});

test('a large message gets a chunk of its own and neighbours stay whole', (t) => {
  const big = `{"a":"${'x'.repeat(3_000_000)}"}`;
  const { body, rows } = json('{"a":1}', big, '{"a":2}');
  t.deepEqual(rows, [1, 1, 1]);
  t.is(body, `{"zz0":410003,"a":1}\n{"zz0":420003,${big.slice(1)}\n{"zz0":430003,"a":2}\n`);
});

test('large offsets keep all their digits', (t) => {
  const cursor = new RecordCursor();
  const batch = new Batch(new ChunkPool(new MemoryBudget(1e9)));
  const writer = splicerOf('CSV')?.createWriter([{ name: 'zz0', type: 'UInt64', what: 'position' }], {
    columns: [],
    settings: {},
    head: new BodyHead(),
  });
  for (const offset of [0, 9, 10, 999_999_999, 1_000_000_000, 1_000_000_001, 4_294_967_296, 9_007_199_254_740_991]) {
    cursor.open(recordBatch([{ value: 'x' }], offset));
    t.true(cursor.next());
    writer?.write(batch, 1, cursor);
    t.is(Buffer.concat(batch.body()).toString(), offset === 0 ? '1,x\n' : `${offset}0001,x\n`);
    batch.rollback();
  }
});
