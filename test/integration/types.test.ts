import test from 'ava';
import { readByBoth, VIRTUAL_COLUMN_COUNT } from '../helpers/engines.ts';
import { useClickHouse } from '../helpers/index.ts';
import { insertEach } from '../helpers/plain-insert.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { payloadsOf, type FormatCase, type Payload } from './formats/case.ts';

ownClickHouse({ configXml: '<background_message_broker_schedule_pool_size>32</background_message_broker_schedule_pool_size>' });

/** Each type with values to be rendered as expressions; `formats` that cannot hold it. */
interface TypeRow {
  readonly type: string;
  readonly values: readonly [string, string, string];
  readonly notIn?: RegExp;
}

const TYPES: Readonly<Record<string, TypeRow>> = {
  u8: { type: 'UInt8', values: ['0', '1', '255'] },
  i64: { type: 'Int64', values: ['0', '-1', '-9223372036854775808'] },
  u64: { type: 'UInt64', values: ['0', '1', '18446744073709551615'] },
  i128: { type: 'Int128', values: ['0', '-1', `'-170141183460469231731687303715884105728'`], notIn: /MsgPack/ },
  u128: { type: 'UInt128', values: ['0', '1', `'340282366920938463463374607431768211455'`], notIn: /MsgPack/ },
  i256: {
    type: 'Int256',
    values: ['0', '-1', `'-57896044618658097711785492504343953926634992332820282019728792003956564819968'`],
    notIn: /MsgPack/,
  },
  u256: {
    type: 'UInt256',
    values: ['0', '1', `'115792089237316195423570985008687907853269984665640564039457584007913129639935'`],
    notIn: /MsgPack/,
  },
  dec9: { type: 'Decimal(9, 3)', values: ['0', `'-1.5'`, `'999999.999'`] },
  dec38: { type: 'Decimal(38, 10)', values: ['0', `'0.0000000001'`, `'-9999999999999999999999999999.9999999999'`] },
  dec76: {
    type: 'Decimal(76, 5)',
    values: ['0', `'0.00001'`, `'-12345678901234567890123456789012345678901234567890.12345'`],
    notIn: /MsgPack|Avro/,
  },
  f32: { type: 'Float32', values: ['0', '-0.5', '3.4e38'] },
  f64: { type: 'Float64', values: ['0.1', '-1e300', '5e-324'] },
  bool: { type: 'Bool', values: ['true', 'false', 'true'] },
  s: { type: 'String', values: [`''`, `'ünï\\n"\\t'`, `'\\\\N'`] },
  fixed: { type: 'FixedString(4)', values: [`'ab'`, `'abcd'`, `''`] },
  lc: { type: 'LowCardinality(String)', values: [`'a'`, `'b'`, `''`] },
  lcn: { type: 'LowCardinality(Nullable(String))', values: [`'a'`, 'NULL', `''`] },
  n: { type: 'Nullable(Int32)', values: ['NULL', '0', '-5'] },
  ns: { type: 'Nullable(String)', values: ['NULL', `''`, `'NULL'`] },
  d: { type: 'Date', values: [`'1970-01-01'`, `'2024-02-29'`, `'2149-06-06'`] },
  d32: { type: 'Date32', values: [`'1900-01-01'`, `'2024-02-29'`, `'2299-12-31'`] },
  dt: { type: `DateTime('UTC')`, values: [`'1970-01-01 00:00:00'`, `'2024-02-29 12:34:56'`, `'2106-02-07 06:28:15'`] },
  dt64: {
    type: `DateTime64(6, 'Europe/Berlin')`,
    values: [`'1900-01-01 00:00:00'`, `'2024-02-29 12:34:56.123456'`, `'2200-01-01 00:00:00'`],
    notIn: /MsgPack/,
  },
  e8: { type: `Enum8('a' = 1, 'b' = -2, 'c_d' = 3)`, values: [`'a'`, `'b'`, `'c_d'`] },
  e16: { type: `Enum16('x' = 1000, 'y' = -1000)`, values: [`'x'`, `'y'`, `'x'`] },
  uuid: {
    type: 'UUID',
    values: [`'00000000-0000-0000-0000-000000000000'`, `'61f0c404-5cb3-11e7-907b-a6006ad3dba0'`, `'ffffffff-ffff-ffff-ffff-ffffffffffff'`],
  },
  v4: { type: 'IPv4', values: [`'0.0.0.0'`, `'10.1.2.3'`, `'255.255.255.255'`] },
  v6: { type: 'IPv6', values: [`'::'`, `'2001:db8::1'`, `'::ffff:1.2.3.4'`] },
  arr: { type: 'Array(Array(Nullable(Int32)))', values: ['[]', '[[], [NULL, 1]]', '[[1, 2, 3]]'] },
  m: { type: 'Map(String, Array(UInt8))', values: ['map()', `map('k', [1, 2], '', [])`, `map('"', [255])`] },
  t: { type: 'Tuple(x UInt8, y Nullable(String))', values: [`(1, NULL)`, `(2, 'a,b')`, `(0, '')`], notIn: /MsgPack/ },
  tt: { type: 'Tuple(UInt8, Tuple(String))', values: [`(1, tuple('a'))`, `(2, tuple('"'))`, `(0, tuple(''))`], notIn: /MsgPack|Avro/ },
  'nest.a': { type: 'Array(UInt8)', values: ['[]', '[1, 2]', '[0]'], notIn: /Avro|Parquet/ },
  'nest.b': { type: 'Array(String)', values: ['[]', `['x', '']`, `['"']`], notIn: /Avro|Parquet/ },
  v: {
    type: 'Variant(Array(UInt64), String, UInt64)',
    values: ['5::UInt64', `'text'`, '[1, 2]::Array(UInt64)'],
    notIn: /MsgPack|Avro|Parquet/,
  },
  dyn: { type: 'Dynamic', values: ['5', `'text'`, 'NULL'], notIn: /MsgPack|Avro|Parquet/ },
  json: { type: 'JSON', values: [`'{}'`, `'{"a":{"b":1},"c":[1,"x"]}'`, `'{"a":"ü\\\\\\\\n"}'`], notIn: /MsgPack|Avro|Parquet|^CSV|^TSV/ },
};

