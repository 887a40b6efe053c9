import { ANY_ROWS, COLUMNS, NO_ROWS, ONE_ROW, SEVERAL_ROWS, values, type FormatCase, type Payload } from './case.ts';
import { elfWithOneUnit } from './dwarf.ts';
import { schemaFile } from './schemas.ts';

/** Formats that hold any row and any number of rows: the server renders the messages. */
const GENERAL = [
  ...['Arrow', 'ArrowStream', 'Avro', 'BSONEachRow', 'Buffers', 'CSV', 'CSVWithNames', 'CSVWithNamesAndTypes'],
  ...['CustomSeparated', 'CustomSeparatedWithNames', 'CustomSeparatedWithNamesAndTypes'],
  ...['JSON', 'JSONColumns', 'JSONColumnsWithMetadata', 'JSONCompact', 'JSONCompactColumns'],
  ...['JSONCompactEachRow', 'JSONCompactEachRowWithNames', 'JSONCompactEachRowWithNamesAndTypes'],
  ...['JSONCompactStringsEachRow', 'JSONCompactStringsEachRowWithNames', 'JSONCompactStringsEachRowWithNamesAndTypes'],
  ...['JSONEachRow', 'JSONL', 'JSONLines', 'JSONObjectEachRow', 'JSONStringsEachRow', 'NDJSON'],
  ...['MsgPack', 'Native', 'ORC', 'Parquet', 'Protobuf', 'ProtobufList'],
  ...['RowBinary', 'RowBinaryWithNames', 'RowBinaryWithNamesAndTypes'],
  ...[
    'TSKV',
    'TSV',
    'TSVWithNames',
    'TSVWithNamesAndTypes',
    'TabSeparated',
    'TabSeparatedWithNames',
    'TabSeparatedWithNamesAndTypes',
    'Values',
  ],
];

/** Formats that write strings as they are: no tabs and line breaks in them. */
const UNESCAPED = ['Raw', 'TSVRaw', 'TabSeparatedRaw'].flatMap((name) => [name, `${name}WithNames`, `${name}WithNamesAndTypes`]);

/** What messages hold beside rendered rows: other ways to write the same, several rows without separators, blanks, forged names. */
const BY_HAND: Readonly<Record<string, readonly Payload[]>> = {
  JSONEachRow: [
    ' {"name":"order","id":1}\n',
    '{"id":2,"name":"no"}{"id":3,"name":"break"}',
    '[{"id":4,"name":"an"},{"id":5,"name":"array"}]',
    '{"id":6,"name":"comma"},{"id":7,"name":"between"}',
    '{}',
    '{"id":8,"x":{"y":[1,{"z":"}"}]},"_offset":99,"_topic":"forged","_key":"forged"}',
    '\n\n{"id":9}\n\n{"id":10}\n\n',
    '\ufeff{"id":11}',
    '  ',
  ],
  JSONCompactEachRow: [
    ' [1, "one", null, [], 1]\n',
    '[2,"two","n",["a"],2][3,"three","n",[],3]',
    '\n[4,"]","[",["]"],4],\n[5,"","",[],5]\n',
    ' ',
  ],
  JSONColumns: ['{"id":[1,2]}', '{}'],
  JSONObjectEachRow: ['{"a":{"id":1},"b":{"id":2}}', '{}'],
  JSONStringsEachRow: ['{"id":"1","tags":"[\'x\']"}{"id":"2"}'],
  CSV: [
    "1,plain,\\N,['a'],1",
    '2,"with, comma","n","[]",2\n',
    '3,"quoted ""twice""",n,[],3\r\n4,second,n,[],4',
    '5,"line\nbreak",n,[],5\n',
    ' 6 , blanks ,n,[],6 ',
    "7,'single',,[],7",
    '8,mid"quote,n,[],8',
    '9,x,n,[],',
    '\ufeff10,bom,n,[],1',
  ],
  CSVWithNames: ['name,id\none,1\n"two",2', 'id,_offset,unknown\n3,99,x\n', '"price","tags"\n1,[]'],
  CSVWithNamesAndTypes: ['id,name\nUInt64,String\n1,one\n'],
  TSV: ['1\tplain\t\\N\t[]\t1', '2\ta\\tb\\nc\tn\t[]\t2\n', '3\ta\tn\t[]\t3\n4\tb\tn\t[]\t4\n', '5\t\t\t[]\t5'],
  TSVWithNames: ['name\tid\none\t1\ntwo\t2', 'id\t_offset\n3\t99\n'],
  TSKV: ['id=1\tname=one\n', 'name=two\tid=2\n\nid=3\n', 'tskv\tid=4\n', 'id=5\tunknown=x\t_offset=99\n'],
  Values: [
    "(1, 'one', NULL, [], 1)",
    "(2, 'two', 'n', ['a'], 2), (3, upper('three'), 'n', [], 1 + 2);",
    " (4, '', '', [], 4) (5, '', '', [], 5) ",
    ' ',
  ],
  CustomSeparated: ['1\tone\tn\t[]\t1\n'],
};

