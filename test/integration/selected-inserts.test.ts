import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { Journal } from '../faults/journal.ts';
import { startKafkaProxy, type KafkaProxy } from '../faults/proxies/kafka-proxy.ts';
import { listeners } from '../faults/world.ts';
import { useTopic, waitFor } from '../helpers/index.ts';
import { startOwnKafka, type KafkaPart } from '../parts/kafka.ts';
import { makeFolder, removeFolder } from '../parts/folder.ts';
import { freePort } from '../parts/ports.ts';
import { useGateway } from '../helpers/gateway.ts';
import { readCommitted } from '../helpers/read-committed.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

const COLUMNS = '(id UInt64, name String)';
const ROWS = 'SELECT number AS id, toString(number) AS name FROM numbers';

/** Rows that were ever written to the table's outbox and are still in it, sent or not: they stay for ten minutes. */
async function rowsByOutbox({ direct }: Pick<Stream, 'direct'>, table = 'queue'): Promise<number> {
  return Number(await direct(`SELECT count() FROM \`.outbox.${table}\``));
}

async function idsIn(t: ExecutionContext, { kafka, topic }: Pick<Stream, 'kafka' | 'topic'>, count: number): Promise<number[]> {
  const messages = await readCommitted(t, kafka, topic, count);
  return messages.map(({ value }) => (JSON.parse(String(value)) as { id: number }).id);
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test('rows that are selected as the table has them are in Kafka when the INSERT is answered, and never in the outbox', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
  const response = await fetch(`${stream.gateway.url}/?database=${stream.database}&query_id=own-${stream.database}`, {
    method: 'POST',
    body: `INSERT INTO queue ${ROWS}(3)`,
  });
  t.is(response.status, 200);
  t.is(await response.text(), '');
  t.is(response.headers.get('x-clickhouse-query-id'), `own-${stream.database}`);
  t.like(JSON.parse(response.headers.get('x-clickhouse-summary') ?? ''), { written_rows: '3', result_rows: '3' });
  const messages = await readCommitted(t, stream.kafka, stream.topic, 3);
  t.deepEqual(
    messages.map(({ value }) => String(value)),
    ['{"id":0,"name":"0"}\n', '{"id":1,"name":"1"}\n', '{"id":2,"name":"2"}\n'],
  );
  t.is(await rowsByOutbox(stream), 0);
  t.is(await stream.sql('INSERT INTO queue SELECT * FROM (SELECT 1::UInt64 AS id, toString(1) AS name) WHERE 0'), '');
});

const SELECTS: Readonly<Record<string, { readonly sql: string; readonly isStraight: boolean }>> = {
  'in brackets': { sql: `INSERT INTO queue (${ROWS}(2))`, isStraight: true },
  'with a comment and a semicolon behind it': { sql: `INSERT INTO queue ${ROWS}(2) -- that is all;\n;`, isStraight: true },
  'with its columns in another order': {
    sql: `INSERT INTO queue (name, id) SELECT toString(number), number FROM numbers(2)`,
    isStraight: true,
  },
  'behind WITH': {
    sql: `INSERT INTO queue WITH n AS (SELECT number FROM numbers(2)) SELECT number, toString(number) FROM n`,
    isStraight: true,
  },
  'behind WITH in front of INSERT': {
    sql: 'WITH n AS (SELECT number FROM numbers(2)) INSERT INTO queue SELECT number, toString(number) FROM n',
    isStraight: true,
  },
  'of a union': {
    sql: "INSERT INTO queue SELECT 0::UInt64, '0'::String UNION ALL SELECT 1::UInt64, '1'::String",
    isStraight: true,
  },
  'whose columns have the names of others': {
    sql: 'INSERT INTO queue (name, id) SELECT toString(a) AS id, a AS name FROM (SELECT number AS a FROM numbers(2))',
    isStraight: true,
  },
  'with a matcher for its columns': { sql: `INSERT INTO queue (*) ${ROWS}(2)`, isStraight: false },
  'of another type': { sql: 'INSERT INTO queue SELECT number::UInt8, toString(number) FROM numbers(2)', isStraight: false },
  'that may be NULL': { sql: 'INSERT INTO queue SELECT toNullable(number), toString(number) FROM numbers(2)', isStraight: false },
  'without one of the columns': { sql: 'INSERT INTO queue (id) SELECT number FROM numbers(2)', isStraight: false },
  'with a column twice': { sql: 'INSERT INTO queue SELECT number, number FROM numbers(2)', isStraight: false },
  'with a token': {
    sql: `INSERT INTO queue SETTINGS insert_deduplication_token = 'once' ${ROWS}(2)`,
    isStraight: false,
  },
  'with settings': { sql: `INSERT INTO queue ${ROWS}(2) SETTINGS max_threads = 1`, isStraight: false },
  'with a format': { sql: `INSERT INTO queue ${ROWS}(2) FORMAT Null`, isStraight: false },
};

