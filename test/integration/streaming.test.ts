import test from 'ava';
import { uniqueName, useKafka, waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

const COLUMNS = '(id UInt64, name String)';
const TARGET = `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id`;
const VIEW = 'CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue';

function rows(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => JSON.stringify({ id: from + i, name: `n${from + i}` }));
}

/** Less than the session time-out (45 s), however busy the machine is: what happens within it was not waited for by the broker. */
const BEFORE_A_SESSION_ENDS_MS = 35_000;

/** The group was left, not forgotten. */
async function isLeft({ kafka, group }: Stream): Promise<void> {
  await waitFor(async () => (await kafka.groupMembers(group)).length === 0, {
    timeoutMs: BEFORE_A_SESSION_ENDS_MS,
    message: 'the group is left',
  });
}

test.serial('messages of a topic become rows of the view’s target', async (t) => {
  const stream = await useStream(t, { partitions: 3 });
  await stream.kafka.produce(stream.topic, rows(0, 500));
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await stream.answers('SELECT count(), sum(id), uniqExact(name) FROM target', '500\t124750\t500');
  await stream.kafka.produce(stream.topic, rows(500, 600));
  await stream.answers('SELECT count() FROM target', '600');
});

test.serial('a view reads what its messages were: topic, key, offset, partition, time and headers', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, [
    { value: '{"id":1,"name":"a"}', key: 'k"1', timestamp: '1700000000123', headers: { one: 'x', two: Buffer.from([0xff]) } },
    { value: '{"id":2,"name":"b"}', timestamp: '1700000001000' },
  ]);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    `CREATE MATERIALIZED VIEW view ENGINE = MergeTree ORDER BY id AS
     SELECT id, _topic AS topic, _key AS key, _offset AS at, _partition AS part, _timestamp AS s, _timestamp_ms AS ms, _headers.name AS names,
            arrayMap(value -> hex(value), _headers.value) AS header_values FROM queue`,
  );
  await stream.answers(
    'SELECT * EXCEPT (s, ms), toUnixTimestamp(s), toUnixTimestamp64Milli(assumeNotNull(ms)) FROM view ORDER BY id',
    [
      ['1', stream.topic, 'k"1', '0', '0', "['one','two']", "['78','FF']", '1700000000', '1700000000123'],
      ['2', stream.topic, '', '1', '0', '[]', '[]', '1700000001', '1700000001000'],
    ]
      .map((row) => row.join('\t'))
      .join('\n'),
  );
});

test.serial('a payload cannot forge what its message was', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, [
    '{"id":1,"name":"a","_offset":77,"_topic":"forged"}',
    '{"id":2,"name":"b"}{"id":3,"name":"c","_offset":88}',
  ]);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    'CREATE MATERIALIZED VIEW view ENGINE = MergeTree ORDER BY id AS SELECT id, _offset AS at, _topic AS topic FROM queue',
  );
  await stream.answers(
    'SELECT id, at, topic FROM view ORDER BY id',
    [`1\t0\t${stream.topic}`, `2\t1\t${stream.topic}`, `3\t1\t${stream.topic}`].join('\n'),
  );
});

test.serial('nothing is read before the first view is attached nor after the last is gone', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, rows(0, 10));
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET);
  t.deepEqual(await stream.kafka.groupMembers(stream.group), []);
  await stream.sql(VIEW);
  await stream.answers('SELECT count() FROM target', '10');
  await stream.sql('DROP VIEW view');
  await isLeft(stream);
  await stream.kafka.produce(stream.topic, rows(10, 15));
  await stream.sql(VIEW);
  await stream.answers('SELECT count(), uniqExact(id) FROM target', '15\t15');
});

test.serial('DETACH stops and ATTACH goes on where it stopped, within seconds', async (t) => {
  const stream = await useStream(t, { partitions: 2 });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await stream.kafka.produce(stream.topic, rows(0, 100));
  await stream.answers('SELECT count() FROM target', '100');
  await stream.sql('DETACH TABLE queue');
  await isLeft(stream);
  await stream.kafka.produce(stream.topic, rows(100, 150));
  await stream.sql('ATTACH TABLE queue');
  await stream.answers('SELECT count(), uniqExact(id) FROM target', '150\t150', BEFORE_A_SESSION_ENDS_MS);
});

