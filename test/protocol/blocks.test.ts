import test from 'ava';
import {
  BufferReader,
  ByteWriter,
  compressFrame,
  emptyBlock,
  ProtocolError,
  readRows,
  skipBlock,
  UnknownLayout,
} from '../../src/protocol/index.ts';
import { assertEveryCut, hex } from './helpers/cuts.ts';

interface Column {
  readonly name: string;
  readonly type: string;
  readonly data: string;
  readonly flag?: string;
}

/** A block at 54468 (or 54488): info, counts, columns with their serialization flag. */
function block(rows: number, columns: readonly Column[], revision = 54468): Buffer {
  const info = emptyBlock(revision).subarray(0, -2);
  const writer = new ByteWriter().raw(info).varuint(columns.length).varuint(rows);
  for (const { name, type, data, flag = '00' } of columns) writer.string(name).string(type).raw(hex(flag)).raw(hex(data));
  return writer.bytes();
}

// One row of each, as captured.
const COMMON: readonly Column[] = [
  { name: 'x', type: 'UInt8', data: '01' },
  { name: 's', type: 'String', data: '03616263' },
  { name: 'd', type: "DateTime('UTC')", data: 'a5355769' },
  { name: 'a', type: 'Array(UInt8)', data: '0200000000000000 0102' },
  { name: 'n', type: 'Nullable(UInt8)', data: '00 05' },
  { name: 'lc', type: 'LowCardinality(String)', data: '0100000000000000 0006000000000000 0200000000000000 00 026c63 0100000000000000 01' },
  { name: 'm', type: 'Map(String, UInt8)', data: '0100000000000000 016b 01' },
  { name: 'tu', type: 'Tuple(UInt8, String)', data: '01 0174' },
  { name: 'tn', type: 'Tuple(`a b` UInt8, c Array(String))', data: '01 0100000000000000 0174' },
  { name: 'f', type: 'Float64', data: '000000000000f83f' },
  { name: 'e', type: "Enum8('a, b' = 1, 'c\\')' = 2)", data: '01' },
  { name: 'dec', type: 'Decimal(38, 2)', data: '00000000000000000000000000000000' },
  { name: 'fs', type: 'FixedString(3)', data: '616263' },
  { name: 'v', type: 'Variant(String, UInt8)', data: '0000000000000000 01 07' },
  { name: 'p', type: 'Point', data: '00000000000000000000000000000000' },
  { name: 'al', type: 'Array(LowCardinality(String))', data: '0100000000000000 0000000000000000' },
  { name: 'ne', type: 'Nested(a UInt8, b String)', data: '0100000000000000 01 0174' },
  { name: 'sf', type: 'SimpleAggregateFunction(sum, UInt64)', data: '0100000000000000' },
];

for (const column of COMMON) {
  test(`a block with a column of type ${column.type} is walked wherever it is cut`, async (t) => {
    const shape = await assertEveryCut(t, block(1, [column, { name: 'after', type: 'UInt8', data: '09' }]), (reader) =>
      skipBlock(reader, { revision: 54468, isCompressed: false }),
    );
    t.deepEqual(shape, { columns: 2, rows: 1 });
  });
}

// 20 rows at 54488, as captured: seven defaults, a value, twelve defaults.
const SPARSE: Column = { name: 'a', type: 'UInt64', flag: '01 01', data: '07 8c8080808080808040 0500000000000000' };
const SPARSE_TUPLE: Column = {
  name: 't',
  type: 'Tuple(x UInt8, y String)',
  flag: '01 000101',
  data: '04 8f8080808080808040 01 948080808080808040',
};
const REPLICATED: Column = {
  name: 's',
  type: 'String',
  flag: '01 04',
  data: '14 01 0000010101010202020200000101010102020202 03 0161 026262 03636363',
};

test('columns packed as sparse, tuple of sparse and replicated are walked wherever they are cut', async (t) => {
  const bytes = block(20, [SPARSE, SPARSE_TUPLE, REPLICATED], 54488);
  const shape = await assertEveryCut(t, bytes, (reader) => skipBlock(reader, { revision: 54488, isCompressed: false }));
  t.is(shape.columns, 3);
});

test('every flag but 0 says that a column has kinds', async (t) => {
  const bytes = block(20, [{ ...SPARSE, flag: '02 01' }], 54488);
  const shape = await assertEveryCut(t, bytes, (reader) => skipBlock(reader, { revision: 54488, isCompressed: false }));
  t.is(shape.columns, 1);
});

