import test from 'ava';
import { useGateway } from '../helpers/gateway.ts';
import { waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

const COLUMNS = '(id UInt64, name String)';
const WINDOW = 'SETTINGS non_replicated_deduplication_window = 1000';

function rows(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => JSON.stringify({ id: from + i, name: `n${from + i}` }));
}

async function committed({ kafka, group }: Stream): Promise<bigint> {
  return (await kafka.groupOffsets(group)).reduce((sum, { offset }) => sum + (offset < 0n ? 0n : offset), 0n);
}

/** The batch's rows reach `fast` at once, and `slow` some seconds later. */
const TARGETS = [
  `CREATE TABLE fast ${COLUMNS} ENGINE = MergeTree ORDER BY id ${WINDOW}`,
  `CREATE TABLE slow ${COLUMNS} ENGINE = MergeTree ORDER BY id PARTITION BY id % 3 ${WINDOW}`,
  `CREATE TABLE counts (k UInt64, n AggregateFunction(count)) ENGINE = AggregatingMergeTree ORDER BY k ${WINDOW}`,
  `CREATE TABLE behind (id UInt64) ENGINE = MergeTree ORDER BY id ${WINDOW}`,
  'CREATE MATERIALIZED VIEW to_behind TO behind AS SELECT id FROM fast',
  'CREATE MATERIALIZED VIEW to_counts TO counts AS SELECT id % 10 AS k, countState() AS n FROM queue GROUP BY k',
  'CREATE MATERIALIZED VIEW to_slow TO slow AS SELECT id, name FROM queue WHERE sleepEachRow(0.01) = 0',
  'CREATE MATERIALIZED VIEW to_fast TO fast AS SELECT id, name FROM queue',
];

const COUNTS = `SELECT (SELECT (count(), uniqExact(id)) FROM fast), (SELECT (count(), uniqExact(id)) FROM slow),
  (SELECT countMerge(n) FROM counts), (SELECT count() FROM behind)`;

test.serial('a batch whose gateway dies while the server applies it is in once, in every target', async (t) => {
  const first = await useGateway(t);
  const stream = await useStream(t, { partitions: 4, gateway: first });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: 'kafka_num_consumers = 2' })}`, ...TARGETS);
  await stream.kafka.produce(stream.topic, rows(0, 200));
  const isApplied = async (): Promise<boolean> =>
    (await stream.direct("SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND query LIKE '%`queue`%'")) !== '0';
  await waitFor(isApplied);
  const offsets = await stream.kafka.groupOffsets(stream.group);
  t.true(
    offsets.some(({ metadata }) => metadata.startsWith(`sluice: `) && metadata.includes(` ${stream.topic} `)),
    'Kafka knows of it',
  );
  t.true(offsets.every(({ offset }) => offset <= 0n));
  await first.kill();
  await waitFor(async () => !(await isApplied()));
  t.is(await stream.direct('SELECT count() FROM fast'), '200', 'the server applied it although nobody heard its answer');
  await useGateway(t);
  await waitFor(async () => (await committed(stream)) === 200n);
  t.is(await stream.direct(COUNTS), '(200,200)\t(200,200)\t200\t200');
  t.true((await stream.kafka.groupOffsets(stream.group)).every(({ metadata }) => metadata === ''));
});

test.serial('a group whose offsets are set back is read again, whatever the targets remember', async (t) => {
  const gateway = await useGateway(t);
  const stream = await useStream(t, { gateway });
  await stream.kafka.produce(stream.topic, rows(0, 20));
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id ${WINDOW}`,
    'CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue',
  );
  await stream.answers('SELECT count() FROM target', '20');
  await waitFor(async () => (await committed(stream)) === 20n);
  await stream.sql('DETACH TABLE queue');
  await waitFor(async () => (await stream.kafka.groupMembers(stream.group)).length === 0);
  await stream.kafka.withAdmin(async (admin) =>
    admin.setOffsets({ groupId: stream.group, topic: stream.topic, partitions: [{ partition: 0, offset: '0' }] }),
  );
  await stream.sql('ATTACH TABLE queue');
  await stream.answers('SELECT count(), uniqExact(id) FROM target', '40\t20');
});

