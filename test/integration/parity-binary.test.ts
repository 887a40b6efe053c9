import avro from 'avsc';
import test, { type ExecutionContext } from 'ava';
import { uniqueName, useClickHouse, useRegistry, waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

/** Bytes of `SELECT … FORMAT …`, as the server writes them. */
type Render = (select: string, format: string) => Promise<Buffer>;

interface Case {
  readonly columns: string;
  readonly format: string;
  readonly settings?: string;
  /** An empty message is broken, since every message begins with something. */
  readonly isEmptyBroken?: true;
  messages(render: Render): Promise<readonly Buffer[]>;
  /** What no format can read: cut off, too long, not of the kind. */
  broken(render: Render): Promise<readonly Buffer[]>;
}

const COLUMNS =
  "id UInt64, name String, tags Array(String), m Map(String, UInt8), n Nullable(Int32), e Enum8('a' = 1, 'b' = 2), lc LowCardinality(Nullable(String)), t Tuple(x UInt8, y String), u UUID, d DateTime64(3), f FixedString(3), dec Decimal(38, 5), big Int256, v4 IPv4, v6 IPv6, b Bool, nested Array(Array(Nullable(Float32)))";

/** Rows from `first` on, with awkward values in each. */
const rows = (first: number, count: number): string =>
  `SELECT toUInt64(number + ${first}) AS id, ['', 'plain', 'b\\0\\'"\\\\\\n', repeat('long', 100)][1 + id % 4] AS name, ` +
  `arrayMap(i -> concat('tag', toString(i)), range(id % 3)) AS tags, map('k', toUInt8(id), '', 0) AS m, if(id % 2 = 0, NULL, -toInt32(id)) AS n, ` +
  `CAST(1 + id % 2, 'Enum8(\\'a\\' = 1, \\'b\\' = 2)') AS e, CAST(if(id % 3 = 0, NULL, 'lc'), 'LowCardinality(Nullable(String))') AS lc, ` +
  `CAST((id % 256, 'y'), 'Tuple(x UInt8, y String)') AS t, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS u, toDateTime64(1.7e9 + id / 8, 3) AS d, ` +
  `toFixedString('ab', 3) AS f, toDecimal128(-id - 0.5, 5) AS dec, -toInt256(id) * toInt256(pow(2, 60)) AS big, toIPv4('1.2.3.4') AS v4, ` +
  `toIPv6('::ffff') AS v6, toBool(id % 2) AS b, [[], [NULL, toFloat32(id / 2)]] AS nested FROM numbers(${count})`;

const PROTO = `syntax = "proto3"; message M { uint64 id = 1; string name = 2; repeated uint32 many = 3; N inner = 4; message N { sint32 a = 1; bytes b = 2; } }`;
const PROTO_COLUMNS = 'id UInt64, name String, many Array(UInt32), inner Tuple(a Int32, b String)';
const PROTO_SETTINGS = `format_schema_source = 'string', format_schema = '${PROTO}', format_schema_message_name = 'M'`;
const protoRows = (first: number, count: number): string =>
  `SELECT toUInt64(number + ${first}) AS id, repeat('n', id % 300) AS name, range(toUInt32(id % 5)) AS many, ` +
  `CAST((-id, 'b\\0'), 'Tuple(a Int32, b String)') AS inner FROM numbers(${count}) SETTINGS ${PROTO_SETTINGS}`;

/** Messages of 1, 1, 3, 2, … rows. */
async function ofRows(select: (first: number, count: number) => string, render: Render, format: string): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  let first = 0;
  for (const count of [1, 1, 3, 2, 1, 1, 7]) {
    messages.push(await render(select(first, count), format));
    first += count;
  }
  return messages;
}

/** A row cut off at several places, and with bytes too many. */
async function damaged(message: Promise<Buffer>): Promise<Buffer[]> {
  const whole = await message;
  return [whole.subarray(0, 1), whole.subarray(0, whole.length >> 1), whole.subarray(0, -1), Buffer.concat([whole, whole.subarray(0, 9)])];
}

const lines = async (...messages: string[]): Promise<Buffer[]> =>
  Promise.resolve(messages.map((message) => Buffer.from(message, 'latin1')));
const none = async (): Promise<Buffer[]> => Promise.resolve([]);

