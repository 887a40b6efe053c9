import test, { type ExecutionContext } from 'ava';
import { createCluster } from '../../src/kafka/cluster.ts';
import { createKafkaClient } from '../../src/kafka/client.ts';
import { silentLogger } from '../../src/logger.ts';
import { useGateway } from '../helpers/gateway.ts';
import { useClickHouse, useKafka, waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

test.before(async () => {
  await Promise.all([useKafka(), useClickHouse()]);
});

const COLUMNS = '(id UInt64)';
const TARGET = `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id`;
const VIEW = 'CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue';

function messages(from: number, to: number, partition = 0): { value: string; partition: number }[] {
  return Array.from({ length: to - from }, (_, i) => ({ value: `{"id":${from + i}}`, partition }));
}

/** As retention does it. */
async function deleteRecords({ kafka, topic }: Stream, partition: number, before: number): Promise<void> {
  await kafka.withAdmin(async (admin) => {
    // Loads the topic's leaders, which the deletion takes for known.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] });
  });
}

async function committed({ kafka, group }: Stream): Promise<string> {
  const offsets = await kafka.groupOffsets(group);
  return offsets
    .map(({ partition, offset }) => `${partition}:${offset}`)
    .sort()
    .join(' ');
}

async function isTrue(stream: Stream, query: string): Promise<void> {
  await waitFor(async () => (await stream.direct(`SELECT ${query}`)) === '1', { message: query });
}

test.serial(
  'messages that retention took while no gateway ran are told by number and partition, and reading goes on behind them',
  async (t) => {
    const first = await useGateway(t);
    const stream = await useStream(t, { gateway: first, partitions: 2 });
    await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
    await stream.kafka.produce(stream.topic, [...messages(0, 100, 0), ...messages(1000, 1050, 1)]);
    await waitFor(async () => (await committed(stream)) === '0:100 1:50');
    await first.stop();
    await stream.kafka.produce(stream.topic, [...messages(100, 300, 0), ...messages(1050, 1100, 1)]);
    await deleteRecords(stream, 0, 250);
    await deleteRecords(stream, 1, 60);
    const second = await useGateway(t);
    await waitFor(async () => (await committed(stream)) === '0:300 1:100');
    t.is(await stream.direct('SELECT count(), uniqExact(id) FROM target'), '240\t240');
    const { topic } = stream;
    const gone = 'are gone, deleted before they were read; reading goes on at';
    t.true(second.logs().includes(`Offset out of range: ${topic}[0]: messages from 100 to 249 (150 offsets) ${gone} 250`));
    t.true(second.logs().includes(`Offset out of range: ${topic}[1]: messages from 50 to 59 (10 offsets) ${gone} 60`));
  },
);

test.serial(
  'messages that retention took from a table that lags are told, and what was read before them is inserted and committed',
  async (t) => {
    const gateway = await useGateway(t);
    const stream = await useStream(t, { gateway });
    await stream.sql(
      `CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: 'kafka_max_block_size = 30' })}`,
      TARGET,
      'CREATE TABLE failing (x UInt8) ENGINE = MergeTree ORDER BY x',
      'INSERT INTO failing VALUES (1)',
      `CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue WHERE throwIf((SELECT count() FROM failing) > 0, 'not now') = 0`,
    );
    await stream.kafka.produce(stream.topic, messages(0, 1000));
    await waitFor(() => gateway.logs().includes('not now'));
    await stream.kafka.produce(stream.topic, messages(1000, 1200));
    await deleteRecords(stream, 0, 1100);
    await stream.direct('TRUNCATE TABLE failing');
    await isTrue(stream, 'uniqExact(id) = 1100 FROM target');
    t.true(gateway.logs().includes(`Offset out of range: ${stream.topic}[0]: messages from 1000 to 1099 (100 offsets) are gone`));
    await stream.kafka.produce(stream.topic, messages(1200, 1300));
    await waitFor(async () => (await committed(stream)) === '0:1300');
    t.is(await stream.direct('SELECT count(), uniqExact(id) FROM target'), '1200\t1200');
  },
);

test.serial('a committed offset behind the end of the log is told, and reading begins at the earliest', async (t) => {
  const gateway = await useGateway(t);
  const stream = await useStream(t, { gateway });
  await stream.kafka.produce(stream.topic, messages(0, 100));
  const { topic, group: groupId } = stream;
  await stream.kafka.withAdmin(async (admin) => admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '5000' }] }));
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await isTrue(stream, 'uniqExact(id) = 100 FROM target');
  t.true(gateway.logs().includes(`Offset out of range: ${topic}[0]: nothing is at 5000, behind the end: the log was cut off`));
  await waitFor(async () => (await committed(stream)) === '0:100');
});

interface Leaving {
  leaveGroup(request: { readonly groupId: string; readonly memberId: string }): Promise<void>;
}

/** Takes the group's only member out of it. */
async function removeMember(t: ExecutionContext, { kafka, group: groupId }: Stream): Promise<void> {
  const [member] = await kafka.groupMembers(groupId);
  const client = createKafkaClient({ brokers: [kafka.brokers], clientId: 'test', security: {} }, silentLogger());
  t.teardown(() => client.cut());
  const cluster = createCluster(client);
  await cluster.connect();
  const coordinator = await cluster.findGroupCoordinator({ groupId });
  await (coordinator as unknown as Leaving).leaveGroup({ groupId, memberId: member?.memberId ?? '' });
}

test.serial('a group deleted behind a frozen gateway is told, and its topic is read from the earliest', async (t) => {
  const gateway = await useGateway(t);
  const stream = await useStream(t, { gateway });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await stream.kafka.produce(stream.topic, messages(0, 100));
  await waitFor(async () => (await committed(stream)) === '0:100');
  process.kill(gateway.pid, 'SIGSTOP');
  await removeMember(t, stream);
  await waitFor(async () => stream.kafka.withAdmin(async (admin) => admin.deleteGroups([stream.group])));
  process.kill(gateway.pid, 'SIGCONT');
  await isTrue(stream, 'count() = 200 AND uniqExact(id) = 100 FROM target');
  t.true(gateway.logs().includes(`group ${stream.group} has no committed offsets any more for ${stream.topic}[0] (was 100)`));
  await waitFor(async () => (await committed(stream)) === '0:100');
});
