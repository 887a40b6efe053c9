import test, { type ExecutionContext } from 'ava';
import { useClickHouse, useDatabase, useKafka, useTopic, waitFor } from '../helpers/index.ts';
import { openConsumer, type OpenConsumer } from './open-consumer.ts';

test.before(async () => {
  await Promise.all([useKafka(), useClickHouse()]);
});

/** A table of the server's own Kafka engine in the group `topic`, consuming. */
async function consumeNatively(t: ExecutionContext, database: string, topic: string): Promise<void> {
  const [kafka, clickHouse] = [await useKafka(t), await useClickHouse(t)];
  await clickHouse.query(`CREATE TABLE ${database}.q (a String) ENGINE = Kafka('${kafka.brokers}', '${topic}', '${topic}', 'LineAsString')
    SETTINGS kafka_flush_interval_ms = 300`);
  await clickHouse.query(`CREATE TABLE ${database}.rows (a String) ENGINE = MergeTree ORDER BY a`);
  await clickHouse.query(`CREATE MATERIALIZED VIEW ${database}.v TO ${database}.rows AS SELECT a FROM ${database}.q`);
}

async function shareMessages(t: ExecutionContext, ours: OpenConsumer, database: string, topic: string): Promise<void> {
  const [kafka, clickHouse] = [await useKafka(t), await useClickHouse(t)];
  await waitFor(() => ours.assignments.at(-1)?.length === 2);
  await kafka.produce(
    topic,
    [0, 1, 2, 3].map((partition) => ({ value: `in ${partition}`, partition })),
  );
  await waitFor(async () => (await clickHouse.query(`SELECT count() FROM ${database}.rows`)).trim() === '2');
  await waitFor(() => ours.records.length === 2);
  const native = (await clickHouse.query(`SELECT a FROM ${database}.rows FORMAT TSV`)).trim().split('\n');
  const all = [...native, ...ours.records.map((record) => record.replace(/^.*=/, ''))].sort();
  t.deepEqual(all, ['in 0', 'in 1', 'in 2', 'in 3']);
}

test('a consumer of the native engine that joins our group gets its share', async (t) => {
  const [database, topic] = [await useDatabase(t), await useTopic(t, 4)];
  const ours = await openConsumer(t, { topics: [topic], groupId: topic, commits: true });
  await consumeNatively(t, database, topic);
  await shareMessages(t, ours, database, topic);
  t.false(ours.isSoleOwner.at(-1));
});

test('a group of the native engine takes our consumer in and gives it a share', async (t) => {
  const [database, topic] = [await useDatabase(t), await useTopic(t, 4)];
  await consumeNatively(t, database, topic);
  await waitFor(async () => (await (await useKafka(t)).groupState(topic)) === 'Stable');
  const ours = await openConsumer(t, { topics: [topic], groupId: topic, commits: true });
  await shareMessages(t, ours, database, topic);
  t.false(ours.isSoleOwner.at(-1));
});