const GENERATED = Object.fromEntries(
  GENERAL.map((format): [string, FormatCase] => [
    format,
    { format, columns: COLUMNS, payloads: [...ANY_ROWS, ...(BY_HAND[format] ?? [])] },
  ]),
);

const UNESCAPED_ROWS = ANY_ROWS.slice(0, -1);

const JSON_TEXTS = [
  '{"a":1,"b":{"c":[1,2,"}"]}}',
  ' {"a" : "ünï \\u0041"} ',
  '[{"a":1},{"a":2}]',
  '{"a":1}\n{"a":2}',
  '{"a":1}{"a":2},{"a":3}',
  '{}',
  ' ',
];

const DEFAULTED = 'id UInt64, name String, note Nullable(String)';
const DEFAULTED_ROWS = `SELECT * FROM values('d1 UInt8, id UInt64, d2 UInt8, name String, d3 UInt8, note Nullable(String)', (0, 1, 0, 'one', 0, NULL), (0, 2, 0, '', 0, 'n'))`;
/** A column that is left out is one byte long: rows are rendered in pieces. */
const SECOND_DEFAULTED = `SELECT * FROM values('d1 UInt8, id UInt64, d2 UInt8, d3 UInt8, note Nullable(String)', (0, 3, 1, 0, 'x'))`;

const PROTO =
  'syntax = "proto3"; message Row { uint64 id = 1; string name = 2; optional string note = 3; repeated string tags = 4; double price = 5; }';
const PROTO_COLUMNS = 'id UInt64, name String, note Nullable(String), tags Array(String), price Float64';
const PROTO_ROWS = [
  values(`(1, 'one', 'n', ['a', ''], 1.25)`, PROTO_COLUMNS),
  values(`(2, '', NULL, [], 0)`, PROTO_COLUMNS),
  values(`(18446744073709551615, 'ünï\\n"', '', ['ü'], -1e300)`, PROTO_COLUMNS),
].map((select) => ({ select }));
const PROTO_SEVERAL = { select: values(`(3, 'three', 'n', [], 3), (4, 'four', NULL, ['x'], 4), (0, '', NULL, [], 0)`, PROTO_COLUMNS) };
/**
 * A schema given as text for one format alone: the server keeps each text in a file, and two statements that are the first to use the same one get into each
 * other's way (CANNOT_OPEN_FILE, ATOMIC_RENAME_FAIL).
 */
function schemaText(format: string): string {
  return `format_schema_source = 'string', format_schema = '${PROTO} // ${format}', format_schema_message_name = 'Row'`;
}

function protobuf(name: string, settingsOf: (format: string) => string): Record<string, FormatCase> {
  const cases = ['Protobuf', 'ProtobufList', 'ProtobufSingle'].map((format): [string, FormatCase] => {
    const settings = settingsOf(format);
    const payloads = format === 'ProtobufSingle' ? PROTO_ROWS : [...PROTO_ROWS, PROTO_SEVERAL];
    const renderSettings = settings.replace('kafka_schema', 'format_schema');
    return [`${format} with ${name}`, { format, columns: PROTO_COLUMNS, settings, renderSettings, payloads }];
  });
  return Object.fromEntries(cases);
}

const TEMPLATE_FILES = `format_template_row = '${schemaFile('row.template')}', format_template_resultset = '${schemaFile('rows.template')}'`;

