import test from 'ava';
import kafkajs from 'kafkajs';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { debianProgram } from '../parts/debian.ts';
import { partitionOf } from '../../src/kafka/index.ts';
import { readCommitted } from '../helpers/read-committed.ts';
import { uniqueName, useTopic, waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';
import { schemaFile } from './formats/schemas.ts';

const COLUMNS = '(id UInt64, name String)';

interface OutboxReport {
  readonly state: string;
  readonly rows: number;
  readonly parts: number;
  readonly messages_sent: number;
  readonly parked: readonly { readonly reason: string; readonly send: string }[];
}

async function outboxOf({ gateway, database }: Stream, table = 'queue'): Promise<OutboxReport | null> {
  const status = (await (await fetch(`${gateway.adminUrl}/status`)).json()) as {
    tables: { database: string; table: string; outbox: OutboxReport | null }[];
  };
  return status.tables.find((one) => one.database === database && one.table === table)?.outbox ?? null;
}

const texts = (messages: readonly { readonly value: Buffer | null }[]): (string | undefined)[] =>
  messages.map(({ value }) => value?.toString());

test("the tutorial's writing steps work: rows come back through the table's own view, and a view fills another topic", async (t) => {
  const stream = await useStream(t, { partitions: 5 });
  const outTopic = await useTopic(t);
  await stream.sql(
    `CREATE TABLE github ${COLUMNS} ENGINE = MergeTree ORDER BY id`,
    `CREATE TABLE github_queue ${COLUMNS} ${stream.engine()}`,
    'CREATE MATERIALIZED VIEW github_mv TO github AS SELECT * FROM github_queue',
  );
  await stream.kafka.produce(
    stream.topic,
    Array.from({ length: 500 }, (_, id) => JSON.stringify({ id, name: `n${id}` })),
  );
  await stream.answers('SELECT count() FROM github', '500');
  await stream.sql('INSERT INTO github_queue SELECT * FROM github LIMIT 100 FORMAT JSONEachRow');
  await stream.answers('SELECT count() FROM github', '600');

  await stream.sql(
    `CREATE TABLE github_out_queue ${COLUMNS} ENGINE = Kafka('${stream.kafka.brokers}', '${outTopic}', 'out', 'JSONEachRow') settings kafka_thread_per_consumer = 0, kafka_num_consumers = 1`,
    'CREATE MATERIALIZED VIEW github_out_mv TO github_out_queue\nAS SELECT id, name\nFROM github\nFORMAT JsonEachRow',
  );
  await stream.kafka.produce(
    stream.topic,
    Array.from({ length: 50 }, (_, id) => JSON.stringify({ id, name: 'out' })),
  );
  const out = await readCommitted(t, stream.kafka, outTopic, 50);
  t.is(out.length, 50);
  t.is(out[0]?.value?.toString().endsWith('"name":"out"}\n'), true);
  const kcat = await debianProgram('kcat', ['kcat']);
  const { stdout: lines } = await promisify(execFile)(
    kcat.command,
    ['-C', '-b', stream.kafka.brokers, '-t', outTopic, '-e', '-q', '-X', 'isolation.level=read_committed'],
    { env: kcat.env },
  );
  t.is(lines.split('\n').filter((line) => line !== '').length, 50);
});

test('an INSERT is answered when Kafka has its rows', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, "INSERT INTO queue VALUES (1, 'a'), (2, 'b')");
  t.like(await outboxOf(stream), { rows: 0, messages_sent: 2 });
  t.deepEqual(texts(await readCommitted(t, stream.kafka, stream.topic, 2)), ['{"id":1,"name":"a"}\n', '{"id":2,"name":"b"}\n']);
  await stream.sql("INSERT INTO queue (name) VALUES ('only a name')");
  const messages = await readCommitted(t, stream.kafka, stream.topic, 3);
  t.is(messages[2]?.value?.toString(), '{"id":0,"name":"only a name"}\n');
});