for (const [title, { sql, isStraight }] of Object.entries(SELECTS))
  test(`an INSERT … SELECT ${title} is in Kafka once, ${isStraight ? 'without' : 'by way of'} the outbox`, async (t) => {
    const stream = await useStream(t);
    await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, sql);
    t.is(await rowsByOutbox(stream), isStraight ? 0 : 2);
    const messages = await readCommitted(t, stream.kafka, stream.topic, 2);
    t.deepEqual(messages.map(({ value }) => (JSON.parse(String(value)) as { id: number }).id).sort(), [0, 1]);
  });

async function insertWith({ gateway, database }: Stream, parameters: string, body: string, signal?: AbortSignal): Promise<string> {
  const url = `${gateway.url}/?database=${database}&${parameters}`;
  return (await fetch(url, { method: 'POST', body, ...(signal && { signal }) })).text();
}

for (const parameters of ['insert_deduplication_token=once', 'output_format_json_array_of_rows=1'])
  test(`an INSERT … SELECT in a request with ${parameters} goes by the outbox`, async (t) => {
    const stream = await useStream(t);
    await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
    t.is(await insertWith(stream, parameters, `INSERT INTO queue ${ROWS}(2)`), '');
    t.is(await rowsByOutbox(stream), 2);
  });

for (const [parameters, ids] of [
  ['limit=1', [0]],
  ['offset=1', [1]],
  ['max_result_rows=1', [0, 1]],
] as const)
  test(`of an INSERT … SELECT in a request with ${parameters} the server itself would insert the same rows`, async (t) => {
    const stream = await useStream(t);
    await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
    t.is(await insertWith(stream, parameters, `INSERT INTO queue ${ROWS}(2)`), '');
    await stream.sql('INSERT INTO queue SELECT 9::UInt64 AS id, toString(9) AS name');
    t.deepEqual(await idsIn(t, stream, ids.length + 1), [...ids, 9]);
    await stream.sql(`CREATE TABLE plain ${COLUMNS} ENGINE = MergeTree ORDER BY id`);
    await insertWith(stream, parameters, `INSERT INTO plain ${ROWS}(2)`);
    t.is(await stream.sql('SELECT groupArray(id) FROM (SELECT id FROM plain ORDER BY id)'), `[${ids.join(',')}]`);
  });

test('a statement that is no UTF-8 goes by the outbox, byte for byte', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
  const body = Buffer.from("INSERT INTO queue SELECT 1::UInt64 AS id, 'a\xffb'::String AS name", 'latin1');
  const response = await fetch(`${stream.gateway.url}/?database=${stream.database}`, { method: 'POST', body });
  t.is(await response.text(), '');
  t.is(await rowsByOutbox(stream), 1);
  const [message] = await readCommitted(t, stream.kafka, stream.topic, 1);
  t.is(message?.value?.toString('latin1'), '{"id":1,"name":"a\xffb"}\n');
});

test('a packed statement that is longer than what is read of it is not taken for whole', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
  const start = `INSERT INTO queue ${ROWS}(2) /*`;
  const readBytes = 64 * 1024;
  const body = gzipSync(`${start}${' '.repeat(readBytes - start.length - 2)}*/ WHERE number = 1`);
  const url = `${stream.gateway.url}/?database=${stream.database}`;
  const response = await fetch(url, { method: 'POST', body, headers: { 'Content-Encoding': 'gzip' } });
  t.is(await response.text(), '');
  await stream.sql('INSERT INTO queue SELECT 9::UInt64 AS id, toString(9) AS name');
  t.deepEqual(await idsIn(t, stream, 2), [1, 9]);
});

