import { schemaFile } from '../formats/schemas.ts';
import type { WrittenCase } from './both.ts';

const COLUMNS = 'id UInt64, name String, note Nullable(String), tags Array(String), price Decimal(9, 2)';
const ROWS = [
  `(1, 'one', 'n', ['a'], 1.25)`,
  `(2, 'two', 'n', ['a', 'b'], 1.25)`,
  `(4, 'four', NULL, ['x'], -99999.99)`,
  `(7, 'ünï 😀', '漢字', ['é', '\\u2028'], 0)`,
  `(8, '', '', [''], 0)`,
  `(18446744073709551615, 'a"b\\'c\\nd\\te\\\\f,g;h{}[]()&=<>%', '\\r\\n"', ['\\'', '"', ',', '\\n', '\\\\'], -0.01)`,
  `(9, ' blanks ', repeat('long ', 20000), [], 0)`,
];

function valuesOf(columns: string, rows: readonly string[]): string {
  return `SELECT * FROM values('${columns.replace(/['\\]/g, '\\$&')}', ${rows.join(', ')})`;
}

/** One row; all rows; some. */
const INSERTS = [valuesOf(COLUMNS, ROWS.slice(0, 1)), valuesOf(COLUMNS, ROWS), valuesOf(COLUMNS, ROWS.slice(2, 5))];

/** Output formats that take any columns. */
const GENERAL = [
  ...['Arrow', 'ArrowStream', 'Avro', 'BSONEachRow', 'Buffers', 'Hash', 'MsgPack', 'Native', 'Null', 'ORC', 'Parquet', 'SQLInsert'],
  ...['MySQLWire', 'ODBCDriver2', 'PostgreSQLWire', 'Protobuf', 'ProtobufList', 'ProtobufSingle', 'Values', 'Vertical', 'XML', 'TSKV'],
  ...['JSON', 'JSONColumns', 'JSONColumnsWithMetadata', 'JSONCompact', 'JSONCompactColumns', 'JSONCompactStrings', 'JSONStrings'],
  ...['JSONEachRow', 'JSONL', 'JSONLines', 'NDJSON', 'JSONObjectEachRow', 'JSONStringsEachRow', 'Markdown', 'MD'],
  ...['JSONEachRow', 'JSONStringsEachRow', 'JSONCompactEachRow', 'JSONCompactStringsEachRow'].map((name) => `${name}WithProgress`),
  ...['JSONEachRow', 'JSONLines', 'NDJSON'].map((name) => `Pretty${name}`),
  ...['', 'Compact', 'Space'].flatMap((name) => ['', 'MonoBlock', 'NoEscapes', 'NoEscapesMonoBlock'].map((kind) => `Pretty${name}${kind}`)),
  ...['CSV', 'CustomSeparated', 'JSONCompactEachRow', 'JSONCompactStringsEachRow', 'LineAsString', 'Raw', 'RowBinary', 'TSV'].flatMap(
    withNamesAndTypes,
  ),
  ...['TSVRaw', 'TabSeparated', 'TabSeparatedRaw'].flatMap(withNamesAndTypes),
];

function withNamesAndTypes(name: string): string[] {
  return [name, `${name}WithNames`, `${name}WithNamesAndTypes`];
}

/** Types whose names formats write, and names that need quotes or are ours. */
const TYPES =
  'a LowCardinality(String), b LowCardinality(Nullable(String)), `c.d` Array(UInt8), e Map(String, UInt8), f Tuple(x UInt8, y String), ' +
  `g Enum8('p' = 1, 'q' = 2), h UUID, i IPv4, j IPv6, k Date, l Date32, m DateTime, n DateTime64(3), o DateTime('Asia/Tokyo'), p FixedString(4), ` +
  'q Float32, r Float64, s Int128, t UInt256, u Decimal(38, 10), v Bool, w Array(Nullable(String)), x Array(Array(LowCardinality(String))), ' +
  '`y z` Nullable(Int64), `q"u``o\\\'te` UInt8, value String, traits UInt8, key String, `nest.a` Array(UInt8), `nest.b` Array(String)';