test('key, time, partition and headers of a message are named in the INSERT, and are not in its body', async (t) => {
  const stream = await useStream(t, { partitions: 3 });
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    "INSERT INTO queue (id, name, _key, _timestamp, _partition, _headers) VALUES (1, 'a', 'the key', '2024-05-06 07:08:09.123', 2, {'trace': 'abc', 'empty': ''})",
  );
  const [message] = await readCommitted(t, stream.kafka, stream.topic, 1);
  t.is(message?.value?.toString(), '{"id":1,"name":"a"}\n');
  t.is(message?.key?.toString(), 'the key');
  t.is(message?.timestamp, String(Date.UTC(2024, 4, 6, 7, 8, 9, 123)));
  t.deepEqual(
    Object.entries(message?.headers ?? {}).map(([name, value]) => [name, String(value)]),
    [
      ['trace', 'abc'],
      ['empty', ''],
    ],
  );
  const ends = await stream.kafka.endOffsets(stream.topic);
  t.true((ends.find(({ partition }) => partition === 2)?.high ?? 0n) > 0n);
});

test('keys go to the partitions that kafka_partitioner says', async (t) => {
  const partitions = 5;
  const stream = await useStream(t, { partitions });
  const keys = Array.from({ length: 30 }, (_, i) => `key ${i}`);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: "kafka_partitioner = 'murmur2_random'" })}`,
    `INSERT INTO queue (id, _key) VALUES ${keys.map((key, id) => `(${id}, '${key}')`).join(', ')}`,
  );
  const counts = Array.from({ length: partitions }, () => 0n);
  for (const key of keys) {
    const partition = partitionOf('murmur2_random', Buffer.from(key), 0, key.length, partitions);
    counts[partition] = (counts[partition] ?? 0n) + 1n;
  }
  const ends = await stream.kafka.endOffsets(stream.topic);
  // Behind the messages of a transaction stands its end.
  t.deepEqual(
    ends.sort((a, b) => a.partition - b.partition).map(({ high }) => (high === 0n ? 0n : high - 1n)),
    counts,
  );
});

test('a view gives keys and tombstones to the messages it writes', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE source (id UInt64, name String, deleted UInt8) ENGINE = MergeTree ORDER BY id`,
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    'CREATE MATERIALIZED VIEW out TO queue AS SELECT id, name, toString(id) AS _key, deleted AS _tombstone FROM source',
    "INSERT INTO source VALUES (1, 'a', 0), (2, 'b', 1)",
  );
  const messages = await readCommitted(t, stream.kafka, stream.topic, 2);
  t.deepEqual(
    messages.map(({ key, value }) => [key?.toString(), value === null ? null : value.toString()]),
    [
      ['1', '{"id":1,"name":"a"}\n'],
      ['2', null],
    ],
  );
});

test('rows of one INSERT keep their order within a partition, and INSERTs keep theirs', async (t) => {
  const stream = await useStream(t, { partitions: 3 });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
  for (let round = 0; round < 5; round += 1)
    await stream.sql(
      `INSERT INTO queue (id, name, _key) SELECT number + ${round * 2_000}, 'x', toString(number % 10) FROM numbers(2000) ORDER BY number`,
    );
  const messages = await readCommitted(t, stream.kafka, stream.topic, 10_000);
  const last = new Map<string, number>();
  for (const { key, value } of messages) {
    const { id } = JSON.parse(String(value)) as { id: number };
    t.true(id > (last.get(String(key)) ?? -1));
    last.set(String(key), id);
  }
  t.is(last.size, 10);
});

test('a repeated INSERT with the same deduplication token is sent once', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
  for (let i = 0; i < 3; i += 1) await stream.sql("INSERT INTO queue SETTINGS insert_deduplication_token = 'once' VALUES (1, 'a')");
  await stream.sql("INSERT INTO queue VALUES (2, 'last')");
  t.deepEqual(texts(await readCommitted(t, stream.kafka, stream.topic, 2)), ['{"id":1,"name":"a"}\n', '{"id":2,"name":"last"}\n']);
});

for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'])
  test(`messages are compressed with ${codec}, and read back by the gateway`, async (t) => {
    const stream = await useStream(t, { partitions: 2 });
    await stream.sql(
      `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id`,
      `CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: `kafka_compression_codec = '${codec}'` })}`,
      'CREATE MATERIALIZED VIEW mv TO target AS SELECT * FROM queue',
      "INSERT INTO queue SELECT number, repeat('compressible ', 20) FROM numbers(5000)",
    );
    await stream.answers('SELECT count(), uniqExact(id), any(length(name)) FROM target', '5000\t5000\t260');
  });

