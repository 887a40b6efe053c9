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