const TYPE_ROWS = [
  `('lc', NULL, [1, 2], map('k', 1), (7, 't'), 'q', '61f0c404-5cb3-11e7-907b-a6006ad3dba0', '1.2.3.4', '::1', '2020-01-02', '1920-01-02', ` +
    `'2020-01-02 03:04:05', '2020-01-02 03:04:05.678', '2020-01-02 03:04:05', 'abcd', 1.5, 0.1, '-170141183460469231731687303715884105727', 5, ` +
    `1.0000000001, true, ['x', NULL], [['a'], []], NULL, 3, 'v', 9, 'k', [1, 2], ['a', 'b'])`,
  `('', 'x', [], map(), (0, ''), 'p', '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::', '1970-01-01', '1970-01-01', 0, 0, 0, '', nan, -inf, ` +
    `0, 0, 0, false, [], [], -5, 0, '', 0, '', [], [])`,
];
const TYPE_FORMATS = [
  ...[
    'JSONEachRow',
    'JSONCompactEachRow',
    'JSONCompactEachRowWithNamesAndTypes',
    'JSON',
    'JSONCompact',
    'JSONColumnsWithMetadata',
    'XML',
    'Native',
    'Arrow',
    'Parquet',
  ],
  ...[
    'RowBinary',
    'RowBinaryWithNamesAndTypes',
    'CSVWithNamesAndTypes',
    'TSVWithNamesAndTypes',
    'CustomSeparatedWithNamesAndTypes',
    'Values',
  ],
  ...[
    'MsgPack',
    'BSONEachRow',
    'SQLInsert',
    'TSKV',
    'Markdown',
    'Vertical',
    'JSONEachRowWithProgress',
    'JSONObjectEachRow',
    'PrettyCompact',
  ],
  ...['ORC', 'Avro', 'Protobuf'],
];

const VARIANTS = 'v Variant(UInt64, String, Array(UInt8)), d Dynamic, j JSON, n Nullable(String)';
const VARIANT_ROWS = [
  `SELECT 1::UInt64::Variant(UInt64, String, Array(UInt8)), 5::Dynamic, '{"a":{"b":1},"c":[1,2]}'::JSON, NULL`,
  `SELECT 'x'::Variant(UInt64, String, Array(UInt8)), 'str'::Dynamic, '{}'::JSON, 'n'`,
  `SELECT NULL::Variant(UInt64, String, Array(UInt8)), NULL::Dynamic, '{}'::JSON, NULL`,
];

const PLAIN = 'id UInt64, name LowCardinality(String), note Nullable(String), tags Array(String), price Float64';
const PLAIN_ROWS = [
  valuesOf(PLAIN, [`(1, 'one', 'n', ['a', ''], 1.25)`, `(2, '', NULL, [], 0)`, `(18446744073709551615, 'ünï', '', ['ü'], -1e300)`]),
];
const PROTOBUF_SCHEMA = { format_schema: `${schemaFile('message.proto')}:Row` };

const JSON_QUOTES = {
  output_format_json_quote_64bit_integers: '1',
  output_format_json_quote_64bit_floats: '1',
  output_format_json_quote_denormals: '1',
  output_format_json_quote_decimals: '1',
  output_format_json_escape_forward_slashes: '0',
};
const JSON_FORMS = {
  output_format_json_named_tuples_as_objects: '0',
  output_format_json_map_as_array_of_tuples: '1',
  date_time_output_format: 'iso',
  bool_true_representation: 'yes',
  output_format_decimal_trailing_zeros: '1',
};

const DELIMITERS = {
  format_custom_field_delimiter: '<|>',
  format_custom_row_before_delimiter: '{',
  format_custom_row_after_delimiter: '}',
  format_custom_row_between_delimiter: ';',
  format_custom_result_before_delimiter: '<<',
  format_custom_result_after_delimiter: '>>',
};

function hundredColumns(): string[] {
  return Array.from({ length: 100 }, (_, i) => `c${i} UInt8`);
}