test('what is read from one topic is written to another by a view', async (t) => {
  const stream = await useStream(t);
  const outTopic = await useTopic(t);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    `CREATE TABLE out_queue ${COLUMNS} ${stream.engine({ topic: outTopic, group: uniqueName(t, 'out') })}`,
    'CREATE MATERIALIZED VIEW pipe TO out_queue AS SELECT id, upper(name) AS name, _key FROM queue',
  );
  await stream.kafka.produce(stream.topic, [{ key: 'k', value: '{"id":1,"name":"a"}' }]);
  const [message] = await readCommitted(t, stream.kafka, outTopic, 1);
  t.is(message?.value?.toString(), '{"id":1,"name":"A"}\n');
  t.is(message?.key?.toString(), 'k');
});

test('a message that is larger than the topic takes is put aside with its INSERT, the others go on, and it is sent when the topic takes it', async (t) => {
  const stream = await useStream(t);
  const topic = await useTopic(t, 1, { 'max.message.bytes': '20000' });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ topic })}`);
  await stream.sql("INSERT INTO queue SELECT number, repeat('x', 10000) FROM numbers(20)");
  const error = await t.throwsAsync(stream.sql("INSERT INTO queue VALUES (100, 'small'), (101, repeat('x', 50000))"));
  t.regex(error.message, /^Code: 1001\. DB::Exception: Broker: Message size too large.*put aside.*ATTACH PART/s);
  await stream.sql("INSERT INTO queue VALUES (200, 'after')");
  const messages = await readCommitted(t, stream.kafka, topic, 21);
  const ids = messages.map(({ value }) => (JSON.parse(String(value)) as { id: number }).id);
  t.deepEqual(ids, [...Array.from({ length: 20 }, (_, id) => id), 200]);
  const parked = (await outboxOf(stream))?.parked ?? [];
  t.is(parked.length, 1);

  const configEntries = [{ name: 'max.message.bytes', value: '100000' }];
  await stream.kafka.withAdmin(async (admin) => {
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries }] });
  });
  await stream.direct(parked[0]?.send ?? '');
  const all = await readCommitted(t, stream.kafka, topic, 23);
  t.deepEqual(
    all.slice(21).map(({ value }) => (JSON.parse(String(value)) as { id: number }).id),
    [100, 101],
  );
});

test('an INSERT for a topic that does not exist says so at once, and its rows are sent when the topic is made', async (t) => {
  const stream = await useStream(t);
  const topic = uniqueName(t, 'later');
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ topic, settings: 'kafka_check_on_create = 0' })}`);
  const error = await t.throwsAsync(stream.sql("INSERT INTO queue VALUES (1, 'a')"));
  t.regex(error.message, /Unknown topic or partition/);
  await stream.kafka.createTopic(topic, 1);
  t.teardown(async () => stream.kafka.deleteTopic(topic));
  await stream.sql("INSERT INTO queue VALUES (2, 'b')");
  const ids = (await readCommitted(t, stream.kafka, topic, 1)).map(({ value }) => (JSON.parse(String(value)) as { id: number }).id);
  t.true(ids.includes(2) || ids.includes(1));
});