const protobufCase = (format: string): Case => ({
  columns: PROTO_COLUMNS,
  format,
  settings: PROTO_SETTINGS,
  messages: async (render) =>
    format === 'ProtobufSingle'
      ? Promise.all([1, 2, 3, 200, 5].map(async (id) => render(protoRows(id, 1), format)))
      : ofRows(protoRows, render, format),
  broken: async (render) => {
    const whole = await render(protoRows(77, 1), format);
    const lied = Buffer.from(whole);
    lied[lied.indexOf(0x12) + 1] = 0x7f; // the name claims to be longer than its message
    return format === 'ProtobufSingle'
      ? [whole.subarray(0, -1), lied]
      : [whole.subarray(0, -1), Buffer.concat([whole, Buffer.from([9])]), lied];
  },
});

const rowCase = (format: string): Case => ({
  columns: COLUMNS,
  format,
  messages: async (render) => ofRows(rows, render, format),
  broken: async (render) => damaged(render(rows(77, 1), format)),
});

const CASES: Readonly<Record<string, Case>> = {
  Protobuf: protobufCase('Protobuf'),
  ProtobufSingle: protobufCase('ProtobufSingle'),
  ProtobufList: protobufCase('ProtobufList'),
  'Protobuf without a schema': {
    ...rowCase('Protobuf'),
    columns: 'id UInt64, name String',
    broken: none,
    messages: async (render) =>
      ofRows((first, count) => `SELECT toUInt64(number + ${first}) AS id, toString(id) AS name FROM numbers(${count})`, render, 'Protobuf'),
  },
  RowBinary: rowCase('RowBinary'),
  RowBinaryWithNames: { ...rowCase('RowBinaryWithNames'), isEmptyBroken: true },
  RowBinaryWithNamesAndTypes: { ...rowCase('RowBinaryWithNamesAndTypes'), isEmptyBroken: true },
  BSONEachRow: {
    columns: 'id Int64, name String, tags Array(String), m Map(String, UInt8), n Nullable(Int32), t Tuple(x UInt8, y String), f Float64',
    format: 'BSONEachRow',
    messages: async (render) =>
      ofRows((first, count) => `SELECT id, name, tags, m, n, t, id / 3 AS f FROM (${rows(first, count)})`, render, 'BSONEachRow'),
    broken: async (render) => {
      const whole = await render(`SELECT id, name FROM (${rows(77, 1)})`, 'BSONEachRow');
      const lied = Buffer.from(whole);
      lied[lied.indexOf('name') + 5] = 0x7f; // the name claims to be longer than its document
      return [...(await damaged(Promise.resolve(whole))), lied];
    },
  },
  RowBinaryWithDefaults: {
    columns: 'id UInt8, name Nullable(String), x UInt8',
    format: 'RowBinaryWithDefaults',
    messages: async () => lines('\0\x07\0\0\x01a\x01', '\x01\x01\x01', '\0\x08\0\x01\0\x09\x01\0\0\x02bc\0\x0a'),
    broken: async () => lines('\0\x07', '\0\x07\0\0\x01a\x01\x01'),
  },
  RawBLOB: { columns: 'line String', format: 'RawBLOB', messages: async () => lines('a', 'b\nc', '\0\xff', ' '), broken: none },
  LineAsString: {
    columns: 'line String',
    format: 'LineAsString',
    messages: async () => lines('one', 'two\nlines', 'break\n', '\n', '\n\n', 'dos\r\nlines\r\n', '\r', ' ', 'a\n\nb', '\0\xff\\'),
    broken: none,
  },
  JSONAsString: {
    columns: 'line String',
    format: 'JSONAsString',
    messages: async () =>
      lines(
        '{"a":1}',
        ' {"a": "}" }\n',
        '{"a":1}{"a":2}',
        '[{"a":1}, {"a":[2]}]',
        '{"a":1}\n{"a":2}',
        '{"a":1},{"a":2}',
        '{}',
        '{"\\"{":[{}]}',
        '{"u":"\xff"}',
      ),
    broken: async () => lines('{"a":1', '[{"a":1}', 'x', '{"a":1}}', '{"a":"}'),
  },
  JSONAsObject: {
    columns: 'json JSON',
    format: 'JSONAsObject',
    messages: async () => lines('{"a":1}', '{"a":{"b":"x"}}\n{"c":[1,2]}', '[{"a":1},{"a":null}]', '{}'),
    broken: async () => lines('{"a":1', '{"a":}'),
  },
  'JSONAsObject with typed paths': {
    columns: 'json JSON(a UInt32)',
    format: 'JSONAsObject',
    messages: async () => lines('{"a":1}', '{"a":"2","b":1.5}'),
    broken: none,
  },
  MsgPack: {
    columns: 'id UInt64, name String, tags Array(String), m Map(String, UInt8), n Nullable(Int32), f Float64',
    format: 'MsgPack',
    messages: async (render) =>
      ofRows((first, count) => `SELECT id, name, tags, m, n, id / 3 AS f FROM (${rows(first, count)})`, render, 'MsgPack'),
    broken: async (render) => damaged(render(`SELECT id, name, tags, m, n, id / 3 AS f FROM (${rows(77, 1)})`, 'MsgPack')),
  },
};