test('each column gets what is selected for it, whatever it is called there', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE queue (a String, b String) ${stream.engine()}`,
    "INSERT INTO queue (a, b) SELECT x, a FROM (SELECT 'for a' AS x, 'for b' AS a)",
    "INSERT INTO queue SELECT b, a FROM (SELECT 'for b' AS a, 'for a' AS b)",
    "INSERT INTO queue SELECT `_sluice_selected.a`, `b.c` FROM (SELECT 'for a' AS `_sluice_selected.a`, 'for b' AS `b.c`)",
  );
  t.is(await rowsByOutbox(stream), 0);
  const messages = await readCommitted(t, stream.kafka, stream.topic, 3);
  t.deepEqual(
    messages.map(({ value }) => String(value)),
    Array(3).fill('{"a":"for a","b":"for b"}\n'),
  );
});

for (const [title, method, parameters] of [
  ['a GET', 'GET', ''],
  ['a POST with readonly = 2', 'POST', '&readonly=2'],
  ['a POST with readonly = 1', 'POST', '&readonly=1'],
] as const)
  test(`an INSERT … SELECT that ${title} may not do is refused by the server, and nothing is sent`, async (t) => {
    const stream = await useStream(t);
    await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
    const query = encodeURIComponent(`INSERT INTO queue ${ROWS}(2)`);
    const response = await fetch(`${stream.gateway.url}/?database=${stream.database}&query=${query}${parameters}`, { method });
    t.regex(await response.text(), /^Code: 164\. .*READONLY/);
    await stream.sql('INSERT INTO queue SELECT 9::UInt64 AS id, toString(9) AS name');
    t.deepEqual(await idsIn(t, stream, 1), [9]);
  });

test('settings and query parameters of the request count for the rows that are selected', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
  const parameters = 'param_least=2&output_format_json_quote_64bit_integers=1';
  t.is(await insertWith(stream, parameters, `INSERT INTO queue ${ROWS}(4) WHERE number >= {least:UInt64}`), '');
  const messages = await readCommitted(t, stream.kafka, stream.topic, 2);
  t.deepEqual(
    messages.map(({ value }) => String(value)),
    ['{"id":"2","name":"2"}\n', '{"id":"3","name":"3"}\n'],
  );
  t.is(await rowsByOutbox(stream), 0);
});

test('what is selected from a temporary table goes by the outbox', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: "bool_true_representation = 'T'" })}`);
  const session = `${stream.gateway.url}/?database=${stream.database}&session_id=${stream.database}&param_least=2&output_format_json_quote_64bit_integers=1`;
  for (const body of [
    'CREATE TEMPORARY TABLE mine (id UInt64, name String)',
    "INSERT INTO mine VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    'INSERT INTO queue SELECT * FROM mine WHERE id >= {least:UInt64} ORDER BY id',
  ])
    t.is(await (await fetch(session, { method: 'POST', body })).text(), '');
  const messages = await readCommitted(t, stream.kafka, stream.topic, 2);
  t.deepEqual(
    messages.map(({ value }) => String(value)),
    ['{"id":"2","name":"b"}\n', '{"id":"3","name":"c"}\n'],
  );
  t.is(await rowsByOutbox(stream), 2);
});

