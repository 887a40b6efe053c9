import test from 'ava';
import { Batch, ChunkPool, MemoryBudget } from '../../src/batching/index.ts';
import { BodyHead, readNotes, RecordCursor, splicerOf, type CarriedField } from '../../src/formats/index.ts';
import { recordBatch, type TestMessage } from '../helpers/records.ts';
import { writeAll } from '../helpers/splice.ts';

const FIELDS: readonly CarriedField[] = [
  { name: 'zz0', type: 'UInt32', what: 'guard', constant: 0x64636261 },
  { name: 'zz1', type: 'UInt64', what: 'position' },
];
/** The guard, then offset 41 and source 3 as one number. */
const first = hex('61626364' + '9341060000000000');
const ALL_FIELDS: readonly CarriedField[] = [
  ...FIELDS,
  { name: 'zz2', type: 'Int64', what: 'timestamp' },
  { name: 'zz3', type: 'String', what: 'key' },
  { name: 'zz4', type: 'Array(String)', what: 'header-names' },
  { name: 'zz5', type: 'Array(String)', what: 'header-values' },
];

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

interface Spliced {
  readonly body: Buffer;
  readonly rows: readonly (number | 'alone')[];
  readonly batch: Batch;
}

function splice(
  format: string,
  types: readonly string[],
  messages: readonly (TestMessage | Buffer)[],
  options: { fields?: readonly CarriedField[]; settings?: Record<string, string> } = {},
): Spliced {
  const batch = new Batch(new ChunkPool(new MemoryBudget(1e9)));
  const columns = types.map((type, i) => ({ name: `c${i}`, type }));
  const writer = splicerOf(format)?.createWriter(options.fields ?? FIELDS, {
    columns,
    settings: options.settings ?? {},
    head: new BodyHead(),
  });
  if (writer === undefined) return { body: Buffer.alloc(0), rows: messages.map(() => 'alone'), batch };
  const rows = writeAll(writer, batch, messages);
  return { body: Buffer.concat(batch.body()), rows, batch };
}

test('a RowBinary row carries the guard and its position in front', (t) => {
  const { body, rows } = splice('RowBinary', ['UInt8', 'String'], [hex('07 02 6162'), hex('08 00 09 00')]);
  t.deepEqual(rows, [1, 2]);
  t.is(
    body.toString('hex'),
    ['61626364 9341060000000000 07026162', '61626364 a368060000000000 0800', '61626364 a368060000000000 0900'].join('').replaceAll(' ', ''),
  );
});

test('positions beyond 32 and 53 bits are written exactly', (t) => {
  const batch = new Batch(new ChunkPool(new MemoryBudget(1e9)));
  const writer = splicerOf('RawBLOB')?.createWriter(FIELDS.slice(1), {
    columns: [{ name: 'c', type: 'String' }],
    settings: {},
    head: new BodyHead(),
  });
  const offsets = [0, 429_496, 429_497, 4_294_967_295, 4_294_967_296, 999_999_999_999_999];
  for (const offset of offsets) {
    const cursor = new RecordCursor();
    cursor.open(recordBatch([{ value: 'x' }], offset));
    cursor.next();
    writer?.write(batch, 9_999, cursor);
  }
  const body = Buffer.concat(batch.body());
  offsets.forEach((offset, i) => t.is(body.readBigUInt64LE(i * 10), BigInt(offset) * 10_000n + 9_999n));
});

test('keys, headers and times before 1970 travel with a row of RowBinary, whatever bytes they hold', (t) => {
  const { body } = splice(
    'RawBLOB',
    ['String'],
    [
      {
        value: 'v',
        key: Buffer.from([0, 0xff]),
        timestampMs: -2,
        headers: [
          ['a', '\u0000'],
          ['', null],
        ],
      },
    ],
    { fields: ALL_FIELDS },
  );
  t.is(body.toString('hex'), `${first.toString('hex')}feffffffffffffff0200ff02016100020100000176`);
});

test('where a RowBinary row ends is known for every type that can be told apart', (t) => {
  const cases: Readonly<Record<string, string>> = {
    UInt256: '00'.repeat(32),
    'Nullable(UInt16)': '01',
    'Nullable(FixedString(3))': '00616263',
    'Array(Array(Nullable(String)))': '02 00 02 01 00 01 61',
    'Map(String, Array(UInt8))': '01 0161 02 0102',
    "Tuple(a UInt8, `b c` Tuple(Enum16('(' = 1), Bool))": '01 0100 00',
    'LowCardinality(Nullable(String))': '00 0161',
    'Decimal(39, 2)': '00'.repeat(32),
    "DateTime64(3, 'UTC')": '00'.repeat(8),
    Point: '00'.repeat(16),
    'SimpleAggregateFunction(sum, UInt64)': '00'.repeat(8),
  };
  for (const [type, value] of Object.entries(cases)) {
    t.deepEqual(splice('RowBinary', [type, 'UInt8'], [hex(`${value}07`), hex(`${value}07${value}07`)]).rows, [1, 2], type);
    t.deepEqual(splice('RowBinary', [type, 'UInt8'], [hex(value), hex(`${value}0700`)]).rows, ['alone', 'alone'], type);
  }
});