test('a partition that the topic does not have is told, and nothing of the INSERT is sent', async (t) => {
  const stream = await useStream(t, { partitions: 2 });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`);
  const error = await t.throwsAsync(stream.sql('INSERT INTO queue (id, _partition) VALUES (1, 0), (2, 7)'));
  t.regex(error.message, /_partition = 7, and topic \S+ has partitions 0 to 1/);
  // Its neighbours in time hear nothing of it, before and after the outbox was looked into again.
  for (let i = 0; i < 3; i += 1) await stream.sql('INSERT INTO queue (id, _partition) VALUES (3, 1)');
  t.deepEqual(texts(await readCommitted(t, stream.kafka, stream.topic, 3)), Array(3).fill('{"id":3,"name":""}\n'));
});

test('a value that the format cannot write is put aside with its INSERT, in the words of the server, and the others go on', async (t) => {
  const stream = await useStream(t);
  const settings = `kafka_schema = '${schemaFile('colour.proto')}:Row'`;
  await stream.sql(
    `CREATE TABLE source (colour String) ENGINE = MergeTree ORDER BY colour`,
    `CREATE TABLE queue (colour String) ${stream.engine({ format: 'Protobuf', settings })}`,
    'CREATE MATERIALIZED VIEW to_queue TO queue AS SELECT colour FROM source',
    "INSERT INTO queue VALUES ('GREEN')",
  );
  await t.throwsAsync(stream.sql("INSERT INTO queue VALUES ('RED'), ('PINK')"), {
    message: /^Code: 1001\. .*PINK.*The 2 rows that were inserted together are put aside, none of them was sent: .*ATTACH PART/s,
  });
  await stream.sql("INSERT INTO source VALUES ('GREY')", "INSERT INTO source VALUES ('BLUE')", "INSERT INTO queue VALUES ('GREEN')");
  const messages = await readCommitted(t, stream.kafka, stream.topic, 3);
  t.deepEqual(
    messages.map(({ value }) => value?.toString('hex')),
    ['020801', '020802', '020801'],
  );
  t.is((await outboxOf(stream))?.parked.length, 2);
});

test('an INSERT hears nothing of the rows that another one had put aside at the same time', async (t) => {
  const stream = await useStream(t, { partitions: 1 });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, "INSERT INTO queue VALUES (0, '')");
  const ids = [1, 2, 3, 4, 5, 6];
  await Promise.all(
    ids.flatMap((id) => [
      t.throwsAsync(stream.sql(`INSERT INTO queue (id, _partition) VALUES (10${id}, 55)`), { message: /put aside, none of them was sent/ }),
      t.notThrowsAsync(stream.sql(`INSERT INTO queue (id) VALUES (${id})`)),
    ]),
  );
  const sent = await readCommitted(t, stream.kafka, stream.topic, 7);
  t.deepEqual(sent.map(({ value }) => (JSON.parse(String(value)) as { id: number }).id).sort(), [0, ...ids]);
});

test('rows that come to the server past the gateway are refused, not lost', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id`,
    'CREATE MATERIALIZED VIEW mv TO target AS SELECT * FROM queue',
  );
  await t.throwsAsync(stream.direct("INSERT INTO queue VALUES (1, 'a')"), { message: /repeat it through the gateway/ });
  await stream.kafka.produce(stream.topic, ['{"id":2,"name":"b"}']);
  await stream.answers('SELECT id FROM target', '2');
  t.notRegex(await stream.sql('SHOW CREATE TABLE queue'), /CONSTRAINT|throwIf/);
});

test('tables that cannot be written to say so before anything is stored', async (t) => {
  const stream = await useStream(t);
  const refused = async (settings: string, topic = stream.topic): Promise<string> => {
    const table = uniqueName(t, 'q');
    const unchecked = ['kafka_check_on_create = 0', settings].filter(Boolean).join(', ');
    await stream.sql(`CREATE TABLE ${table} ${COLUMNS} ${stream.engine({ topic, settings: unchecked })}`);
    return (await t.throwsAsync(stream.sql(`INSERT INTO ${table} VALUES (1, 'a')`))).message;
  };
  t.regex(await refused('', `${stream.topic}, other`), /^Code: 48\. DB::Exception: Can't write to Kafka table with multiple topics!/);
  t.regex(await refused('kafka_max_rows_per_message = 0'), /^Code: 36\. .*kafka_max_rows_per_message is 0/);
  t.regex(
    await refused("kafka_compression_codec = 'bogus'"),
    /^Code: 1001\. .*Invalid value "bogus" for configuration property "compression\.codec"/,
  );
  t.is(await stream.direct(`SELECT count() FROM system.tables WHERE database = '${stream.database}' AND name LIKE '.outbox.%'`), '0');
});

test('a table that is renamed and dropped at once takes its outbox along, for its rows are sent', async (t) => {
  const stream = await useStream(t);
  const outboxes = async (): Promise<string> =>
    stream.direct(`SELECT count() FROM system.tables WHERE database = '${stream.database}' AND name LIKE '.outbox.%'`);
  for (let i = 0; i < 3; i += 1) {
    await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, "INSERT INTO queue VALUES (1, 'a')");
    await stream.sql('RENAME TABLE queue TO moved', 'DROP TABLE moved');
    await waitFor(async () => (await outboxes()) === '0');
  }
  t.is((await readCommitted(t, stream.kafka, stream.topic, 3)).length, 3);
});