/** For each format one case or more, by title; the format's name when it is the only one. Checked against `system.formats`. */
export const CASES: Readonly<Record<string, FormatCase>> = {
  ...GENERATED,
  ...Object.fromEntries(UNESCAPED.map((format): [string, FormatCase] => [format, { format, columns: COLUMNS, payloads: UNESCAPED_ROWS }])),
  ProtobufSingle: { format: 'ProtobufSingle', columns: COLUMNS, payloads: ANY_ROWS.filter(({ select }) => !select.includes('), (')) },
  ...protobuf('a schema given as text', schemaText),
  ...protobuf('a schema file', () => `kafka_schema = '${schemaFile('message.proto')}:Row'`),
  'JSONEachRow by another case of its name': {
    format: 'jsonEACHrow',
    columns: COLUMNS,
    payloads: [{ select: ONE_ROW, format: 'JSONEachRow' }],
  },
  'CSV with another delimiter': { format: 'CSV', columns: COLUMNS, settings: `format_csv_delimiter = '|'`, payloads: ANY_ROWS },
  'CustomSeparated with delimiters of its own': {
    format: 'CustomSeparated',
    isEmptyBroken: true,
    columns: COLUMNS,
    settings: `format_custom_field_delimiter = '<|>', format_custom_row_before_delimiter = '{', format_custom_row_after_delimiter = '}',
      format_custom_row_between_delimiter = ';', format_custom_result_before_delimiter = '<<', format_custom_result_after_delimiter = '>>', format_custom_escaping_rule = 'JSON'`,
    payloads: ANY_ROWS,
  },
  CustomSeparatedIgnoreSpaces: {
    format: 'CustomSeparatedIgnoreSpaces',
    columns: 'id UInt64, name String',
    settings: `format_custom_field_delimiter = '|', format_custom_escaping_rule = 'Quoted'`,
    payloads: [" 1 | 'one' \n 2 |'two' \n", "3|'three'\n", "4|' four ' \n"],
  },
  CustomSeparatedIgnoreSpacesWithNames: {
    format: 'CustomSeparatedIgnoreSpacesWithNames',
    columns: 'id UInt64, name String',
    settings: `format_custom_field_delimiter = '|', format_custom_escaping_rule = 'Quoted'`,
    payloads: [" 'id' | 'name' \n 1 | 'one' \n 2 |'two' \n", "'name'|'id'\n'three'|3\n"],
  },
  CustomSeparatedIgnoreSpacesWithNamesAndTypes: {
    format: 'CustomSeparatedIgnoreSpacesWithNamesAndTypes',
    columns: 'id UInt64, name String',
    settings: `format_custom_field_delimiter = '|', format_custom_escaping_rule = 'Quoted'`,
    payloads: [" 'id' | 'name' \n 'UInt64' | 'String'\n 1 | 'one' \n 2 |'two' \n", "'name'|'id'\n'String'|'UInt64'\n'three'|3\n"],
  },
  Template: { format: 'Template', columns: COLUMNS, settings: TEMPLATE_FILES, payloads: ANY_ROWS },
  TemplateIgnoreSpaces: {
    format: 'TemplateIgnoreSpaces',
    columns: COLUMNS,
    settings: `format_template_row = '${schemaFile('tight.template')}', format_template_resultset = '${schemaFile('tight-rows.template')}', format_template_rows_between_delimiter = ''`,
    payloads: [
      '<<id:1;name:"one";note:null;tags:[];price:1;>>',
      '<<  id:  2 ;name:"two"  ;note: "n" ;tags: ["a"] ;price: 2 ;\n id: 3 ;name: "" ;note: "";tags: [];price: 3; >>',
    ],
  },
  Regexp: {
    format: 'Regexp',
    columns: 'id UInt64, name String',
    settings: String.raw`format_regexp = '^(\\d+) \\[(.*)\\]$', format_regexp_escaping_rule = 'Raw', format_regexp_skip_unmatched = 1`,
    payloads: ['1 [one]', '2 [two]\n', '3 [a]\nnot matched\n4 [b]', '5 []\r\n6 [ü\t"\\n]', 'none', '\n'],
  },
  Form: {
    format: 'Form',
    columns: 'id UInt64, name String, note Nullable(String)',
    payloads: ['id=1&name=one', 'name=a+b%20%C3%BC%26&id=2', 'id=3&name=', 'id=4&unknown=x&_offset=99', 'name=only', 'id=5&note=n'],
  },
  JSONAsString: { format: 'JSONAsString', columns: 'json String', payloads: [...JSON_TEXTS, '{"no": json, at all}'] },
  JSONAsObject: { format: 'JSONAsObject', columns: 'json JSON', payloads: JSON_TEXTS },
  LineAsString: {
    format: 'LineAsString',
    columns: 'line String',
    payloads: [
      'one',
      'two\n',
      'three\nfour',
      'a\n\n\nb',
      '\n',
      '\r\n',
      'x\r\ny',
      ' blanks ',
      Buffer.from([0, 0xff, 9, 0x5c, 0x22]),
      '\ufeffbom',
      '{"_offset":99}',
      ' ',
    ],
  },
  RawBLOB: {
    format: 'RawBLOB',
    columns: 'blob String',
    payloads: ['one', 'two\nlines\n', Buffer.from([0, 0xff, 10, 13, 9]), '\ufeffbom', ' ', '\n'],
  },
  MySQLDump: {
    format: 'MySQLDump',
    columns: 'id UInt64, name String',
    payloads: [
      "INSERT INTO `t` VALUES (1, 'one'), (2, 'tw\\'o');\n",
      "/*!40101 SET NAMES utf8 */;\nINSERT INTO `t` VALUES (3, 'three');\nINSERT INTO `t` VALUES (4, 'four');\n",
      "-- a comment\nINSERT INTO t VALUES (5, 'five');",
    ],
  },
  RowBinaryWithDefaults: {
    format: 'RowBinaryWithDefaults',
    columns: DEFAULTED,
    payloads: [{ select: DEFAULTED_ROWS, format: 'RowBinary' }, { select: SECOND_DEFAULTED, format: 'RowBinary' }, Buffer.from([1, 1, 1])],
  },
  RowBinaryWithNamesAndTypesAndDefaults: {
    format: 'RowBinaryWithNamesAndTypesAndDefaults',
    columns: DEFAULTED,
    payloads: [
      [
        { select: `SELECT * FROM values('${DEFAULTED}', (1, '', NULL)) LIMIT 0`, format: 'RowBinaryWithNamesAndTypes' },
        { select: DEFAULTED_ROWS, format: 'RowBinary' },
        { select: SECOND_DEFAULTED, format: 'RowBinary' },
      ],
      [
        { select: `SELECT * FROM values('name String, id UInt64', ('', 1)) LIMIT 0`, format: 'RowBinaryWithNamesAndTypes' },
        { select: `SELECT 0::UInt8, 'other order', 0::UInt8, 4::UInt64`, format: 'RowBinary' },
      ],
    ],
  },
  // A row for the first message that a parser meets, in the server's own engine: one message.
  One: { format: 'One', columns: 'dummy UInt8', payloads: ['anything'], isOnlyMessage: true },
  // Likewise: the rows of the first message.
  Npy: {
    format: 'Npy',
    columns: 'array Int64',
    payloads: [{ select: 'SELECT number::Int64 - 1 AS array FROM numbers(3)' }],
    isOnlyMessage: true,
  },
  'Npy with two dimensions': {
    format: 'Npy',
    columns: 'array Array(Float32)',
    payloads: [{ select: 'SELECT [number, 0.5]::Array(Float32) AS array FROM numbers(3)' }],
    isOnlyMessage: true,
  },
  GeoJSON: {
    format: 'GeoJSON',
    columns: 'id Nullable(String), geometry Geometry, properties Nullable(JSON)',
    payloads: [
      { select: `SELECT (1, 2)::Point AS geometry, 'x' AS name, 5 AS n` },
      { select: `SELECT [(1, 2), (3, 4)]::LineString AS geometry, 'ünï "' AS name FROM numbers(2)` },
      '{"type":"FeatureCollection","features":[]}',
    ],
  },
  DWARF: {
    format: 'DWARF',
    columns: 'offset UInt64, size UInt32, tag LowCardinality(String), unit_name LowCardinality(String), name String',
    payloads: [elfWithOneUnit('a.c'), elfWithOneUnit('ünï.c')],
  },
  ParquetMetadata: {
    format: 'ParquetMetadata',
    columns: 'num_columns UInt64, num_rows UInt64, num_row_groups UInt64, format_version String',
    payloads: [ONE_ROW, SEVERAL_ROWS, NO_ROWS].map((select) => ({ select, format: 'Parquet' })),
  },
};

/** Its messages name schemas of a registry; a message may hold several, each behind the id of its own. */
export function avroConfluent(registryUrl: string, subject: string): FormatCase {
  const settings = `format_avro_schema_registry_url = '${registryUrl}', input_format_avro_allow_missing_fields = 1`;
  const others = ["SELECT 10::UInt64 AS id, 'fewer columns' AS name", "SELECT 'more' AS unknown, ['x'] AS tags, 11::UInt64 AS id"];
  return {
    format: 'AvroConfluent',
    columns: COLUMNS,
    settings,
    renderSettings: `${settings}, output_format_avro_confluent_subject = '${subject}'`,
    payloads: [
      ...ANY_ROWS,
      ...others.map((select, i) => ({ select, settings: `output_format_avro_confluent_subject = '${subject}_${i}'` })),
      [{ select: ONE_ROW }, { select: ONE_ROW }],
    ],
  };
}