const QUOTED = (name: string): string => `\`${name}\``;

/** Every type that the format can hold, rendered by the server: three messages of a row, one of all three. */
function everyType(format: string): FormatCase {
  const held = Object.entries(TYPES).filter(([, { notIn }]) => notIn?.test(format) !== true);
  const row = (i: number): string =>
    `SELECT ${held.map(([name, { type, values }]) => `CAST(${values[i] ?? ''}, '${type.replaceAll("'", "\\'")}') AS ${QUOTED(name)}`).join(', ')}`;
  return {
    format,
    columns: held.map(([name, { type }]) => `${QUOTED(name)} ${type}`).join(', '),
    payloads: [{ select: row(0) }, { select: row(1) }, { select: row(2) }, { select: [0, 1, 2].map(row).join(' UNION ALL ') }],
  };
}

const SOME =
  "id UInt64, s String, n Nullable(Int32), d DateTime('UTC'), dt64 DateTime64(3, 'UTC'), day Date, e Enum8('none' = 0, 'a' = 1, 'b' = -2), b Bool, dec Decimal(9, 2), arr Array(UInt8)";

/** Ways to write values in JSON; the same for each object format. */
const JSON_WAYS: readonly Payload[] = [
  '{"id":1}',
  '{}',
  '{"unknown":{"deep":[{"x":1}]},"id":2,"also unknown":"s"}',
  '{"id":null,"s":null,"n":null,"d":null,"e":null,"b":null,"dec":null,"arr":null}',
  '{"id":"3","s":5,"n":"7","dec":"1.005"}',
  '{"id":4,"e":"b"}{"id":4,"e":-2}{"id":4,"e":1}',
  '{"id":5,"b":1}{"id":5,"b":0}{"id":5,"b":true}{"id":5,"b":false}',
  '{"id":6,"dec":1.239}{"id":6,"dec":-1e3}{"id":6,"dec":"99"}',
  '{"id":7,"d":"2024-01-02 03:04:05","day":"2024-01-02"}{"id":7,"d":1700000000,"dt64":"2024-01-02 03:04:05.678"}',
  '{"id":8,"arr":[]}{"id":8,"arr":[1,2,255]}',
  '{"id":9,"s":"\\u00fc\\n\\"\\ud83d\\ude00\\/"}',
  '{"ID":10,"S":"case"}',
  '{"s":{"an":"object"}}{"s":[1,2]}{"s":true}',
];

const ISO: readonly string[] = [
  '2024-01-02T03:04:05Z',
  '2024-01-02T03:04:05.678+02:00',
  '2024-01-02 03:04:05',
  '1700000000',
  'Jan 2 2024 03:04:05',
  '2024-01-02T03:04:05',
];
const BEST_EFFORT = `date_time_input_format = 'best_effort'`;

