import test from 'ava';
import { useKafka } from '../helpers/index.ts';
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
