import test, { type ExecutionContext } from 'ava';
import { sampleTopic } from '../../src/kafka/index.ts';
import { silentLogger } from '../../src/logger.ts';
import { useSharedGateway } from '../helpers/gateway.ts';
import { useClickHouse, useKafka, useTopic, waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

test.before(async () => {
  await Promise.all([useKafka(), useClickHouse()]);
  await useSharedGateway();
});

const COLUMNS = '(id UInt64)';
const TARGET = `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id`;
const VIEW = 'CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue';
/** Longer than a session without heartbeats lasts (45 s). */
const LONGER_THAN_A_SESSION_MS = 50_000;

function messages(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `{"id":${from + i}}`);
}

async function committed({ kafka, group }: Stream): Promise<string> {
  return (await kafka.groupOffsets(group)).map(({ partition, offset }) => `${partition}:${offset}`).join(' ');
}

/** Looks at the group's members for as long as a session lasts and longer; answers those that were seen. */
async function membersSeen({ kafka, group }: Stream): Promise<string[]> {
  const sinceMs = Date.now();
  const seen = new Set<string>();
  await waitFor(
    async () => {
      seen.add((await kafka.groupMembers(group)).map(({ memberId }) => memberId).join() || 'nobody');
      return Date.now() - sinceMs > LONGER_THAN_A_SESSION_MS;
    },
    { timeoutMs: 2 * LONGER_THAN_A_SESSION_MS },
  );
  return [...seen];
}

test('a table whose view throws for longer than a session stays in its group, leaves other tables alone and recovers by itself', async (t) => {
  const [failing, other] = [await useStream(t), await useStream(t)];
  await failing.sql(
    `CREATE TABLE queue ${COLUMNS} ${failing.engine({ settings: 'kafka_max_block_size = 100' })}`,
    TARGET,
    'CREATE TABLE failing (x UInt8) ENGINE = MergeTree ORDER BY x',
    'INSERT INTO failing VALUES (1)',
    `CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue WHERE throwIf((SELECT count() FROM failing) > 0, 'not now') = 0`,
  );
  await other.sql(`CREATE TABLE queue ${COLUMNS} ${other.engine()}`, TARGET, VIEW);
  await failing.kafka.produce(failing.topic, messages(0, 1000));
  await waitFor(() => failing.gateway.logs().includes('not now'));
  const watching = membersSeen(failing);

  const tookMs: number[] = [];
  for (let i = 0; i < 10; i++) {
    const startedAtMs = Date.now();
    await other.kafka.produce(other.topic, messages(i * 100, i * 100 + 100));
    await waitFor(async () => (await other.direct('SELECT count() FROM target')) === String(i * 100 + 100));
    tookMs.push(Date.now() - startedAtMs);
  }
  t.log(`the other table's rows took ${tookMs.join(', ')} ms`);

  const seen = await watching;
  t.is(seen.length, 1, seen.join('; '));
  t.not(seen[0], 'nobody');
  t.is(await failing.direct('SELECT count() FROM target'), '0');
  await failing.direct('TRUNCATE TABLE failing');
  await waitFor(async () => (await committed(failing)) === '0:1000');
  t.is(await failing.direct('SELECT count(), uniqExact(id) FROM target'), '1000\t1000');
});

test('an INSERT that takes longer than a session does not cost the membership, and its rows come once', async (t) => {
  const stream = await useStream(t);
  const sleep = 'sleepEachRow(2.8) = 0';
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    TARGET,
    `CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue WHERE ${sleep} SETTINGS function_sleep_max_microseconds_per_block = 0`,
  );
  await stream.kafka.produce(stream.topic, messages(0, 20));
  await waitFor(async () => (await stream.kafka.groupMembers(stream.group)).length === 1);
  const startedAtMs = Date.now();
  const seen = await membersSeen(stream);
  t.is(seen.length, 1, seen.join('; '));
  await waitFor(async () => (await committed(stream)) === '0:20');
  t.log(`the INSERT took ${Date.now() - startedAtMs} ms`);
  t.is(await stream.direct('SELECT count(), uniqExact(id) FROM target'), '20\t20');
});

async function recordsIn(t: ExecutionContext, topic: string): Promise<number> {
  const { brokers } = await useKafka(t);
  const limits = { messages: 1_000_000, bytes: 100_000_000, timeoutMs: 10_000 };
  const found = await sampleTopic({ brokers: [brokers], clientId: 'test', security: {} }, topic, limits, silentLogger());
  return (found ?? []).reduce((sum, { batches }) => sum + batches.reduce((records, { recordCount }) => records + recordCount, 0), 0);
}

test('a compacted topic, whose offsets have holes, is read to its end and the offset behind it is committed', async (t) => {
  const config = { 'cleanup.policy': 'compact', 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.01', 'max.compaction.lag.ms': '100' };
  const topic = await useTopic(t, 1, config);
  const stream = await useStream(t);
  // Each round is a segment of its own; all but the last are compacted.
  const keys = 10;
  let produced = 0;
  await waitFor(
    async () => {
      const round = Array.from({ length: keys }, (_, i) => ({ key: `k${i}`, value: `{"id":${produced + i}}` }));
      await stream.kafka.produce(topic, round);
      produced += keys;
      return (await recordsIn(t, topic)) < produced;
    },
    { message: 'the topic is compacted' },
  );
  const records = await recordsIn(t, topic);
  t.log(`${records} of ${produced} messages are left`);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ topic })}`, TARGET, VIEW);
  await waitFor(async () => (await committed(stream)) === `0:${produced}`);
  t.is(await stream.direct(`SELECT uniqExact(id) FROM target WHERE id >= ${produced - keys}`), String(keys));
  t.true(Number(await stream.direct('SELECT count() FROM target')) < produced);
});

test('of transactions the committed ones are rows, and the committed offset goes over aborted and control records to the end', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  const { kafka, topic } = stream;
  const producer = await kafka.producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true });
  t.teardown(async () => producer.disconnect());
  const send = async (from: number, to: number, end: 'commit' | 'abort'): Promise<void> => {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: messages(from, to).map((value) => ({ value })) });
    await transaction[end]();
  };
  await send(0, 50, 'commit');
  await send(1000, 1050, 'abort');
  await send(50, 100, 'commit');
  await send(1050, 1100, 'abort');
  const [{ high } = { high: 0n }] = await kafka.endOffsets(topic);
  // 200 messages and a control record for each transaction.
  t.is(high, 204n);
  await waitFor(async () => (await committed(stream)) === '0:204');
  t.is(await stream.direct('SELECT count(), uniqExact(id), max(id) FROM target'), '100\t100\t99');

  const open = await producer.transaction();
  await open.send({ topic, messages: messages(100, 110).map((value) => ({ value })) });
  // Behind an open transaction nothing can be read, also what is no part of it.
  await kafka.produce(topic, messages(200, 210));
  t.is(await committed(stream), '0:204');
  await open.commit();
  await waitFor(async () => (await committed(stream)) === '0:225');
  t.is(await stream.direct('SELECT count(), uniqExact(id), max(id) FROM target'), '120\t120\t209');
});