const METADATA =
  '_topic AS topic, _key AS k, _offset AS o, _partition AS p, _timestamp AS s, _timestamp_ms AS ms, _headers.name AS hn, _headers.value AS hv';

for (const [title, one] of Object.entries(CASES)) {
  test.serial(`the real engine and the gateway read the same rows and metadata: ${title}`, async (t) => compare(t, one));
  test.serial(`broken messages neither change their neighbours nor become rows: ${title}`, async (t) => isolate(t, one));
}

test.serial('the real engine and the gateway read the same rows and metadata: AvroConfluent', async (t) => compare(t, await avroCase(t)));
test.serial('broken messages neither change their neighbours nor become rows: AvroConfluent', async (t) => isolate(t, await avroCase(t)));

async function compare(t: ExecutionContext, { columns, format, settings, isEmptyBroken, ...making }: Case): Promise<void> {
  const stream = await useStream(t, { partitions: 2 });
  const messages = await making.messages(await renderer(t));
  await stream.kafka.produce(stream.topic, messages.map(withMetadata));
  await stream.kafka.produce(
    stream.topic,
    [null, isEmptyBroken ? null : Buffer.alloc(0), ...messages].map((value) => ({ partition: 1, key: 'k', value })),
  );
  const create = createStatement(stream, columns, format, settings);
  await stream.direct(create('native', `${stream.group}_native`));
  await stream.direct(view('native'));
  await stream.sql(create('ours', stream.group), view('ours'));
  for (const group of [`${stream.group}_native`, stream.group]) await waitForCommits(stream, group, [messages.length, messages.length + 2]);
  const all = (table: string) => `SELECT * FROM ${table}_view ORDER BY p, o, toString(tuple(*)) FORMAT JSONCompactEachRow`;
  const expected = await stream.direct(all('native'));
  t.not(expected, '');
  t.is(await stream.sql(all('ours')), expected);
  await stream.direct('DROP TABLE native');
}

async function isolate(t: ExecutionContext, { columns, format, settings, ...making }: Case): Promise<void> {
  const render = await renderer(t);
  const messages = await making.messages(render);
  const broken = await making.broken(render);
  const stream = await useStream(t, { partitions: 1 + broken.length });
  // Each broken one stands between good ones in a partition of its own, where it stops what is behind it.
  for (const [i, value] of broken.entries()) {
    await stream.kafka.produce(
      stream.topic,
      [messages[0], value, messages[1]].map((value) => ({ partition: 1 + i, key: `broken ${i}`, value: value as Buffer })),
    );
  }
  await stream.kafka.produce(stream.topic, messages.map(withMetadata));
  await stream.sql(createStatement(stream, columns, format, settings)('ours', stream.group), view('ours'));
  await waitForCommits(stream, stream.group, [messages.length, ...broken.map(() => 1)]);
  const columnsOf = (condition: string) => `SELECT count(), groupUniqArray(o), groupUniqArray(k) FROM ours_view WHERE ${condition}`;
  for (const i of broken.keys()) {
    t.is(await stream.sql(columnsOf(`p = ${1 + i}`)), `1\t[0]\t['broken ${i}']`, `broken ${i}`);
  }
  t.is(await stream.sql('SELECT uniqExact(o), countIf(hn = []) FROM ours_view WHERE p = 0'), `${messages.length}\t0`);
}

const WIDE_SCHEMA: avro.Schema = {
  type: 'record',
  name: 'Wide',
  namespace: 'n.s',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'name', type: ['null', 'string'], default: null },
    { name: 'e', type: { type: 'enum', name: 'E', symbols: ['a', 'b'] } },
    { name: 'dec', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 } },
    {
      name: 'nested',
      type: {
        type: 'record',
        name: 'N',
        fields: [
          { name: 'x', type: 'double' },
          { name: 'y', type: 'E' },
        ],
      },
    },
    { name: 'list', type: { type: 'array', items: ['null', 'int'] } },
    { name: 'm', type: { type: 'map', values: 'string' } },
    { name: 'either', type: ['string', 'long'] },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'fix', type: { type: 'fixed', name: 'F', size: 2 } },
    { name: 'unknown', type: { type: 'array', items: 'string' } },
  ],
};
const NARROW_SCHEMA: avro.Schema = {
  type: 'record',
  name: 'Narrow',
  fields: [
    { name: 'e', type: { type: 'enum', name: 'E', symbols: ['b', 'a'] } },
    { name: 'name', type: 'string' },
    { name: 'id', type: 'int' },
  ],
};
const AVRO_WIDE = avro.Type.forSchema(WIDE_SCHEMA, { wrapUnions: true });
const AVRO_NARROW = avro.Type.forSchema(NARROW_SCHEMA);

