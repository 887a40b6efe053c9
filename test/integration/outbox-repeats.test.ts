import test from 'ava';
import { useKafka, useOwnKafka, waitFor } from '../helpers/index.ts';
import { readCommitted } from '../helpers/read-committed.ts';
import { useStream } from '../helpers/stream.ts';

test('an INSERT that comes again with its token is sent once, whatever the order of its rows; other rows with that token are sent', async (t) => {
  const kafka = await useKafka(t);
  const stream = await useStream(t);
  const { topic } = stream;
  const insert = (ids: string, token: string): string =>
    `INSERT INTO queue SELECT arrayJoin([${ids}]) SETTINGS insert_deduplication_token = '${token}'`;
  await stream.sql(
    `CREATE TABLE queue (id UInt64) ENGINE = Kafka('${kafka.brokers}', '${topic}', 'g', 'JSONEachRow')`,
    insert('1, 2, 2', 'a'),
    insert('2, 1, 2', 'a'),
    insert('1, 1, 2', 'a'),
    insert('1, 2, 2', 'b'),
  );
  const messages = await readCommitted(t, kafka, topic, 9);
  t.deepEqual(messages.map(({ value }) => (JSON.parse(String(value)) as { id: number }).id).sort(), [1, 1, 1, 1, 2, 2, 2, 2, 2]);
});

test('an INSERT that comes again with its token is sent once also when the table fills in another time', async (t) => {
  const kafka = await useKafka(t);
  const stream = await useStream(t);
  const insert = `INSERT INTO queue (id) SELECT 7 SETTINGS insert_deduplication_token = 'a'`;
  await stream.sql(
    `CREATE TABLE queue (id UInt64, at DateTime64(9) DEFAULT now64(9)) ENGINE = Kafka('${kafka.brokers}', '${stream.topic}', 'g', 'JSONEachRow')`,
    insert,
    insert,
    'INSERT INTO queue (id) SELECT 8',
  );
  const messages = await readCommitted(t, kafka, stream.topic, 2);
  t.deepEqual(messages.map(({ value }) => (JSON.parse(String(value)) as { id: number }).id).sort(), [7, 8]);
});

test('equal blocks of one INSERT with a token are all sent, and none when it comes again', async (t) => {
  const kafka = await useKafka(t);
  const stream = await useStream(t);
  const insert = (rows: number): string =>
    `INSERT INTO queue SELECT 7 FROM numbers(${rows}) SETTINGS insert_deduplication_token = 'a', ` +
    'max_block_size = 2, min_insert_block_size_rows = 1, min_insert_block_size_bytes = 1, max_threads = 1';
  await stream.sql(
    `CREATE TABLE queue (id UInt64) ENGINE = Kafka('${kafka.brokers}', '${stream.topic}', 'g', 'JSONEachRow')`,
    insert(6),
    insert(6),
    insert(8),
    'INSERT INTO queue SELECT 8',
  );
  const messages = await readCommitted(t, kafka, stream.topic, 9);
  const ids = messages.map(({ value }) => (JSON.parse(String(value)) as { id: number }).id).sort();
  t.deepEqual(ids, [7, 7, 7, 7, 7, 7, 7, 7, 8], 'of the longer one the fourth block is new');
});

test('a repeated INSERT is not told that its rows are sent when those that it repeats cannot be', async (t) => {
  const kafka = await useOwnKafka(t);
  await kafka.withAdmin(async (admin) => {
    const configEntries = [{ name: 'max.message.bytes', value: '2000' }];
    await admin.createTopics({ topics: [{ topic: 'small', numPartitions: 1, replicationFactor: 1, configEntries }], waitForLeaders: true });
  });
  const stream = await useStream(t);
  const insert = "INSERT INTO queue SELECT repeat('x', 10000) SETTINGS insert_deduplication_token = 'a'";
  const parts = async (): Promise<string> => stream.direct('SELECT count() FROM `.outbox.queue`');
  await stream.sql(
    `CREATE TABLE queue (text String) ENGINE = Kafka('${kafka.brokers}', 'small', 'g', 'RawBLOB') SETTINGS kafka_delivery_timeout_ms = 120000`,
    "INSERT INTO queue VALUES ('before')",
  );
  await kafka.kill();
  const inserted: Promise<unknown>[] = [];
  for (const count of ['2', '3']) {
    inserted.push(t.throwsAsync(stream.sql(insert), { message: /put aside, none of them was sent/ }));
    await waitFor(async () => (await parts()) === count);
  }
  await kafka.restart();
  await Promise.all(inserted);
});