test('the outbox goes with its table: renamed, dropped and made again', async (t) => {
  const stream = await useStream(t);
  const outboxes = async (): Promise<string> =>
    stream.direct(`SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = '${stream.database}' AND name LIKE '.outbox.%'`);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, "INSERT INTO queue VALUES (1, 'a')");
  t.is(await outboxes(), "['.outbox.queue']");
  await stream.sql('RENAME TABLE queue TO moved');
  t.is(await outboxes(), "['.outbox.moved']");
  await stream.sql("INSERT INTO moved VALUES (2, 'b')");
  await stream.sql('DROP TABLE moved');
  await waitFor(async () => (await outboxes()) === '[]');
  await stream.sql(`CREATE TABLE moved ${COLUMNS} ${stream.engine()}`, "INSERT INTO moved VALUES (3, 'c')");
  const ids = (await readCommitted(t, stream.kafka, stream.topic, 3)).map(({ value }) => (JSON.parse(String(value)) as { id: number }).id);
  t.deepEqual(ids, [1, 2, 3]);
});

test('in a database whose tables have no UUIDs each table has an outbox of its own', async (t) => {
  const stream = await useStream(t, { partitions: 1 });
  const plain = `plain_${stream.database}`;
  await stream.sql(`CREATE DATABASE ${plain} ENGINE = Memory`);
  t.teardown(async () => stream.direct(`DROP DATABASE ${plain}`));
  const topics = { b: await useTopic(t), a: await useTopic(t) };
  for (const [table, topic] of Object.entries(topics)) {
    await stream.sql(
      `CREATE TABLE ${plain}.${table} ${COLUMNS} ${stream.engine({ topic, group: topic })}`,
      `INSERT INTO ${plain}.${table} VALUES (1, '${table}')`,
    );
  }
  await stream.sql(`INSERT INTO ${plain}.b VALUES (2, 'b again')`);
  t.is((await readCommitted(t, stream.kafka, topics.b, 2)).length, 2);
  t.is((await readCommitted(t, stream.kafka, topics.a, 1)).length, 1);
  await stream.sql(`DROP TABLE ${plain}.a`, `INSERT INTO ${plain}.b VALUES (3, 'b still')`);
  t.is((await readCommitted(t, stream.kafka, topics.b, 3)).length, 3);
});

test('a view that writes to a table goes on when the table is dropped and made again', async (t) => {
  const stream = await useStream(t);
  const create = `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`;
  await stream.sql(
    `CREATE TABLE source ${COLUMNS} ENGINE = MergeTree ORDER BY id`,
    create,
    'CREATE MATERIALIZED VIEW out TO queue AS SELECT * FROM source',
    "INSERT INTO source VALUES (1, 'a')",
  );
  t.regex(await stream.sql('SHOW CREATE TABLE out'), /TO \S*queue/);
  t.notRegex(await stream.sql('SHOW CREATE TABLE out'), /outbox/);
  await stream.sql('DROP TABLE queue');
  await t.throwsAsync(stream.sql("INSERT INTO source VALUES (2, 'b')"), { message: /UNKNOWN_TABLE/ });
  await stream.sql(create, "INSERT INTO source VALUES (3, 'c')");
  const ids = (await readCommitted(t, stream.kafka, stream.topic, 2)).map(({ value }) => (JSON.parse(String(value)) as { id: number }).id);
  t.deepEqual(ids, [1, 3]);
});

test('rows of an INSERT that is waited for never come together with others in an asynchronous insert', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue (id UInt8, is_async Bool DEFAULT getSetting('async_insert')) ${stream.engine()}`);
  const statements = [
    'INSERT INTO queue (id) VALUES (1)',
    'INSERT INTO queue (id) FORMAT CSV 2',
    'INSERT INTO queue (id) SETTINGS async_insert = 1, wait_for_async_insert = 1 VALUES (3)',
    'INSERT INTO queue (id) SETTINGS max_threads = 1 FORMAT JSONEachRow {"id": 4}',
    'INSERT INTO queue (id) SETTINGS wait_for_async_insert = 0 VALUES (5)',
  ];
  for (const statement of statements) {
    const url = `${stream.gateway.url}/?database=${stream.database}&async_insert=1`;
    t.is(await (await fetch(url, { method: 'POST', body: statement })).text(), '', statement);
  }
  const messages = await readCommitted(t, stream.kafka, stream.topic, statements.length);
  const found = messages.map(({ value }) => JSON.parse(String(value)) as { id: number; is_async: boolean });
  t.deepEqual(
    found.sort((a, b) => a.id - b.id).map(({ is_async: isAsync }) => isAsync),
    [false, false, false, false, true],
    'but where nobody waits they may',
  );
});
