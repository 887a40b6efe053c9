import test, { type ExecutionContext } from 'ava';
import { uniqueName, waitFor } from '../helpers/index.ts';
import { readCommitted } from '../helpers/read-committed.ts';
import { useClickHouse } from '../helpers/servers.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

const LETTERS = 'kafka_offset, raw_message, kafka_key';

/** A table that puts broken messages aside, its view, and messages of which the third is broken. */
async function useQueue(t: ExecutionContext, settings = ''): Promise<{ stream: Stream; letters: (columns: string) => string }> {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, [
    { key: 'a', value: '{"id":0}' },
    { key: 'b', value: '{"id":1}' },
    { key: 'c', value: '{"id":"broken"}', headers: { trace: 'x', twice: ['1', '2'] } },
    { key: 'd', value: '{"id":3}' },
  ]);
  const engine = stream.engine({ settings: `kafka_handle_error_mode = 'dead_letter_queue'${settings}` });
  await stream.sql(
    `CREATE TABLE queue (id UInt64) ${engine}`,
    'CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY id AS SELECT id, _offset, _key FROM queue',
  );
  const letters = (columns: string): string =>
    `SELECT ${columns} FROM system.dead_letter_queue FINAL WHERE database = '${stream.database}' AND table = 'queue' ORDER BY kafka_offset`;
  return { stream, letters };
}

test.serial('a server without a dead-letter table gets one, with the columns of the real one', async (t) => {
  const { stream, letters } = await useQueue(t);
  await stream.answers('SELECT id FROM v ORDER BY id FORMAT TSV', '0\n1\n3');
  await stream.answers(letters(LETTERS), '2\t{"id":"broken"}\tc');
  t.regex(await stream.sql(letters('error')), /^Cannot parse input: expected/);
});

test.serial('the dead-letter table may be dropped at any time', async (t) => {
  const { stream, letters } = await useQueue(t);
  await stream.answers(letters(LETTERS), '2\t{"id":"broken"}\tc');
  await stream.direct('DROP TABLE system.dead_letter_queue SYNC');
  await stream.kafka.produce(stream.topic, ['{"id":"again"}', '{"id":5}']);
  await stream.answers('SELECT max(id) FROM v', '5');
  await stream.answers(letters(LETTERS), '4\t{"id":"again"}');
});

test.serial('dead letters go to a topic as well: the original message with why and where from', async (t) => {
  const topic = uniqueName(t, 'letters');
  const { stream } = await useQueue(t, `, kafka_dead_letter_topic = '${topic}'`);
  await stream.kafka.createTopic(topic);
  const [letter, ...others] = await readCommitted(t, stream.kafka, topic, 1);
  t.is(others.length, 0);
  t.is(letter?.key?.toString(), 'c');
  t.is(letter?.value?.toString(), '{"id":"broken"}');
  const headers = Object.fromEntries(Object.entries(letter?.headers ?? {}).map(([name, value]) => [name, String(value)]));
  t.like(headers, {
    trace: 'x',
    twice: '1,2',
    'sluice.table': `${stream.database}.queue`,
    'sluice.topic': stream.topic,
    'sluice.partition': '0',
    'sluice.offset': '2',
  });
  t.regex(headers['sluice.error'] ?? '', /^Cannot parse input/);
  await stream.answers('SELECT id FROM v ORDER BY id FORMAT TSV', '0\n1\n3');
  await waitFor(async () => (await stream.kafka.groupOffsets(stream.group)).some(({ offset }) => offset === 4n), { message: 'the commit' });
});

test.serial('repaired letters are replayed, and those that are still broken stay', async (t) => {
  const { stream, letters } = await useQueue(t);
  await stream.kafka.produce(stream.topic, [{ key: 'e', value: '{"id":"hopeless"}' }]);
  await stream.answers(letters(LETTERS), '2\t{"id":"broken"}\tc\n4\t{"id":"hopeless"}\te');
  await stream.direct(
    `ALTER TABLE system.dead_letter_queue UPDATE raw_message = '{"id":2}' WHERE database = '${stream.database}' AND kafka_offset = 2 SETTINGS mutations_sync = 2`,
  );
  t.regex(await stream.sql('SYSTEM REPLAY DEAD LETTERS queue'), /^1\t1\tCannot parse input/);
  t.is(await stream.sql('SELECT id, _offset, _key FROM v ORDER BY id FORMAT TSV'), '0\t0\ta\n1\t1\tb\n2\t2\tc\n3\t3\td');
  t.is(await stream.sql(letters('kafka_offset')), '4');
  t.is(
    await stream.sql(`SYSTEM REPLAY DEAD LETTERS ${stream.database}.queue WHERE kafka_offset < 4 FORMAT TSVWithNames`),
    'replayed\tstill_broken\tfirst_error\n0\t0',
  );
});