const wide = (id: number): Buffer =>
  AVRO_WIDE.toBuffer({
    id,
    name: id % 2 === 0 ? null : { string: `n${id}` },
    e: id % 3 === 0 ? 'a' : 'b',
    dec: Buffer.from([id % 128, 7]),
    nested: { x: id / 2, y: 'a' },
    list: [null, { int: -id }],
    m: { k: 'v', '': 'empty' },
    either: id % 2 === 0 ? { string: 's' } : { long: id },
    at: 1_700_000_000_123 + id,
    fix: Buffer.from('ab'),
    unknown: ['x'],
  });

/** Two schemas, message by message; several records in some. */
async function avroCase(t: ExecutionContext): Promise<Case> {
  const registry = await useRegistry(t);
  const subject = uniqueName(t, 'subject');
  const wideId = await registry.register(`${subject}_wide`, JSON.stringify(WIDE_SCHEMA));
  const narrowId = await registry.register(`${subject}_narrow`, JSON.stringify(NARROW_SCHEMA));
  const framed = (id: number, record: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, id >> 8, id & 255]), record]);
  const good = (id: number): Buffer =>
    id % 3 === 2 ? framed(narrowId, AVRO_NARROW.toBuffer({ e: 'a', name: 'narrow', id })) : framed(wideId, wide(id));
  const whole = framed(wideId, wide(77));
  return {
    columns:
      "id Int64, name Nullable(String), e Enum8('a' = 1, 'b' = 2), dec Decimal(9, 2), nested Tuple(x Float64, y String), list Array(Nullable(Int32)), m Map(String, String), either Variant(Int64, String), at DateTime64(3), fix FixedString(2)",
    format: 'AvroConfluent',
    settings: `format_avro_schema_registry_url = '${registry.url}', input_format_avro_allow_missing_fields = 1`,
    messages: async () =>
      Promise.resolve([...Array(12).keys()].map((i) => (i % 4 === 3 ? Buffer.concat([good(i), good(i + 100), good(i + 101)]) : good(i)))),
    broken: async () =>
      Promise.resolve([
        whole.subarray(0, -1),
        whole.subarray(0, 4),
        Buffer.concat([whole, Buffer.from([7])]),
        Buffer.concat([whole, whole.subarray(0, 9)]),
        framed(9_999, wide(77)),
        Buffer.concat([Buffer.from([1]), whole.subarray(1)]),
        framed(wideId, Buffer.concat([AVRO_NARROW.toBuffer({ e: 'a', name: 'x', id: 1 })])),
      ]),
  };
}

const withMetadata = (value: Buffer, i: number) => ({
  partition: 0,
  value,
  key: [null, '', 'k\t"\\\'\u0000\u0001', `key ${i}`][i % 4] as string | null,
  timestamp: String(1_700_000_000_000 + i * 333 * (i % 2 === 0 ? 1 : -1)),
  headers: i % 3 === 0 ? { a: '1', b: '', "'\\": "\\'" } : { c: `${i}` },
});

const view = (table: string) =>
  `CREATE MATERIALIZED VIEW ${table}_view ENGINE = MergeTree ORDER BY tuple() AS SELECT *, ${METADATA} FROM ${table}`;

function createStatement(stream: Stream, columns: string, format: string, settings?: string) {
  return (table: string, group: string) =>
    `CREATE TABLE ${table} (${columns}) ${stream.engine({ format, group, ...(settings === undefined ? {} : { settings }) })}`;
}

async function renderer(t: ExecutionContext): Promise<Render> {
  const { url } = await useClickHouse(t);
  return async (select, format) => {
    const response = await fetch(url, { method: 'POST', body: `${select} FORMAT ${format}` });
    const bytes = Buffer.from(await response.arrayBuffer());
    if (!response.ok) throw new Error(bytes.toString());
    return bytes;
  };
}

async function waitForCommits({ kafka }: Stream, group: string, offsets: readonly number[]): Promise<void> {
  const expected = offsets.join();
  await waitFor(
    async () => {
      const committed = await kafka.groupOffsets(group);
      const seen = offsets.map((_, partition) => String(committed.find((one) => one.partition === partition)?.offset ?? -1n)).join();
      if (seen !== expected) throw new Error(`committed ${seen}`);
      return true;
    },
    { message: `group ${group} commits ${expected}` },
  );
}