test('arrays that are columns of one Nested and have other lengths are refused in the words of the server', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue (id UInt64, n Nested(a UInt8, b UInt8)) ${stream.engine()}`);
  const insert = (b: string): string => `INSERT INTO queue SELECT 1::UInt64, [1, 2]::Array(UInt8), ${b}::Array(UInt8)`;
  await t.throwsAsync(stream.sql(insert('[1]')), { message: /^Code: 190\. / });
  await stream.sql(insert('[3, 4]'));
  const [message] = await readCommitted(t, stream.kafka, stream.topic, 1);
  t.is(message?.value?.toString(), '{"id":1,"n.a":[1,2],"n.b":[3,4]}\n');
});

test('key, time, partition and tombstone are selected along with the rows', async (t) => {
  const stream = await useStream(t, { partitions: 3 });
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    "INSERT INTO queue (id, name, _key, _timestamp, _partition, _tombstone) SELECT number, 'n', toString(number), " +
      "toDateTime64('2024-05-06 07:08:09.123', 3), toInt32(2), toUInt8(number = 1) FROM numbers(2)",
  );
  const messages = await readCommitted(t, stream.kafka, stream.topic, 2);
  t.deepEqual(
    messages.map(({ key, value, timestamp }) => [String(key), value === null ? null : String(value), timestamp]),
    [
      ['0', '{"id":0,"name":"n"}\n', String(Date.UTC(2024, 4, 6, 7, 8, 9, 123))],
      ['1', null, String(Date.UTC(2024, 4, 6, 7, 8, 9, 123))],
    ],
  );
  t.is((await stream.kafka.endOffsets(stream.topic)).find(({ partition }) => partition === 2)?.low, 0n);
  t.is(await rowsByOutbox(stream), 0);
});

test('several rows a message, and a compact format, are as they are by way of the outbox', async (t) => {
  const stream = await useStream(t);
  for (const format of ['JSONEachRow', 'JSONCompactEachRow']) {
    const [straight, around] = [await useTopic(t), await useTopic(t)];
    const settings = 'kafka_max_rows_per_message = 3';
    await stream.sql(
      `CREATE TABLE ${format}_a ${COLUMNS} ${stream.engine({ format, topic: straight, settings })}`,
      `CREATE TABLE ${format}_b ${COLUMNS} ${stream.engine({ format, topic: around, settings })}`,
      `INSERT INTO ${format}_a ${ROWS}(7) ORDER BY number`,
      `INSERT INTO ${format}_b SETTINGS insert_deduplication_token = 'x' ${ROWS}(7) ORDER BY number`,
    );
    t.deepEqual([await rowsByOutbox(stream, `${format}_a`), await rowsByOutbox(stream, `${format}_b`)], [0, 7]);
    const values = async (topic: string): Promise<string[]> =>
      (await readCommitted(t, stream.kafka, topic, 3)).map(({ value }) => String(value));
    t.deepEqual(await values(straight), await values(around));
  }
});

test('many rows keep the order of the SELECT, within each partition', async (t) => {
  const stream = await useStream(t, { partitions: 2 });
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    `CREATE TABLE source ${COLUMNS} ENGINE = MergeTree ORDER BY name`,
    `INSERT INTO source ${ROWS}(200000)`,
    'INSERT INTO queue (id, name, _key) SELECT id, name, toString(id % 5) FROM source ORDER BY id',
  );
  t.is(await rowsByOutbox(stream), 0);
  const messages = await readCommitted(t, stream.kafka, stream.topic, 200_000);
  const last = new Map<string, number>();
  let wrong = 0;
  for (const { key, value } of messages) {
    const { id } = JSON.parse(String(value)) as { id: number };
    if (id <= (last.get(String(key)) ?? -1)) wrong += 1;
    last.set(String(key), id);
  }
  t.is(wrong, 0);
  t.is(messages.length, 200_000);
});

test('rows that a view wrote before are in front of those that are selected', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE source ${COLUMNS} ENGINE = MergeTree ORDER BY id`,
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    'CREATE MATERIALIZED VIEW out TO queue AS SELECT * FROM source',
  );
  for (let i = 0; i < 10; i += 1)
    await stream.sql(
      `INSERT INTO source VALUES (${2 * i}, 'by the view')`,
      `INSERT INTO queue SELECT ${2 * i + 1}::UInt64 AS id, 'x'::String AS name`,
    );
  t.deepEqual(await idsIn(t, stream, 20), range(0, 20));
});

test('many at a time are each sent once, those that come while others are being sent by the outbox, together', async (t) => {
  const stream = await useStream(t, { partitions: 3 });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, `INSERT INTO queue ${ROWS}(1)`);
  await Promise.all(range(1, 41).map(async (id) => stream.sql(`INSERT INTO queue SELECT ${id}::UInt64 AS id, toString(1) AS name`)));
  t.deepEqual(
    (await idsIn(t, stream, 41)).sort((a, b) => a - b),
    range(0, 41),
  );
});

