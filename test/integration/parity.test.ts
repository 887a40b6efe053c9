import test from 'ava';
import { waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

interface Case {
  readonly format: string;
  readonly messages: readonly (string | { value: string | Buffer | null; key?: string | null; headers?: Record<string, string> })[];
  readonly settings?: string;
  readonly columns?: string;
}

const JSON_MESSAGES: Case['messages'] = [
  '{"id":1,"name":"plain"}',
  ' {"name":"spaces and order","id":2}\n',
  '{"id":3,"name":"line one\\nline two"}',
  '{"id":4,"name":"two"}\n{"id":5,"name":"rows"}',
  '{"id":6,"name":"no"}{"id":7,"name":"break"}',
  '[{"id":8,"name":"an"},{"id":9,"name":"array"}]',
  '{"id":10}',
  '{"name":"no id"}',
  '{"id":12,"name":null}',
  '{"id":13,"name":"unknown","x":{"y":[1,{"z":"}"}]}}',
  '{"id":14,"name":"ünï","_offset":99,"_topic":"forged","_key":"forged"}',
  '{}',
  '',
  '  ',
  { value: null, key: 'tombstone' },
  { value: '{"id":15,"name":"key and headers"}', key: 'k\t"\\\u0001', headers: { a: '1', b: '' } },
  { value: '{"id":16,"name":"empty key"}', key: '' },
  { value: Buffer.from([...Buffer.from('{"id":17,"name":"'), 0xff, 0xfe, ...Buffer.from('"}')]) },
  '\n\n{"id":18,"name":"breaks"}\n\n{"id":19,"name":"around"}\n\n',
  '{"id":20,"name":"comma"},{"id":21,"name":"between"}',
  '\ufeff{"id":22,"name":"bom"}',
];

const CASES: Readonly<Record<string, Case>> = {
  JSONEachRow: { format: 'JSONEachRow', messages: JSON_MESSAGES },
  'JSONEachRow by another case of its name': { format: 'jsoneachrow', messages: JSON_MESSAGES.slice(0, 3) },
  CSV: {
    format: 'CSV',
    messages: [
      '1,plain',
      '2,"quoted, with comma"\n',
      '3,"quoted ""twice"""\r\n4,second row',
      '5,"line\nbreak"',
      ' 6 , spaces ',
      '7,',
      { value: '9,key', key: 'a,"b\n', headers: { h: 'v,w' } },
      { value: null },
      '',
      "10,'single'",
      '11,\\N',
      '12,mid"quote',
    ],
  },
  'CSV with another delimiter': { format: 'CSV', messages: ['1|foo', '2|"b|r"\n3|x'], settings: "format_csv_delimiter = '|'" },
  TSV: {
    format: 'TSV',
    messages: [
      '1\tplain',
      '2\ttab\\tand\\nbreak\n',
      '3\ttwo\n4\trows\n',
      '5\t',
      { value: '6\tkey', key: 'a\tb\nc', headers: { h: 'v\tw' } },
      { value: null },
      '',
    ],
  },
  'JSONEachRow with nested columns': {
    format: 'JSONEachRow',
    columns:
      "id UInt64, name String, tags Array(String), m Map(String, UInt8), n Nullable(Int32), d DateTime, e Enum8('a' = 1, 'b' = 2), t Tuple(x UInt8, y String)",
    messages: [
      '{"id":1,"name":"a","tags":["x","y"],"m":{"k":1},"n":null,"d":"2024-01-02 03:04:05","e":"b","t":{"x":1,"y":"z"}}',
      '{"id":2,"tags":[],"d":1700000000,"e":1,"t":{"y":"w","x":2}}',
      '{"id":3,"n":-5,"e":"a"}',
    ],
  },
  'JSONEachRow, messages that would reach into their neighbours': {
    format: 'JSONEachRow',
    columns: 'id UInt64, name String',
    messages: ['{"id":1}', '{"id":2,"name":"\\u0041\\\\u"}', '{"id":3,"name":{"x":"}{"}}', '{"id":4,"unknown":[{"a":1},2]}{"id":5}'],
  },
  'broken JSON messages that would swallow what follows them': {
    format: 'JSONEachRow',
    settings: 'kafka_skip_broken_messages = 10',
    messages: [
      '{"id":1,"name":"before"}',
      '{"a\\u}',
      '{"id":2,"name":"between"}',
      '{"id":3,"name":{"x":{}',
      '{"id":4}}}',
      '{"id":5,"name":"after"}',
      '{"id":6,"name":"\\u}',
      '{"id":7}',
    ],
  },
  'broken compact JSON messages that would swallow what follows them': {
    format: 'JSONCompactEachRow',
    settings: 'kafka_skip_broken_messages = 10',
    messages: [
      '[1,"before"]',
      '[2,"\\u"]',
      '[3,"between"]',
      '[4,{"x":{}]',
      '[5,"x"]}}]',
      '[6,"after"]',
      '[7',
      '[8,"x"]',
      '8,"y"]',
      '[9,"]',
    ],
  },
  'broken TSV messages that would swallow what follows them': {
    format: 'TSV',
    columns: 'id UInt64, tags Array(String)',
    settings: 'kafka_skip_broken_messages = 10',
    messages: ["1\t['before']", "2\t['open", "3\t['between']", "4']", "5\t['after']", "6\t['a'", '7\t[]'],
  },
  'broken CSV messages that would swallow what follows them': {
    format: 'CSV',
    settings: 'kafka_skip_broken_messages = 10',
    messages: ['1,before', '2,"open', '3,"between"', '4",x', '5,after', '6', '7,"x"y', '8,last'],
  },
  'broken messages with lines of names': {
    format: 'CSVWithNames',
    settings: 'kafka_skip_broken_messages = 10',
    messages: ['id,name\n1,before', 'id,name\n2,"open', 'id,name\n3,"between"', 'id,name\nx,y\n', 'id,name\n4,after\n5'],
  },
  'broken TSKV messages': {
    format: 'TSKV',
    settings: 'kafka_skip_broken_messages = 10',
    messages: ['id=1\tname=before\n', 'id=2', 'id=3\tname=x\\', 'id=4\tname=between\n', 'id=5\tid=6\n', 'id=x\n', 'id=7\n'],
  },
  JSONStringsEachRow: {
    format: 'JSONStringsEachRow',
    messages: [
      '{"id":"1","name":"plain"}',
      '{"name":"NULL","id":"2"}\n{"id":"3"}',
      '[{"id":"4","name":"[]"},{"id":"5"}]',
      { value: '{"id":"6","name":"key"}', key: 'NULL', headers: { "a'": "b'", c: '' } },
      { value: '{"id":"7"}', key: 'k\t"\\\u0001' },
      '{"id":"8","unknown":{"x":[1]}}',
      { value: null },
    ],
  },
  'JSONL, another name of JSONEachRow': { format: 'JSONL', messages: JSON_MESSAGES.slice(0, 5) },
  JSONCompactEachRow: {
    format: 'JSONCompactEachRow',
    columns: 'id UInt64, name String, tags Array(String)',
    messages: [
      '[1,"plain",[]]',
      ' [ 2 , "blanks" , [ "a" , "]" ] ] \n',
      '[3,"several",[]],[4,"rows",["x"]];[5,"and",[]]\n\n[6,"more",[]]',
      { value: '[7,"key",[]]', key: 'k\t"\\\u0001', headers: { a: '1', b: '' } },
      '[8,null,[]],',
      '[9,"\\u005d\\"]",[]]',
      ' ',
      '',
      { value: null },
      { value: Buffer.from([...Buffer.from('[10,"'), 0xff, 0, ...Buffer.from('",[]]')]) },
    ],
  },
  'JSONCompactEachRow with columns left out': {
    format: 'JSONCompactEachRow',
    settings: 'input_format_json_compact_allow_variable_number_of_columns = 1',
    messages: ['[1]', '[]', '[2,"x",3,{"y":[4]}]', '[ ]', '[5,"z"]'],
  },
  JSONCompactStringsEachRow: {
    format: 'JSONCompactStringsEachRow',
    messages: ['["1","plain"]', '["2","NULL"]["3","x"]', { value: '["4","key"]', key: 'NULL', headers: { a: 'b' } }],
  },
  JSONCompactEachRowWithNames: {
    format: 'JSONCompactEachRowWithNames',
    messages: [
      '["id","name"]\n[1,"plain"]\n',
      '["id","name"]\n[2,"two"],[3,"rows"]',
      '["name","id"]\n["other order",4]',
      '["id","name"]\n',
      '["name","unknown"],["no id",{"x":1}]',
      { value: '["id","name"]\n[5,"key"]\n', key: '"', headers: { a: 'b' } },
      ' ["id","name"] [6,"blanks"] ',
    ],
  },
  JSONCompactStringsEachRowWithNamesAndTypes: {
    format: 'JSONCompactStringsEachRowWithNamesAndTypes',
    messages: [
      '["id","name"]\n["UInt64","String"]\n["1","plain"]\n',
      { value: '["id","name"]\n["UInt64","String"]\n["2","two"]\n["3","rows"]', key: 'k', headers: { a: 'b' } },
      '["name"]\n["String"]\n["no id"]',
    ],
  },
  CSVWithNames: {
    format: 'CSVWithNames',
    messages: [
      'id,name\n1,plain\n',
      'id,name\r\n2,"two\nlines"\r\n3,rows',
      'name,id\nother order,4',
      '"id", "name"\n5,quoted names',
      'id,unknown,name\n6,x,unknown field',
      'name\nno id',
      'id,name\n',
      '\ufeffid,name\n7,bom',
      'id,name\n8,blank ',
      { value: 'id,name\n9,key\n', key: 'a,"b\n', headers: { 'h,': 'v"' } },
      { value: 'id,name\n10,again\n', key: '', headers: {} },
    ],
  },
  'CSVWithNames whose names are not looked at': {
    format: 'CSVWithNames',
    settings: 'input_format_with_names_use_header = 0',
    messages: ['id,name\n1,plain\n', 'name,id\n2,same order\n', 'a"b,"c\nd"\n3,x', 'id,name\n4,y'],
  },
  CSVWithNamesAndTypes: {
    format: 'CSVWithNamesAndTypes',
    messages: ['id,name\nUInt64,String\n1,plain\n', 'id,name\nUInt64,String\n2,two\n3,rows', 'name,id\nString,UInt64\nx,4'],
  },
  TSVWithNames: {
    format: 'TSVWithNames',
    messages: [
      'id\tname\n1\tplain\n',
      'id\tname\n2\ttwo\\\nlines\n3\trows',
      'name\tid\nother order\t4',
      'na\\me\tid\nx\t5',
      { value: 'id\tname\n6\tkey', key: '\t\n', headers: { '\t': '\n' } },
      'id\tname\n7\tlast',
    ],
  },
  TabSeparatedWithNamesAndTypes: {
    format: 'TabSeparatedWithNamesAndTypes',
    messages: ['id\tname\nUInt64\tString\n1\tplain\n', 'id\tname\nUInt64\tString\n2\ttwo\n3\trows'],
  },
  'TSV with line breaks inside of arrays': {
    format: 'TSV',
    columns: 'id UInt64, tags Array(String)',
    messages: ["1\t['one']", "2\t['line\nbreak']", "3\t['x','y']\n4\t[]"],
  },
  TSVRaw: {
    format: 'TSVRaw',
    messages: [
      '1\tplain',
      '2\tback\\slash\\',
      '3\t"two\n4\trows"\n',
      '5\t',
      { value: '6\tkey', key: '\t', headers: { '\t': '' } },
      '7\t\\N',
    ],
  },
  RawWithNames: { format: 'RawWithNames', messages: ['id\tname\n1\ta\\', 'id\tname\n2\tb\n3\tc\n', 'name\nno id'] },
  TSKV: {
    format: 'TSKV',
    messages: [
      'id=1\tname=plain\n',
      'name=two\\nlines\tid=2\nid=3\ttskv\tname=a=b\n',
      'unknown=x\tid=4\n',
      '\n',
      'name=no id\n',
      'id=5\tname=carriage return\r\n',
      { value: 'id=6\tname=key\n', key: 'a=\t\n', headers: { 'h=': '\t' } },
      { value: null },
    ],
  },
  Values: {
    format: 'Values',
    columns: "id UInt64, name String, tags Array(String), n Nullable(Int32), f Float64, m Map(String, UInt8), d DateTime, e Enum8('a' = 1)",
    messages: [
      "(1, 'plain', [], NULL, 1.5, {}, '2024-01-02 03:04:05', 'a')",
      "(2, 'it''s \\'(', ['(', ')'], -5, -1e3, {'k':1}, 1700000000, 'a'), (3,'',[],0,nan,{},0,'a')",
      "(4,'no comma',[],1,inf,{},0,'a')\n(5,'between',[],1,1,{},0,'a'),",
      "(9, DEFAULT, [], DEFAULT, 1, {}, 0, 'a')",
      '',
      ' ',
      { value: "(10,'key',[],1,1,{},0,'a')", key: "'\\", headers: { "h'": '\\' } },
      // At the end: behind an expression in a column the real engine reads neither `{}` nor DEFAULT there any more.
      "('7', 'quoted number', [], '5', '1.5', {}, 0, 'a')",
      "(8, 'after', [], 2.0, 1, {}, 0, 'a')",
      "(3 + 3, upper('expression'), array('x'), length('abc'), 1/4, map('k', 2), toDateTime(7), 'a')",
    ],
  },
  CustomSeparated: {
    format: 'CustomSeparated',
    messages: [
      '1\tplain\n',
      '2\ttwo\\nlines\n3\trows\n',
      '4\tline break behind\n\n',
      { value: '5\tkey\n', key: '\t', headers: { '\t': '\n' } },
    ],
  },
  'CustomSeparated with the rule of CSV': {
    format: 'CustomSeparated',
    settings: "format_custom_escaping_rule = 'CSV', format_custom_field_delimiter = '|'",
    messages: ['1|plain\n', '2|"q|r""\nz"\n3|\n', '4| blanks \n', { value: '5|key\n', key: '|"', headers: { '|': '"' } }],
  },
  'CustomSeparated with delimiters of several letters': {
    format: 'CustomSeparated',
    settings:
      "format_custom_escaping_rule = 'Quoted', format_custom_field_delimiter = '; ', format_custom_row_before_delimiter = '<r>', format_custom_row_after_delimiter = '</r>'",
    messages: ["<r>1; 'plain'</r>", "<r>2; '</r>'</r><r>3; ''</r>", "<r>4; 'line break'</r>\n", { value: "<r>5; 'key'</r>", key: "'" }],
  },
  CustomSeparatedWithNames: {
    format: 'CustomSeparatedWithNames',
    settings: "format_custom_escaping_rule = 'CSV', format_custom_field_delimiter = ';'",
    messages: ['id;name\n1;plain\n', 'id;name\n2;"a;b"\n3;c\n', 'name;id\nx;4\n', '"name";"id"\ny;5\n'],
  },
  'a format that is not spliced': { format: 'JSONObjectEachRow', messages: ['{"a":{"id":1,"name":"one"}}', '{"b":{"id":2},"c":{"id":3}}'] },
};

const METADATA =
  '_topic AS topic, _key AS k, _offset AS o, _partition AS p, _timestamp AS s, _timestamp_ms AS ms, _headers.name AS hn, _headers.value AS hv';

for (const [title, { format, messages, settings, columns = 'id UInt64, name String' }] of Object.entries(CASES)) {
  test.serial(`the real engine and the gateway read the same rows and metadata: ${title}`, async (t) => {
    const stream = await useStream(t);
    await stream.kafka.produce(
      stream.topic,
      messages.map((message, i) => ({
        timestamp: String(1_700_000_000_000 + i * 333),
        ...(typeof message === 'string' ? { value: message } : message),
      })),
    );
    const create = (table: string, group: string) =>
      `CREATE TABLE ${table} (${columns}) ${stream.engine({ format, group, ...(settings === undefined ? {} : { settings }) })}`;
    const view = (table: string) =>
      `CREATE MATERIALIZED VIEW ${table}_view ENGINE = MergeTree ORDER BY tuple() AS SELECT *, ${METADATA} FROM ${table}`;
    await stream.direct(create('native', `${stream.group}_native`));
    await stream.direct(view('native'));
    await stream.sql(create('ours', stream.group), view('ours'));
    const all = (table: string) => `SELECT * FROM ${table}_view ORDER BY ALL FORMAT JSONCompactEachRow`;
    const total = BigInt(messages.length);
    for (const group of [`${stream.group}_native`, stream.group]) {
      await waitForCommit(stream.kafka, group, total);
    }
    const expected = await stream.direct(all('native'));
    t.not(expected, '');
    t.is(await stream.sql(all('ours')), expected);
    await stream.direct('DROP TABLE native');
  });
}

async function waitForCommit(kafka: Stream['kafka'], group: string, offset: bigint): Promise<void> {
  await waitFor(async () => (await kafka.groupOffsets(group)).some((committed) => committed.offset === offset), {
    message: `group ${group} commits ${offset}`,
  });
}