test.serial('batches of equal rows are all in: what is the same is not taken for a repeat', async (t) => {
  const gateway = await useGateway(t);
  const stream = await useStream(t, { gateway });
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: 'kafka_max_block_size = 1' })}`,
    `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id ${WINDOW}`,
    'CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue',
  );
  await stream.kafka.produce(stream.topic, Array<string>(10).fill('{"id":1,"name":"same"}'));
  await stream.answers('SELECT count() FROM target', '10');
});

test.serial('the real engine takes a group over at the offsets that a gateway left', async (t) => {
  const gateway = await useGateway(t);
  const stream = await useStream(t, { gateway });
  await stream.kafka.produce(stream.topic, rows(0, 20));
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id ${WINDOW}`,
    'CREATE TABLE gate (closed UInt8) ENGINE = MergeTree ORDER BY closed',
    'CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue WHERE throwIf((SELECT max(closed) FROM gate) = 1) = 0',
  );
  await stream.answers('SELECT count() FROM target', '20');
  await waitFor(async () => (await committed(stream)) === 20n);
  await stream.sql('INSERT INTO gate VALUES (1)');
  await stream.kafka.produce(stream.topic, rows(20, 30));
  await waitFor(async () => (await stream.kafka.groupOffsets(stream.group)).some(({ metadata }) => metadata.startsWith('sluice: ')));
  await stream.sql('DROP TABLE view', 'DROP TABLE queue');
  t.is(await committed(stream), 20n, 'an intent is left, and the offset is as before');
  await stream.direct(`CREATE TABLE native ${COLUMNS} ${stream.engine()}`);
  await stream.direct('CREATE MATERIALIZED VIEW of_native TO target AS SELECT id, name FROM native');
  await waitFor(async () => (await stream.direct('SELECT count(), uniqExact(id) FROM target')) === '30\t30');
  await stream.direct('DROP TABLE of_native');
  await stream.direct('DROP TABLE native');
});

test.serial('rows of a batch that fails are not lost when its view is dropped and made again', async (t) => {
  const gateway = await useGateway(t);
  const stream = await useStream(t, { gateway });
  for (const [queue, columns, topic] of [
    ['plain', COLUMNS, stream.topic],
    ['with_default', "(id UInt64, name String DEFAULT 'x')", `${stream.topic}_2`],
  ] as const) {
    if (topic !== stream.topic) await stream.kafka.createTopic(topic);
    await stream.kafka.produce(topic, rows(0, 20));
    const select = `SELECT id, name FROM ${queue}`;
    await stream.sql(
      `CREATE TABLE ${queue} ${columns} ${stream.engine({ topic, group: `${stream.group}_${queue}` })}`,
      `CREATE TABLE of_${queue} ${COLUMNS} ENGINE = MergeTree ORDER BY id ${WINDOW}`,
      `CREATE MATERIALIZED VIEW view_${queue} TO of_${queue} AS ${select} WHERE throwIf(id = 7, 'seven in ${queue}') = 0`,
    );
    await waitFor(() => gateway.logs().includes(`seven in ${queue}`), { message: `the log to say “seven in ${queue}”` });
    // Past the gateway, which learns of it later and goes on trying meanwhile.
    await stream.direct(`DROP TABLE view_${queue} SYNC`);
    const isTold = (line: string): boolean => line.includes('no materialized view reads the table') && line.includes(`.${queue}"`);
    await waitFor(() => gateway.logs().split('\n').some(isTold), { message: `the log to say that nothing reads ${queue}` });
    await stream.sql(`CREATE MATERIALIZED VIEW view_${queue} TO of_${queue} AS ${select}`);
    await stream.answers(`SELECT count(), uniqExact(id) FROM of_${queue}`, '20\t20');
  }
});