test('a SELECT that fails in its middle is told in the words of the server, and none of its rows is seen', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
  const failing = `INSERT INTO queue SELECT number AS id, toString(throwIf(number = 900000, 'too many')) AS name FROM numbers(1000000)`;
  await t.throwsAsync(stream.sql(failing), { message: /^Code: 395\. DB::Exception: too many/ });
  await t.throwsAsync(stream.sql('INSERT INTO queue SELECT id, name FROM nowhere'), { message: /^Code: 60\. .*UNKNOWN_TABLE/ });
  await stream.sql(`INSERT INTO queue ${ROWS}(1)`);
  t.deepEqual(await idsIn(t, stream, 1), [0]);
});

test('a row that the topic does not take is put aside with its INSERT, as by way of the outbox', async (t) => {
  const stream = await useStream(t);
  const topic = await useTopic(t, 1, { 'max.message.bytes': '20000' });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ topic })}`);
  await t.throwsAsync(stream.sql("INSERT INTO queue SELECT number AS id, repeat('x', 50000) AS name FROM numbers(2)"), {
    message: /^Code: 1001\. DB::Exception: Broker: Message size too large.*put aside.*ATTACH PART/s,
  });
  await stream.sql("INSERT INTO queue SELECT number AS id, repeat('x', 10000) AS name FROM numbers(20)");
  t.deepEqual(await idsIn(t, { ...stream, topic }, 20), range(0, 20));
  await t.throwsAsync(
    stream.sql('INSERT INTO queue (id, name, _partition) SELECT number AS id, toString(1) AS name, toInt32(7) AS p FROM numbers(2)'),
    {
      message: /_partition = 7, and topic \S+ has partitions 0 to 0/,
    },
  );
});

test('a table that does not wait for Kafka has its rows in the outbox', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: 'kafka_wait_for_delivery = 0' })}`,
    `INSERT INTO queue ${ROWS}(2)`,
  );
  t.is(await rowsByOutbox(stream), 2);
  t.deepEqual(await idsIn(t, stream, 2), [0, 1]);
});

test('what takes long goes by the outbox, in blocks, and is sent once', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
  // Six seconds with two threads, of which five are tried.
  const insert = 'INSERT INTO queue SELECT number AS id, toString(sleepEachRow(0.35)) AS name FROM numbers(36)';
  t.is(await insertWith(stream, 'max_block_size=1', insert), '');
  t.is(await rowsByOutbox(stream), 36);
  t.deepEqual(
    (await idsIn(t, stream, 36)).sort((a, b) => a - b),
    range(0, 36),
  );
});

test('a client that leaves in the middle of it leaves nothing behind', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, `INSERT INTO queue ${ROWS}(1)`);
  const leaving = new AbortController();
  const sent = insertWith(stream, 'max_block_size=1', SLOW, leaving.signal);
  await waitFor(async () => isSelecting(stream));
  leaving.abort();
  await t.throwsAsync(sent, { any: true });
  await waitFor(async () => !(await isSelecting(stream)));
  await stream.sql(`INSERT INTO queue ${ROWS}(2)`);
  t.deepEqual(await idsIn(t, stream, 3), [0, 0, 1]);
  t.is(await rowsByOutbox(stream), 0);
});

/** Takes four seconds. */
const SLOW = 'INSERT INTO queue SELECT number AS id, toString(sleepEachRow(0.1)) AS name FROM numbers(40)';

/** Whether the rows of `SLOW` are being selected for Kafka now. */
async function isSelecting({ direct, database }: Pick<Stream, 'direct' | 'database'>): Promise<boolean> {
  const where = `current_database = '${database}' AND match(query, 'toJSONString.*sleepEachRow') AND NOT match(query, 'system.processes')`;
  return (await direct(`SELECT count() FROM system.processes WHERE ${where}`)) !== '0';
}

interface Proxied extends Stream {
  readonly proxy: KafkaProxy;
}

interface Servers {
  readonly kafka: KafkaPart;
  readonly proxy: KafkaProxy;
  readonly port: number;
}

let servers: Promise<Servers> | undefined;

/** A broker that can be killed, behind a proxy that can lose what goes over it. */
async function startServers(): Promise<Servers> {
  const [direct, listener, controller, port] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const kafka = await startOwnKafka({ port: direct, properties: listeners(direct, listener, controller, port) });
  return { kafka, port, proxy: await startKafkaProxy(port, listener, 10_000, new Journal(journalFolder)) };
}