const CASES: Readonly<Record<string, FormatCase>> = {
  ...Object.fromEntries(
    ['JSONEachRow', 'JSONCompactEachRow', 'CSV', 'TSV', 'TSKV', 'Values', 'RowBinary', 'MsgPack', 'Avro', 'Parquet', 'Native'].map(
      (format): [string, FormatCase] => [`every type, ${format}`, everyType(format)],
    ),
  ),
  'ways to write values, missing and unknown fields, nulls, JSONEachRow': { format: 'JSONEachRow', columns: SOME, payloads: JSON_WAYS },
  'ways to write values with settings of the table, JSONEachRow': {
    format: 'JSONEachRow',
    columns: SOME,
    settings:
      'input_format_json_read_bools_as_numbers = 0, input_format_null_as_default = 1, input_format_json_use_string_type_for_ambiguous_paths_in_named_tuples_inference_from_objects = 1',
    payloads: JSON_WAYS,
  },
  'nested objects, JSONEachRow': {
    format: 'JSONEachRow',
    columns:
      'id UInt64, nest Nested(a UInt8, b String), m Map(String, UInt8), t Tuple(x UInt8, y String), tt Tuple(UInt8, String), v Variant(Bool, Float64, String), dyn Dynamic, j JSON(a.b UInt8)',
    settings: 'input_format_import_nested_json = 1',
    payloads: [
      '{"id":1,"nest":{"a":[1,2],"b":["x","y"]}}',
      '{"id":2,"m":{"k":1,"":2},"t":{"y":"w","x":2},"tt":[1,"a"]}',
      '{"id":3,"t":{"x":1,"z":"unknown"},"v":true}{"id":3,"v":1.5}{"id":3,"v":"s"}{"id":3,"v":null}',
      '{"id":4,"dyn":[1,2],"j":{"a":{"b":1},"c":"d"}}{"id":4,"dyn":"2024-01-01","j":{}}',
      '{"id":5}',
    ],
  },
  'flattened names of Nested, JSONEachRow': {
    format: 'JSONEachRow',
    columns: 'id UInt64, nest Nested(a UInt8, b String)',
    payloads: ['{"id":1,"nest.a":[1,2],"nest.b":["x","y"]}', '{"id":2}'],
  },
  'ISO dates, JSONEachRow': {
    format: 'JSONEachRow',
    columns: SOME,
    settings: BEST_EFFORT,
    payloads: ISO.map((text, i) => `{"id":${i},"d":"${text}","dt64":"${text}"}`),
  },
  'ISO dates, CSV': {
    format: 'CSV',
    columns: "id UInt64, d DateTime('UTC'), dt64 DateTime64(3, 'UTC')",
    settings: BEST_EFFORT,
    payloads: ISO.map((text, i) => `${i},"${text}",${text}\n`),
  },
  'ISO dates, TSV': {
    format: 'TSV',
    columns: "id UInt64, d DateTime('UTC'), dt64 DateTime64(3, 'UTC')",
    settings: BEST_EFFORT,
    payloads: ISO.map((text, i) => `${i}\t${text}\t${text}`),
  },
  'ISO dates, TSVWithNames': {
    format: 'TSVWithNames',
    columns: "id UInt64, d DateTime('UTC'), dt64 DateTime64(3, 'UTC')",
    settings: BEST_EFFORT,
    payloads: ISO.map((text, i) => `dt64\tid\n${text}\t${i}\n`),
  },
  'ways to write values, missing fields, nulls, CSV': {
    format: 'CSV',
    columns: SOME,
    payloads: [
      `1,s,1,2024-01-02 03:04:05,1700000000.5,2024-01-02,a,true,1.5,"[1,2]"`,
      `2,,\\N,1700000000,1700000000,2024-01-02,b,1,"2","[]"`,
      `,,,,,,,,,`,
      `\\N,\\N,\\N,\\N,\\N,\\N,\\N,\\N,\\N,\\N`,
      `3,"\\N",,"2024-01-02 03:04:05","2024-01-02 03:04:05.678","2024-01-02",-2,false,-1.999,[]`,
      `4,'q',0,1700000001,1700000001,2024-01-02,1,0,0,"[1]"`,
    ],
  },
  'too few and too many columns, CSV': {
    format: 'CSV',
    columns: 'id UInt64, s String, n Nullable(Int32)',
    settings: 'input_format_csv_allow_variable_number_of_columns = 1, input_format_csv_empty_as_default = 1',
    payloads: ['1', '2,a', '3,a,4', '4,a,5,more,"and more"\n5', ',,'],
  },
  'unknown and missing columns, CSVWithNames': {
    format: 'CSVWithNames',
    columns: SOME,
    payloads: ['id,unknown,e\n1,x,b\n', 'b\ntrue\nfalse\n', 's,id\n,\n\\N,\\N\n'],
  },
  'ways to write values, nulls, TSV': {
    format: 'TSV',
    columns: SOME,
    payloads: [
      `1\ts\t1\t2024-01-02 03:04:05\t1700000000.5\t2024-01-02\ta\ttrue\t1.5\t[1,2]`,
      `2\t\t\\N\t1700000000\t1700000000\t2024-01-03\t-2\t0\t2\t[]\n`,
      `\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n`,
    ],
  },
  'representations of true, TSV': {
    format: 'TSV',
    columns: 'b Bool, n Nullable(String)',
    settings: `bool_true_representation = 'on', bool_false_representation = 'off', format_tsv_null_representation = 'nix'`,
    payloads: ['on\tnix', 'off\t\\N', 'on\tx\noff\tnix\n'],
  },
  'unknown and missing fields, TSKV': {
    format: 'TSKV',
    columns: SOME,
    payloads: ['id=1\tunknown=x\te=b\n', 's=\\N\tn=\\N\n', 'b=true\tarr=[1,2]\n'],
  },
  'unknown and missing fields, Avro': {
    format: 'Avro',
    columns: SOME,
    settings: 'input_format_avro_allow_missing_fields = 1',
    payloads: [
      { select: `SELECT 1::UInt64 AS id, 'x' AS unknown, map('a', [1]) AS deep` },
      { select: `SELECT 'only' AS s, NULL::Nullable(Int32) AS n` },
      { select: `SELECT 2::UInt64 AS id, NULL::Nullable(String) AS s, 5::Nullable(Int32) AS n` },
      {
        select: `SELECT toDateTime64('2024-01-02 03:04:05.678', 3, 'UTC') AS dt64, 'b'::Enum8('none' = 0, 'a' = 1, 'b' = -2) AS e, true AS b`,
      },
    ],
  },
  'unknown and missing fields, Parquet': {
    format: 'Parquet',
    columns: SOME,
    payloads: [
      { select: `SELECT 1::UInt64 AS id, 'x' AS unknown, map('a', [1]) AS deep` },
      { select: `SELECT 'only' AS s, NULL::Nullable(Int32) AS n` },
      { select: `SELECT NULL::Nullable(UInt64) AS id, NULL::Nullable(String) AS s` },
      { select: `SELECT 3::Int8 AS id, toDateTime('2024-01-02 03:04:05', 'UTC') AS d, 1.5::Decimal(18, 5) AS dec` },
      { select: `SELECT 1::UInt64 AS ID, 'case' AS S` },
    ],
  },
  'proto3 fields, Protobuf': {
    format: 'Protobuf',
    columns:
      "id UInt64, e Enum8('zero' = 0, 'one' = 1), t Tuple(a Int32, b String), m Map(String, UInt32), missing String, n Nullable(String)",
    settings: `format_schema_source = 'string', format_schema_message_name = 'Row', format_schema = 'syntax = "proto3"; enum E { zero = 0; one = 1; } message T { sint32 a = 1; bytes b = 2; }
      message Row { fixed64 id = 1; E e = 2; T t = 3; map<string, uint32> m = 4; string unknown = 5; optional string n = 6; }'`,
    payloads: [
      {
        select: `SELECT 1::UInt64 AS id, 'one'::Enum8('zero' = 0, 'one' = 1) AS e, CAST((-5, 'x'), 'Tuple(a Int32, b String)') AS t, map('k', 1::UInt32) AS m, 'u' AS unknown, NULL::Nullable(String) AS n`,
      },
      { select: `SELECT 2::UInt64 AS id, '' AS n` },
    ],
  },
};

for (const [title, one] of Object.entries(CASES)) {
  test(`rows are those of a plain INSERT and of the real engine: ${title}`, async (t) => {
    const { url } = await useClickHouse(t);
    const payloads = await payloadsOf(url, one);
    const { outcomes } = await insertEach(t, one, payloads);
    const plain = outcomes.flatMap((outcome) => {
      if (outcome instanceof Error) throw outcome;
      return outcome;
    });
    const { native, gateway } = await readByBoth(t, { ...one, messages: payloads.map((value) => ({ value })) });
    const rows = gateway.map((row) => row.split('\t').slice(VIRTUAL_COLUMN_COUNT).join('\t'));
    t.not(plain.length, 0);
    t.deepEqual(rows, plain);
    t.deepEqual(gateway, native);
  });
}