test.serial('letters can be replayed by a SELECT, which every client can parse', async (t) => {
  const { stream, letters } = await useQueue(t);
  await stream.answers(letters('kafka_offset'), '2');
  t.regex(await stream.sql("SELECT * FROM replayDeadLetters(queue, kafka_offset >= 2 AND error != '')"), /^0\t1\tCannot parse input/);
  t.regex(
    await stream.sql(`select * from replayDeadLetters(${stream.database}.queue) FORMAT TSVWithNames`),
    /^replayed\tstill_broken\tfirst_error\n0\t1\t/,
  );
});

test.serial('only letters of a Kafka table that streams can be replayed', async (t) => {
  const { stream } = await useQueue(t);
  await stream.sql('CREATE TABLE plain (id UInt64) ENGINE = MergeTree ORDER BY id');
  await t.throwsAsync(stream.sql('SYSTEM REPLAY DEAD LETTERS plain'), { message: /Code: 36.*is no Kafka table of the gateway/s });
  await t.throwsAsync(stream.sql('SYSTEM REPLAY DEAD LETTERS nowhere'), { message: /Code: 36.*is no Kafka table/s });
  await stream.answers('SELECT count() FROM v', '3');
  await stream.sql('DROP TABLE v');
  await stream.kafka.produce(stream.topic, ['x']);
  await t.throwsAsync(stream.sql('SYSTEM REPLAY DEAD LETTERS queue'), {
    message: /Code: 36.*the table does not stream \(no materialized view reads it\)/s,
  });
});

test.serial('a message that holds its partition is passed over once the table allows for broken messages', async (t) => {
  const clickHouse = await useClickHouse(t);
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['{"id":0}', '{"id":"broken"}', '{"id":2}']);
  await stream.sql(
    'CREATE TABLE target (id UInt64) ENGINE = MergeTree ORDER BY id',
    `CREATE TABLE queue (id UInt64) ${stream.engine()}`,
    'CREATE MATERIALIZED VIEW v TO target AS SELECT id FROM queue',
  );
  await stream.answers('SELECT id FROM target ORDER BY id', '0');
  const held = (): boolean => /held at a broken message/.test(stream.gateway.logs());
  await waitFor(() => Promise.resolve(held()), { message: 'the log tells of the held partition' });
  t.regex(stream.gateway.logs(), new RegExp(`while parsing Kafka message \\(topic: ${stream.topic}, partition: 0, offset: 1\\)`));
  await stream.sql('DROP TABLE queue', `CREATE TABLE queue (id UInt64) ${stream.engine({ settings: 'kafka_skip_broken_messages = 1' })}`);
  await stream.answers('SELECT id FROM target ORDER BY id', '0\n2');
  t.is(await clickHouse.query(`SELECT count() FROM ${stream.database}.target`), '2');
});

test.serial('a message that holds its partition is read once the table can read it', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['{"id":"a"}', '{"id":"b"}', '{"id":"a"}']);
  const create = (values: string): string => `CREATE TABLE queue (id Enum8(${values})) ${stream.engine()}`;
  await stream.sql(
    'CREATE TABLE target (id String) ENGINE = MergeTree ORDER BY tuple()',
    create("'a' = 1"),
    'CREATE MATERIALIZED VIEW v TO target AS SELECT toString(id) AS id FROM queue',
  );
  await stream.answers('SELECT count() FROM target', '1');
  await stream.sql('DROP TABLE queue', create("'a' = 1, 'b' = 2"));
  await stream.answers('SELECT arraySort(groupArray(id)) FROM target', "['a','a','b']");
});