test('tables with types whose values cannot be told apart are not spliced as RowBinary', (t) => {
  for (const type of [
    'JSON',
    'Dynamic',
    'Variant(String, UInt8)',
    'AggregateFunction(sum, UInt8)',
    'Tuple()',
    'Nothing',
    'Nested(a UInt8)',
    'Later',
  ])
    t.deepEqual(splice('RowBinary', ['UInt8', type], [hex('0101')]).rows, ['alone'], type);
});

test('a RowBinary message that is cut off or claims too much goes alone and leaves nothing behind', (t) => {
  const { body, rows } = splice(
    'RowBinary',
    ['Array(String)'],
    ['01', '02 0161', '01 0261', 'ffffffff0f', '01 ffffffffffffffffff01', '80'].map(hex),
  );
  t.deepEqual(rows, Array<'alone'>(6).fill('alone'));
  t.is(body.length, 0);
});

test('RowBinaryWithDefaults says of carried values that they are given', (t) => {
  const { body, rows } = splice('RowBinaryWithDefaults', ['UInt8', 'Nullable(String)'], [hex('01 00 01'), hex('00 07 01'), hex('02 01')]);
  t.deepEqual(rows, [1, 1, 'alone']);
  t.is(body.subarray(0, 17).toString('hex'), '0061626364009341060000000000010001'.slice(0, 34));
});

test('RowBinary messages with the names of the columns in front are spliced without them', (t) => {
  const { body, rows } = splice(
    'RowBinaryWithNames',
    ['UInt8', 'UInt8'],
    ['02 026330 026331 0708 0910', '02 026330 026331', '02 026331 026330 0708', '02', '02 026330 026331 07'].map(hex),
  );
  t.deepEqual(rows, [2, 0, 'alone', 'alone', 'alone']);
  t.is(body.toString('latin1').replaceAll(first.toString('latin1'), '|'), '|\x07\x08|\x09\x10');
  const typed = splice(
    'RowBinaryWithNamesAndTypes',
    ['UInt8'],
    [hex(`01 026330 05${Buffer.from('UInt8').toString('hex')} 07`), hex(`01 026330 04${Buffer.from('Int8').toString('hex')} 07`)],
  );
  t.deepEqual(typed.rows, [1, 'alone']);
});

test('BSON documents stand in the body as they are, and each length is a row', (t) => {
  const { body, rows } = splice(
    'BSONEachRow',
    [],
    ['0500000000', '0500000000 0500000000', '0500000001', '0600000000', '04000000', '0500000000 00', 'ffffffff00'].map(hex),
    {
      fields: FIELDS.slice(1),
    },
  );
  t.deepEqual(rows, [1, 2, 'alone', 'alone', 'alone', 'alone', 'alone']);
  t.is(body.toString('hex'), '0500000000'.repeat(3));
});

test('LineAsString makes a row of each line, and none of the end of the last one', (t) => {
  t.deepEqual(
    splice(
      'LineAsString',
      ['String'],
      ['a', 'a\n', 'a\nb', '\n\n', 'a\r\n'].map((text) => Buffer.from(text)),
    ).rows,
    [1, 1, 2, 2, 1],
  );
});

test('raw formats are spliced into a single String column only', (t) => {
  for (const types of [['Nullable(String)'], ['FixedString(1)'], ['String', 'String'], []])
    t.deepEqual(splice('RawBLOB', types, [Buffer.from('a')]).rows, ['alone'], types.join());
});

test('JSONAsString takes the objects of a message as they are written', (t) => {
  const { body, rows } = splice(
    'JSONAsString',
    ['String'],
    ['[{"a": "}"},{}]', '{"a":1', ' '].map((text) => Buffer.from(text)),
  );
  t.deepEqual(rows, [2, 'alone', 'alone']);
  t.is(body.toString('latin1').replaceAll(first.toString('latin1'), '|'), '|\x0a{"a": "}"}|\x02{}');
});

