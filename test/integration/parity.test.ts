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
  'a format that is not spliced': { format: 'Values', messages: ["(1, 'one')", "(2, 'two'), (3, 'three')"] },
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
    timeoutMs: 90_000,
  });
}
