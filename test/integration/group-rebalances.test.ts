import test from 'ava';
import { useGateway } from '../helpers/gateway.ts';
import { useClickHouse, useKafka, waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

test.before(async () => {
  await Promise.all([useKafka(), useClickHouse()]);
});

const ROUNDS = 3;
const ROWS_EACH = 40;
const PARTITIONS = 4;
/** The producer waits for the gateways then: under load, not overloaded. */
const MOST_BEHIND = 2000;

async function isSettled({ kafka, group }: Stream, members: number): Promise<void> {
  await waitFor(async () => (await kafka.groupMembers(group)).length === members && (await kafka.groupState(group)) === 'Stable', {
    message: `the group has ${members} members`,
  });
}

test('two gateways join and leave while messages flow: none is lost, and none comes twice where the target drops a repeated INSERT', async (t) => {
  let running = await useGateway(t);
  const stream = await useStream(t, { gateway: running, partitions: PARTITIONS });
  await stream.sql(
    `CREATE TABLE queue (id UInt64) ${stream.engine({ settings: 'kafka_max_block_size = 200' })}`,
    'CREATE TABLE target (id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 10000',
    'CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue',
  );
  const inserted = async (): Promise<number> => Number(await stream.direct('SELECT uniqExact(id) FROM target'));

  const producer = await stream.kafka.producer();
  const isEnough = new AbortController();
  let produced = 0;
  const producing = (async () => {
    while (!isEnough.signal.aborted) {
      await waitFor(async () => produced - (await inserted()) < MOST_BEHIND);
      const messages = Array.from({ length: ROWS_EACH }, (_, i) => ({ value: `{"id":${produced + i}}`, partition: i % PARTITIONS }));
      await producer.send({ topic: stream.topic, messages });
      produced += ROWS_EACH;
    }
  })();
  t.teardown(async () => producer.disconnect());

  for (let round = 0; round < ROUNDS; round++) {
    const second = await useGateway(t);
    await isSettled(stream, 2);
    const before = await inserted();
    await waitFor(async () => (await inserted()) > before + 10 * ROWS_EACH);
    // Now the older, now the younger one leaves.
    const leaving = round % 2 === 0 ? running : second;
    running = round % 2 === 0 ? second : running;
    await leaving.stop();
    await isSettled(stream, 1);
  }
  isEnough.abort();
  await producing;
  await waitFor(async () => (await inserted()) === produced, { message: `${produced} rows` });
  t.is(await stream.direct('SELECT count() FROM target'), String(produced));
});
