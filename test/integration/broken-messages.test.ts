import test from 'ava';
import { waitFor } from '../helpers/index.ts';
import { readByBoth } from '../helpers/engines.ts';
import { ownClickHouse, useClickHouse } from '../helpers/servers.ts';
import { useStream } from '../helpers/stream.ts';

// The real engine's own dead letters, to compare with.
ownClickHouse({ configXml: '<dead_letter_queue><flush_interval_milliseconds>500</flush_interval_milliseconds></dead_letter_queue>' });

const STREAM_MODE = "kafka_handle_error_mode = 'stream'";

const JSON_MESSAGES = [
  '{"id":1,"name":"good"}',
  '{"id":"zz","name":"wrong type"}',
  '{"id":3,"name":"cut off"',
  '{"id":4,"name":"a"}{"id":5,"name":"b"}{"id":"third is wrong"}',
  'garbage',
  '{"id":6,"name":"quote " inside"}',
  '{"id":7,"name":"good"}}',
  '[{"id":8,"name":"x"},{"id":9]',
  '{"id":10,"name":"good","_error":"forged","_raw_message":"forged"}',
  '\u0000',
  '{"id":11,"name":"good"}',
];

test.serial('broken JSON messages become rows with _error and _raw_message, as in the real engine', async (t) => {
  const messages = [
    ...JSON_MESSAGES.map((value, i) => ({ value, key: `key ${i}`, headers: { h: `${i}` } })),
    { value: null, key: 'tombstone' },
    { value: '' },
    { value: Buffer.from([0x7b, 0xff, 0xfe]) },
  ];
  const { native, gateway } = await readByBoth(t, {
    columns: 'id UInt64, name String',
    format: 'JSONEachRow',
    settings: STREAM_MODE,
    messages,
  });
  t.true(native.length > 8);
  t.deepEqual(gateway, native);
});

test.serial('broken CSV messages become rows with _error and _raw_message, as in the real engine', async (t) => {
  const values = ['1,x', 'zz,y', '3,"unclosed', '4,a\n5,b\nbad,c', '6,x,y,z', '7', '8,good', 'zz,"two\nlines"', '9,last'];
  const messages = values.map((value) => ({ value }));
  const { native, gateway } = await readByBoth(t, { columns: 'id UInt64, name String', format: 'CSV', settings: STREAM_MODE, messages });
  t.deepEqual(gateway, native);
});

test.serial('broken messages of a format that is not spliced become rows, as in the real engine', async (t) => {
  const messages = ["(1, 'a')", '(zz)', "(3, 'c'), (4, 'd')", "(5, 'e'), (x", "(6, 'f')"].map((value) => ({ value }));
  const settings = `${STREAM_MODE}, input_format_values_interpret_expressions = 0`;
  const { native, gateway } = await readByBoth(t, { columns: 'id UInt64, name String', format: 'Values', settings, messages });
  t.deepEqual(gateway, native);
});

test.serial('a view that does not read _error gets a row of defaults for each broken message, as in the real engine', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['{"id":1}', 'broken', '{"id":2}']);
  await stream.sql(
    `CREATE TABLE queue (id UInt64) ${stream.engine({ settings: STREAM_MODE })}`,
    'CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY id AS SELECT id FROM queue',
  );
  await stream.answers('SELECT id FROM v ORDER BY id FORMAT TSV', '0\n1\n2');
});

test.serial('hundreds of broken messages among thousands of good ones are told apart exactly', async (t) => {
  const total = 20_000;
  const stream = await useStream(t);
  // Alone, in pairs and in crowds, at the beginning and at the end.
  const isBroken = (i: number): boolean => i % 997 === 0 || i % 1000 === 1 || (i > 7000 && i < 7600 && i % 2 === 0) || i === total - 1;
  const messages = Array.from({ length: total }, (_, i) => (isBroken(i) ? `{"id":"x${i}"}` : `{"id":${i}}`));
  await stream.kafka.produce(stream.topic, messages);
  await stream.sql(
    `CREATE TABLE queue (id UInt64) ${stream.engine({ settings: STREAM_MODE })}`,
    'CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY _offset AS SELECT id, _offset, _error, _raw_message FROM queue',
  );
  const broken = messages.filter((_, i) => isBroken(i)).length;
  await stream.answers(
    `SELECT count(), countIf(_error != ''), countIf(_error = '' AND id = _offset AND _raw_message = ''),
       countIf(_error != '' AND _raw_message = '{"id":"x' || toString(_offset) || '"}'), uniqExact(_offset) FROM v`,
    `${total}\t${broken}\t${total - broken}\t${broken}\t${total}`,
  );
});

test.serial('dead letters are the ones the real engine writes, and no row comes of them', async (t) => {
  const stream = await useStream(t);
  const clickHouse = await useClickHouse(t);
  await stream.kafka.produce(
    stream.topic,
    JSON_MESSAGES.map((value, i) => ({ value, key: `key ${i}` })),
  );
  const create = (table: string, group: string): string =>
    `CREATE TABLE ${table} (id UInt64, name String) ${stream.engine({ group, settings: "kafka_handle_error_mode = 'dead_letter_queue'" })}`;
  const view = (table: string): string =>
    `CREATE MATERIALIZED VIEW ${table}_view ENGINE = MergeTree ORDER BY _offset AS SELECT *, _offset FROM ${table}`;
  await stream.direct(create('native', `${stream.group}_native`));
  await stream.direct(view('native'));
  await stream.sql(create('ours', stream.group), view('ours'));
  const letters = async (table: string): Promise<string> => {
    await clickHouse.query('SYSTEM FLUSH LOGS');
    return stream.sql(
      `SELECT * EXCEPT (event_date, event_time, event_time_microseconds, table),
         abs(dateDiff('second', event_time, now())) < 600 AND event_date = toDate(event_time)
       FROM system.dead_letter_queue WHERE database = '${stream.database}' AND table = '${table}' ORDER BY kafka_offset FORMAT JSONEachRow`,
    );
  };
  const rows = async (table: string): Promise<string> => stream.sql(`SELECT * FROM ${table}_view ORDER BY ALL`);
  await waitFor(async () => (await rows('native')).split('\n').length === 3, { message: 'the native table is read' });
  await waitFor(async () => (await rows('ours')) === (await rows('native')), { message: 'our table is read' });
  for (const table of ['native', 'ours'])
    await waitFor(async () => (await letters(table)).split('\n').length === 8, { message: `letters of ${table}` });
  t.is(await letters('ours'), await letters('native'));
});