const SPECIAL: Readonly<Record<string, WrittenCase>> = {
  RawBLOB: { format: 'RawBLOB', columns: 'a String, b UInt32', inserts: [`SELECT 'x\n', number FROM numbers(5)`] },
  Npy: { format: 'Npy', columns: 'a Int64', inserts: ['SELECT number - 1 FROM numbers(5)'] },
  GeoJSON: {
    format: 'GeoJSON',
    columns: 'id UInt8, geometry Point, name String',
    inserts: [`SELECT number, (number, 1.5), 'x' FROM numbers(5)`],
  },
  PNG: {
    format: 'PNG',
    columns: 'r UInt8, g UInt8, b UInt8',
    inserts: ['SELECT number, 1, 2 FROM numbers(3)'],
    settings: { output_format_image_width: '4', output_format_image_height: '4' },
  },
  Prometheus: {
    format: 'Prometheus',
    columns: 'name String, value Float64, help String, type String, labels Map(String, String), timestamp Float64',
    inserts: [`SELECT 'm', number, 'h', 'counter', map('a', 'b'), 5 FROM numbers(5)`],
  },
  Template: {
    format: 'Template',
    columns: COLUMNS,
    inserts: INSERTS,
    settings: { format_template_row: schemaFile('row.template'), format_template_resultset: schemaFile('rows.template') },
  },
  'Protobuf with a schema': { format: 'Protobuf', columns: PLAIN, inserts: PLAIN_ROWS, settings: PROTOBUF_SCHEMA },
  'ProtobufSingle with a schema': { format: 'ProtobufSingle', columns: PLAIN, inserts: PLAIN_ROWS, settings: PROTOBUF_SCHEMA },
  'ProtobufList with a schema': { format: 'ProtobufList', columns: PLAIN, inserts: PLAIN_ROWS, settings: PROTOBUF_SCHEMA },
  'Avro with LowCardinality': { format: 'Avro', columns: PLAIN, inserts: PLAIN_ROWS },
  'Avro with rows in a file of the table': {
    format: 'Avro',
    columns: PLAIN,
    inserts: PLAIN_ROWS,
    settings: { output_format_avro_rows_in_file: '2' },
  },
  'Avro with rows in a file of the INSERT': {
    format: 'Avro',
    columns: PLAIN,
    inserts: PLAIN_ROWS,
    insertSettings: 'output_format_avro_rows_in_file = 2',
  },
  'CustomSeparated with delimiters': { format: 'CustomSeparated', columns: COLUMNS, inserts: INSERTS, settings: DELIMITERS },
  'CustomSeparated with delimiters of the INSERT': {
    format: 'CustomSeparated',
    columns: COLUMNS,
    inserts: INSERTS,
    insertSettings: `format_custom_result_before_delimiter = '<prefix>', format_custom_result_after_delimiter = '<suffix>'`,
  },
  'CustomSeparatedWithNamesAndTypes with delimiters': {
    format: 'CustomSeparatedWithNamesAndTypes',
    columns: PLAIN,
    inserts: PLAIN_ROWS,
    settings: DELIMITERS,
  },
  ...Object.fromEntries(
    ['JSONEachRow', 'PrettyJSONEachRow', 'JSONStringsEachRow'].map((format): [string, WrittenCase] => [
      `${format} as an array`,
      { format, columns: COLUMNS, inserts: INSERTS, settings: { output_format_json_array_of_rows: '1' } },
    ]),
  ),
  'JSON without statistics': { format: 'JSON', columns: COLUMNS, inserts: INSERTS, settings: { output_format_write_statistics: '0' } },
  'JSON that is not indented': { format: 'JSON', columns: PLAIN, inserts: PLAIN_ROWS, settings: { output_format_json_pretty_print: '0' } },
  'XML without statistics': { format: 'XML', columns: COLUMNS, inserts: INSERTS, settings: { output_format_write_statistics: '0' } },
  'JSONObjectEachRow with names of the rows': {
    format: 'JSONObjectEachRow',
    columns: COLUMNS,
    inserts: INSERTS,
    settings: { format_json_object_each_row_column_for_object_name: 'name' },
  },
  'JSONEachRow with settings of table and INSERT': {
    format: 'JSONEachRow',
    columns: 'a UInt64, b DateTime, c Bool, d Float64',
    inserts: ['SELECT number, 1700000000 + number, true, inf FROM numbers(4)'],
    settings: { output_format_json_quote_64bit_integers: '1', bool_true_representation: 'T' },
    insertSettings: `output_format_json_quote_64bit_integers = 0, output_format_json_quote_denormals = 1, date_time_output_format = 'iso', session_timezone = 'Asia/Tokyo'`,
  },
  ...Object.fromEntries(
    ['JSONEachRow', 'JSONCompactEachRow'].flatMap((format): [string, WrittenCase][] => [
      [`${format} with quotes`, { format, columns: TYPES, inserts: [valuesOf(TYPES, TYPE_ROWS)], settings: JSON_QUOTES }],
      [`${format} in other forms`, { format, columns: TYPES, inserts: [valuesOf(TYPES, TYPE_ROWS)], settings: JSON_FORMS }],
      ...['0', '1'].map((isValid): [string, WrittenCase] => [
        `${format} of bytes that are no UTF-8, ${isValid === '1' ? 'repaired' : 'as they are'}`,
        {
          format,
          columns: 'a String, b String',
          inserts: [`SELECT '\\x00\\xff\\xffa\\xe2\\x80', '\\xf0\\x9f\\x98'`],
          settings: { output_format_json_validate_utf8: isValid },
        },
      ]),
    ]),
  ),
  'JSONColumns in blocks of the INSERT': {
    format: 'JSONColumns',
    columns: 'a UInt64',
    inserts: ['SELECT number FROM numbers(100)'],
    insertSettings: 'max_block_size = 12',
  },
  'Native in blocks': { format: 'Native', columns: 'a UInt64', inserts: ['SELECT number FROM numbers(150000)'] },
  'a format by another case of its name': { format: 'csvwithNAMES', columns: COLUMNS, inserts: INSERTS },
  'one column': { format: 'JSONEachRow', columns: 'a UInt8', inserts: ['SELECT number FROM numbers(5)'] },
  'a hundred columns': {
    format: 'JSONEachRow',
    columns: hundredColumns().join(', '),
    inserts: [
      `SELECT ${hundredColumns()
        .map((_, i) => i)
        .join(', ')} FROM numbers(5)`,
    ],
  },
  'a large value': {
    format: 'JSONEachRow',
    columns: 'a UInt8, b String',
    inserts: [`SELECT number, if(number = 1, repeat('x', 900000), 'y') FROM numbers(4)`],
  },
};