const journalFolder = makeFolder('journal');

test.after.always('broker and proxy are stopped', async () => {
  const { kafka, proxy } = (await servers) ?? {};
  proxy?.close();
  await kafka?.stop();
  removeFolder(journalFolder);
});

async function useProxied(t: ExecutionContext): Promise<Proxied> {
  const stream = await useStream(t);
  const { kafka, proxy, port } = await (servers ??= startServers());
  const { topic } = stream;
  await kafka.createTopic(topic, 2);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ENGINE = Kafka('127.0.0.1:${port}', '${topic}', 'g', 'JSONEachRow') SETTINGS kafka_delivery_timeout_ms = 8000`,
    `INSERT INTO queue ${ROWS}(1)`,
  );
  return { ...stream, kafka, proxy };
}

test.serial('when the answer to a commit is lost, it is found out whether Kafka has the rows', async (t) => {
  const proxied = await useProxied(t);
  // The coordinator has decided, or never heard of it; until the producer begins anew, nobody hears it say so.
  for (const [index, kind] of (['lose-answer', 'cut'] as const).entries()) {
    let lost = 0;
    proxied.proxy.transactionRule = ({ api }) => {
      if (api === 'InitProducerId') proxied.proxy.transactionRule = undefined;
      if (api !== 'EndTxn') return undefined;
      lost += 1;
      return { kind };
    };
    await proxied.sql(`INSERT INTO queue SELECT number + ${1 + 5 * index} AS id, toString(1) AS name FROM numbers(5)`);
    t.true(lost > 0);
    t.is(await rowsByOutbox(proxied), 5 * index);
  }
  await proxied.sql(`INSERT INTO queue SELECT 11::UInt64 AS id, toString(1) AS name`);
  t.deepEqual(
    (await idsIn(t, proxied, 12)).sort((a, b) => a - b),
    range(0, 12),
  );
});

test.serial('when nobody can tell whether Kafka has the rows, the INSERT says so', async (t) => {
  const proxied = await useProxied(t);
  let isOver = false;
  proxied.proxy.transactionRule = ({ api }) => {
    if (api === 'EndTxn') isOver = true;
    return isOver ? { kind: 'cut' } : undefined;
  };
  const error = await t.throwsAsync(proxied.sql(`INSERT INTO queue SELECT number + 1 AS id, toString(1) AS name FROM numbers(5)`));
  t.regex(error.message, /^Code: 319\. DB::Exception: It is not known whether Kafka has the rows of this INSERT.*UNKNOWN_STATUS_OF_INSERT/);
  proxied.proxy.transactionRule = undefined;
  await proxied.sql(`INSERT INTO queue SELECT 6::UInt64 AS id, toString(1) AS name`);
  const ids = await idsIn(t, proxied, 2);
  t.is(new Set(ids).size, ids.length);
});

test.serial('while a broker is away the rows are kept in the outbox, and sent once when it is back', async (t) => {
  const proxied = await useProxied(t);
  await proxied.kafka.kill();
  const error = await t.throwsAsync(proxied.sql(`INSERT INTO queue SELECT number + 1 AS id, toString(1) AS name FROM numbers(5)`));
  t.regex(error.message, /^Code: 159\. .*The rows are in the outbox of \S+\.queue and will be sent/);
  await proxied.kafka.restart();
  t.deepEqual((await idsIn(t, proxied, 6)).sort(), range(0, 6));
});

test.serial('a gateway that is killed in the middle of it leaves nothing to be seen', async (t) => {
  const proxied = await useProxied(t);
  const doomed = await useGateway(t);
  const sent = insertWith({ ...proxied, gateway: doomed }, 'max_block_size=1', SLOW);
  await waitFor(async () => isSelecting(proxied));
  await doomed.kill();
  await t.throwsAsync(sent);
  await proxied.sql(`INSERT INTO queue SELECT number + 1 AS id, toString(1) AS name FROM numbers(5)`);
  t.deepEqual((await idsIn(t, proxied, 6)).sort(), range(0, 6));
});