test.serial('several topics, consumers and views: each view sees each row once', async (t) => {
  const stream = await useStream(t, { partitions: 4 });
  const second = uniqueName(t, 'second');
  const kafka = await useKafka(t);
  await kafka.createTopic(second, 2);
  t.teardown(async () => kafka.deleteTopic(second));
  await kafka.produce(stream.topic, rows(0, 400));
  await kafka.produce(second, rows(400, 500));
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine({ topic: `${stream.topic}, ${second}`, settings: 'kafka_num_consumers = 3' })}`,
    `CREATE TABLE by_topic (topic String, id UInt64, part UInt64) ENGINE = MergeTree ORDER BY id`,
    TARGET,
    VIEW,
    'CREATE MATERIALIZED VIEW topics TO by_topic AS SELECT _topic AS topic, id, _partition AS part FROM queue',
  );
  await kafka.produce(stream.topic, rows(500, 600));
  await stream.answers('SELECT count(), uniqExact(id) FROM target', '600\t600');
  await stream.answers('SELECT uniqExact(id) FROM by_topic WHERE id >= 500', '100');
});

test.serial('each consumer inserts alone with kafka_thread_per_consumer', async (t) => {
  const stream = await useStream(t, { partitions: 4 });
  await stream.kafka.produce(stream.topic, rows(0, 400));
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: 'kafka_num_consumers = 2, kafka_thread_per_consumer = 1' })}`,
    TARGET,
    VIEW,
  );
  await stream.answers('SELECT count(), uniqExact(id) FROM target', '400\t400');
});

test.serial('views may join and cascade', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    'CREATE TABLE names (id UInt64, label String) ENGINE = MergeTree ORDER BY id',
    "INSERT INTO names SELECT number, 'label ' || number FROM numbers(5)",
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    'CREATE TABLE joined (id UInt64, label String) ENGINE = MergeTree ORDER BY id',
    'CREATE TABLE counted (label String, c UInt64) ENGINE = SummingMergeTree ORDER BY label',
    'CREATE MATERIALIZED VIEW counting TO counted AS SELECT label, count() AS c FROM joined GROUP BY label',
    'CREATE MATERIALIZED VIEW joining TO joined AS SELECT q.id, n.label FROM queue AS q INNER JOIN names AS n ON n.id = q.id % 5',
  );
  await stream.kafka.produce(stream.topic, rows(0, 50));
  await stream.answers('SELECT label, sum(c) FROM counted GROUP BY label ORDER BY label LIMIT 2', 'label 0\t10\nlabel 1\t10');
});

test.serial('a block closes at kafka_max_block_size, the rest at the flush interval', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, rows(0, 10));
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: 'kafka_max_block_size = 3' })}`,
    'CREATE TABLE blocks (c UInt64) ENGINE = MergeTree ORDER BY c',
    'CREATE MATERIALIZED VIEW view TO blocks AS SELECT count() AS c FROM queue',
  );
  await stream.answers('SELECT groupArray(c) FROM (SELECT c FROM blocks ORDER BY c DESC)', '[3,3,3,1]');
});

test.serial('offsets are committed only after every view took the rows', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, rows(0, 5));
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    TARGET,
    'CREATE TABLE gate (closed UInt8) ENGINE = MergeTree ORDER BY closed',
    'INSERT INTO gate VALUES (1)',
    "CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue WHERE throwIf((SELECT max(closed) FROM gate) = 1, 'the gate is closed') = 0",
  );
  await waitFor(() => stream.gateway.logs().includes('the gate is closed'), { message: 'the failure is logged' });
  t.true((await stream.kafka.groupOffsets(stream.group)).every(({ offset }) => offset <= 0n));
  await stream.sql('TRUNCATE TABLE gate', 'INSERT INTO gate VALUES (0)');
  await stream.answers('SELECT count(), uniqExact(id) FROM target', '5\t5');
  await waitFor(async () => (await stream.kafka.groupOffsets(stream.group)).some(({ offset }) => offset === 5n));
});

test.serial('tombstones and empty messages make no rows and are committed past', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await stream.kafka.produce(stream.topic, [{ value: '{"id":1,"name":"a"}' }, { key: 'gone', value: null }, { value: '' }]);
  await waitFor(async () => (await stream.kafka.groupOffsets(stream.group)).some(({ offset }) => offset === 3n));
  t.is(await stream.sql('SELECT count() FROM target'), '1');
});

test.serial('a topic of transactions is read to its end: aborted messages make no rows, control records hold nothing up', async (t) => {
  const stream = await useStream(t);
  const producer = await stream.kafka.producer({ transactionalId: stream.group, maxInFlightRequests: 1, idempotent: true });
  t.teardown(async () => producer.disconnect());
  for (let i = 0; i < 4; i++) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: stream.topic, messages: rows(i * 5, i * 5 + 5).map((value) => ({ value })) });
    await (i === 1 ? transaction.abort() : transaction.commit());
  }
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: 'kafka_max_block_size = 5' })}`, TARGET, VIEW);
  await stream.answers('SELECT count(), countIf(id >= 5 AND id < 10) FROM target', '15\t0');
  await waitFor(async () => (await stream.kafka.groupOffsets(stream.group)).some(({ offset }) => offset === 24n), {
    message: 'the end, behind the last control record, is committed',
  });
});