test('helper results are read as text, packed or not', async (t) => {
  const plain: Column = { name: 'n', type: 'Nullable(String)', data: '00'.repeat(19) + '01' + '0178'.repeat(19) + '00' };
  const bytes = block(20, [SPARSE, REPLICATED, plain], 54488);
  const { values } = await assertEveryCut(t, bytes, (reader) => readRows(reader, { revision: 54488, isCompressed: false }));
  t.deepEqual(values[7], ['5', 'ccc', 'x']);
  t.deepEqual(values[19], ['0', 'ccc', '\\N']);
});

test('arrays and dictionaries are read as the server shows them', async (t) => {
  const columns: Column[] = [
    { name: 'a', type: 'Array(String)', data: '0200000000000000 0200000000000000 0461276227 0163' },
    {
      name: 'l',
      type: 'LowCardinality(Nullable(String))',
      data: '0100000000000000 0006000000000000 0300000000000000 00 00 0178 0200000000000000 0002',
    },
    { name: 'i', type: 'Int16', data: 'ffff0100' },
    { name: 'u', type: 'UUID', data: '00112233445566778899aabbccddeeff'.repeat(2) },
    { name: 'e', type: "Enum8('it\\'s' = -1, 'b' = 2)", data: 'ff02' },
  ];
  const { values } = await readRows(new BufferReader(block(2, columns)), { revision: 54468, isCompressed: false });
  t.deepEqual(values, [
    ["['a\\'b\\'','c']", '\\N', '-1', '77665544-3322-1100-ffee-ddccbbaa9988', "it's"],
    ['[]', 'x', '1', '77665544-3322-1100-ffee-ddccbbaa9988', 'b'],
  ]);
});

test('a block of several compressed frames is walked wherever it is cut', async (t) => {
  const data = block(1, COMMON);
  const frames = [data.subarray(0, 40), data.subarray(40, 100), data.subarray(100)].map((part, i) =>
    compressFrame(part, i === 1 ? 'None' : 'LZ4'),
  );
  const shape = await assertEveryCut(t, Buffer.concat(frames), (reader) => skipBlock(reader, { revision: 54468, isCompressed: true }));
  t.is(shape.columns, COMMON.length);
});

for (const type of [
  'JSON',
  'Dynamic',
  'AggregateFunction(uniq, UInt64)',
  'Array(JSON)',
  'Unheard',
  'FixedString(x)',
  'constructor',
  'toString',
  '__proto__',
  'Array(hasOwnProperty)',
  'Array('.repeat(200) + ')'.repeat(200),
]) {
  test(`a column of type ${type.slice(0, 40)} cannot be walked and says so`, async (t) => {
    const bytes = block(1, [{ name: 'x', type, data: '00' }]);
    await t.throwsAsync(skipBlock(new BufferReader(bytes), { revision: 54468, isCompressed: false }), { instanceOf: UnknownLayout });
  });
}

test('a column that cannot be walked does not matter without rows', async (t) => {
  const bytes = block(0, [{ name: 'x', type: 'JSON', data: '' }]);
  const shape = await skipBlock(new BufferReader(bytes), { revision: 54468, isCompressed: false });
  t.deepEqual(shape, { columns: 1, rows: 0 });
  const { columns } = await readRows(new BufferReader(bytes), { revision: 54468, isCompressed: false });
  t.deepEqual(columns, [{ name: 'x', type: 'JSON' }]);
  const error = new UnknownLayout('JSON');
  t.is(error.type, 'JSON');
});

test('a block of more columns than the server takes is refused before they come', async (t) => {
  const bytes = new ByteWriter().raw(emptyBlock(54468).subarray(0, -2)).varuint(1_000_001).varuint(0).bytes();
  await t.throwsAsync(skipBlock(new BufferReader(bytes), { revision: 54468, isCompressed: false }), {
    instanceOf: ProtocolError,
    message: 'a block of 1000001 columns',
  });
});

test('a block that claims more bytes than can be counted is refused', async (t) => {
  const rows = 2 ** 52;
  const wide = block(rows, [{ name: 'x', type: 'UInt64', data: '00' }]);
  await t.throwsAsync(skipBlock(new BufferReader(wide), { revision: 54468, isCompressed: false }), { instanceOf: ProtocolError });
});

for (const count of [Number.NaN, -1, 1.5, 2 ** 53, Infinity]) {
  test(`${count} bytes are not waited for`, async (t) => {
    const reader = new BufferReader(Buffer.alloc(10));
    await t.throwsAsync(reader.skip(count), { instanceOf: ProtocolError });
    await t.throwsAsync(reader.bytes(count), { instanceOf: ProtocolError });
    await t.throwsAsync(reader.want(count), { instanceOf: ProtocolError });
    t.is(reader.position, 0);
  });
}