test('a MsgPack row ends behind as many values as there are columns', (t) => {
  const values: Readonly<Record<string, string>> = {
    'small numbers': '7f',
    negative: 'e0',
    nil: 'c0',
    true: 'c3',
    float: 'ca00000000',
    double: 'cb' + '00'.repeat(8),
    uint64: 'cf' + '00'.repeat(8),
    int8: 'd000',
    str: 'a161',
    str8: 'd90161',
    str16: 'da000161',
    bin32: 'c600000001ff',
    array: '92 01 92 a0 c0',
    array16: 'dc000101',
    map: '81 a161 92 01 02',
    map32: 'df00000001 01 02',
    ext: 'c70102ff',
    fixext: 'd801' + '00'.repeat(16),
  };
  for (const [title, value] of Object.entries(values)) {
    t.deepEqual(splice('MsgPack', ['x', 'y'], [hex(`${value}01`), hex(`02${value}03${value}`)]).rows, [1, 2], title);
    const whole = hex(`01${value}`);
    t.deepEqual(splice('MsgPack', ['x', 'y'], [whole.subarray(0, -1), Buffer.concat([whole, hex('01')])]).rows, ['alone', 'alone'], title);
  }
});

test('a MsgPack message with what is no value, or with more values than bytes, goes alone', (t) => {
  t.deepEqual(
    splice('MsgPack', ['x'], ['c1', 'ddffffffff', 'dfffffffff01', 'c6ffffffff', 'dc0002 01'].map(hex)).rows,
    Array<'alone'>(5).fill('alone'),
  );
});

test('MsgPack rows carry the metadata in front', (t) => {
  const { body } = splice('MsgPack', ['x'], [{ value: hex('07'), key: 'k', timestampMs: -1, headers: [['n', null]] }], {
    fields: ALL_FIELDS,
  });
  t.is(
    body.toString('hex'),
    'ce64636261 cf0000000000064193 d3ffffffffffffffff c6000000016b dd00000001c6000000016e dd00000001c600000000 07'.replaceAll(' ', ''),
  );
});

test('Protobuf messages stand in the body as they are, and each length is a row', (t) => {
  const { body, rows } = splice('Protobuf', [], ['02 0801', '00', '00 02 0801 00', '0208', '020801 05', '8000'].map(hex), {
    fields: FIELDS.slice(1),
  });
  t.deepEqual(rows, [1, 1, 3, 'alone', 'alone', 1]);
  t.is(body.toString('hex'), '020801' + '00' + '0002080100' + '8000');
});

test('ProtobufSingle messages get their length in front', (t) => {
  const long = Buffer.alloc(300, 1);
  const { body, rows } = splice('ProtobufSingle', [], [hex('0801'), long], { fields: FIELDS.slice(1) });
  t.deepEqual(rows, [1, 1]);
  t.is(body.toString('hex'), `020801ac02${long.toString('hex')}`);
});

test('the envelopes of ProtobufList are opened, and their rows counted', (t) => {
  const { body, rows } = splice(
    'ProtobufList',
    [],
    ['04 0a00 0a00', '03 0a0107', '04 0a01 07', '02 1200', '00', '03 0a0200', '02 0a00 00'].map(hex),
    {
      fields: FIELDS.slice(1),
    },
  );
  t.deepEqual(rows, [2, 1, 'alone', 'alone', 'alone', 'alone', 'alone']);
  t.is(body.toString('hex'), '0a000a00' + '0a0107');
  t.is(splicerOf('ProtobufList')?.bodyLead?.(300).toString('hex'), 'ac02');
});

test('what is noted of messages beside the body is read back', (t) => {
  const { batch } = splice(
    'ProtobufSingle',
    [],
    [
      {
        value: 'a',
        key: 'key',
        timestampMs: 1_700_000_000_001,
        headers: [
          ['n', 'v'],
          ['', null],
        ],
      },
      { value: 'b', key: null },
      { value: 'c', key: Buffer.from([0xff]), headers: [['x', 'yz']] },
    ],
    { fields: ALL_FIELDS.slice(1) },
  );
  const [position, timestamp, key, names, values] = readNotes(batch.notes.body(), ALL_FIELDS.slice(1), 3);
  t.is(position, undefined);
  t.deepEqual(timestamp, { kind: 'numbers', numbers: Float64Array.of(1_700_000_000_001, 1_700_000_000_000, 1_700_000_000_000) });
  t.deepEqual(key, { kind: 'texts', texts: { bytes: Buffer.from('key\xff', 'latin1'), starts: Float64Array.of(0, 3, 3, 4) } });
  t.deepEqual(names, {
    kind: 'lists',
    lists: Float64Array.of(0, 2, 2, 3),
    texts: { bytes: Buffer.from('nx'), starts: Float64Array.of(0, 1, 1, 2) },
  });
  t.deepEqual(values, {
    kind: 'lists',
    lists: Float64Array.of(0, 2, 2, 3),
    texts: { bytes: Buffer.from('vyz'), starts: Float64Array.of(0, 1, 1, 3) },
  });
});