/** By title. */
export const CASES: Readonly<Record<string, WrittenCase>> = {
  ...Object.fromEntries(GENERAL.map((format) => [format, { format, columns: COLUMNS, inserts: INSERTS }])),
  ...Object.fromEntries(
    TYPE_FORMATS.map((format) => [`types in ${format}`, { format, columns: TYPES, inserts: [valuesOf(TYPES, TYPE_ROWS)] }]),
  ),
  ...Object.fromEntries(TYPE_FORMATS.map((format) => [`variants in ${format}`, { format, columns: VARIANTS, inserts: VARIANT_ROWS }])),
  ...SPECIAL,
};

/** Tables that cannot be written to, and formats that are none. */
export const REFUSED: Readonly<Record<string, WrittenCase>> = {
  'an unknown format': { format: 'Bogus', columns: COLUMNS, inserts: INSERTS },
  'a format for input only': { format: 'Regexp', columns: COLUMNS, inserts: INSERTS },
  'a schema that is not there': { format: 'Protobuf', columns: COLUMNS, inserts: INSERTS, settings: { format_schema: 'nofile.proto:Row' } },
  'no registry': { format: 'AvroConfluent', columns: COLUMNS, inserts: INSERTS },
  'no geometry': { format: 'GeoJSON', columns: COLUMNS, inserts: INSERTS },
  'too many columns': { format: 'Npy', columns: COLUMNS, inserts: INSERTS },
  'columns that are no metric': { format: 'Prometheus', columns: COLUMNS, inserts: INSERTS },
  'a value that is not of bytes': { format: 'RawBLOB', columns: COLUMNS, inserts: INSERTS },
  'a template that is not there': { format: 'Template', columns: COLUMNS, inserts: INSERTS },
  'columns that are no picture': { format: 'PNG', columns: COLUMNS, inserts: INSERTS },
};

/** Needs a registry: both register the same schema. */
export function avroConfluent(registryUrl: string, subject: string): WrittenCase {
  const settings = { format_avro_schema_registry_url: registryUrl, output_format_avro_confluent_subject: subject };
  return { format: 'AvroConfluent', columns: PLAIN, inserts: PLAIN_ROWS, settings };
}