test.serial('a broken message holds its partition, is reported, and loses nothing', async (t) => {
  const stream = await useStream(t, { partitions: 2 });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await stream.kafka.produce(stream.topic, [
    ...rows(0, 20).map((value) => ({ value, partition: 0 })),
    { value: '{"id":"broken', partition: 0 },
    ...rows(20, 30).map((value) => ({ value, partition: 0 })),
    ...rows(30, 60).map((value) => ({ value, partition: 1 })),
  ]);
  await stream.answers('SELECT countIf(id < 30), countIf(id >= 30) FROM target', '20\t30');
  await waitFor(() => stream.gateway.logs().includes(`topic: ${stream.topic}, partition: 0, offset: 20)`), {
    message: 'the log names the message',
  });
  const offsets = await waitFor(async () => {
    const committed = await stream.kafka.groupOffsets(stream.group);
    return committed.some(({ partition, offset }) => partition === 1 && offset === 30n) && committed;
  });
  t.is(offsets.find(({ partition }) => partition === 0)?.offset, 20n);
});

test.serial('kafka_skip_broken_messages passes over a broken message and nothing else', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, [...rows(0, 10), '{"id":"broken', ...rows(10, 20), '{"id":2x}', ...rows(20, 30)]);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: 'kafka_skip_broken_messages = 1' })}`, TARGET, VIEW);
  await stream.answers('SELECT count(), uniqExact(id) FROM target', '30\t30');
});

test.serial('a topic that is made after its table streams once it is there', async (t) => {
  const stream = await useStream(t);
  const later = uniqueName(t, 'later');
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ topic: later, settings: 'kafka_check_on_create = 0' })}`, TARGET, VIEW);
  await waitFor(() => stream.gateway.logs().includes(`Unknown topic or partition: ${later}`), { message: 'the missing topic is logged' });
  await stream.kafka.createTopic(later, 1);
  t.teardown(async () => stream.kafka.deleteTopic(later));
  await stream.kafka.produce(later, rows(0, 3));
  await stream.answers('SELECT count() FROM target', '3');
});

test.serial('a broker that cannot be reached is reported and hurts nobody', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ENGINE = Kafka('127.0.0.1:1', 'x', '${stream.group}', 'JSONEachRow') SETTINGS kafka_check_on_create = 0`,
    TARGET,
    VIEW,
  );
  await waitFor(() => stream.gateway.logs().includes('127.0.0.1:1'), { message: 'the broker is named in the log' });
  t.is(await stream.sql('SELECT 1'), '1');
  await stream.sql('DROP TABLE queue');
});

test.serial('a renamed table rests until its view names it again', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await stream.kafka.produce(stream.topic, rows(0, 5));
  await stream.answers('SELECT count() FROM target', '5');
  await stream.sql('RENAME TABLE queue TO other');
  await stream.kafka.produce(stream.topic, rows(5, 10));
  await waitFor(() => stream.gateway.logs().includes('not streaming'), { message: 'the reason is logged' });
  await stream.sql('RENAME TABLE other TO queue');
  await stream.answers('SELECT count(), uniqExact(id) FROM target', '10\t10');
});

test.serial('a missing target stops the stream without loss', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await stream.kafka.produce(stream.topic, rows(0, 5));
  await stream.answers('SELECT count() FROM target', '5');
  await stream.sql('DROP TABLE target SYNC');
  await stream.kafka.produce(stream.topic, rows(5, 10));
  await stream.sql(TARGET);
  await stream.answers('SELECT count(), min(id) FROM target', '5\t5');
});

test.serial('a view made on a running table reads right metadata from its first row', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await stream.kafka.produce(stream.topic, rows(0, 5));
  await stream.answers('SELECT count() FROM target', '5');
  const enough = new AbortController();
  const producing = (async () => {
    for (let i = 5; !enough.signal.aborted; i += 5) await stream.kafka.produce(stream.topic, rows(i, i + 5));
  })();
  await stream.sql('CREATE MATERIALIZED VIEW topics ENGINE = MergeTree ORDER BY topic AS SELECT _topic AS topic, _key AS key FROM queue');
  await waitFor(async () => Number(await stream.sql('SELECT count() FROM topics')) > 10);
  enough.abort();
  await producing;
  t.is(await stream.sql('SELECT DISTINCT topic FROM topics'), stream.topic);
});

test.serial('a message that goes alone may have a key longer than any address', async (t) => {
  const stream = await useStream(t);
  const key = 'k'.repeat(700_000);
  // With a partition given, kafkajs computes no hash of the key, which would take it minutes.
  await stream.kafka.produce(stream.topic, [{ key, value: "(1 + 1, 'an expression')", partition: 0 }]);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine({ format: 'Values' })}`,
    "CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY id AS SELECT id, _key = repeat('k', 700000) AS is_same FROM queue",
  );
  await stream.answers('SELECT id, is_same FROM v', '2\t1');
});
