import test from 'ava';
import { waitFor } from '../helpers/index.ts';
import { useStream } from '../helpers/stream.ts';

const TARGET =
  'CREATE TABLE target (id UInt64, region String, name String, offset UInt64, deleted UInt8) ENGINE = MergeTree ORDER BY offset';
const VIEW = 'CREATE MATERIALIZED VIEW v TO target AS SELECT id, region, name, _offset AS offset, _tombstone AS deleted FROM queue';
const ROWS = 'SELECT id, region, name, offset, deleted FROM target ORDER BY offset';

const JSON_KEY = "kafka_tombstones = 1, kafka_key_format = 'JSONEachRow', kafka_key_columns = 'id, region'";
const COLUMNS = '(id UInt64, region String, name String)';

const key = (id: number): string => `{"id":${id},"region":"eu"}`;

for (const [format, value] of [
  ['JSONEachRow', (name: string) => `{"id":999,"name":"${name}"}`],
  ['CSV', (name: string) => name],
  ['Values', (name: string) => `('${name}')`],
  ['Parquet', undefined],
] as const) {
  test.serial(`the key fills its columns and tombstones become rows: ${format}`, async (t) => {
    const stream = await useStream(t);
    const parquet = async (name: string): Promise<Buffer> =>
      Buffer.from(
        await (await fetch(`${stream.gateway.url}/?query=${encodeURIComponent(`SELECT '${name}' AS name FORMAT Parquet`)}`)).arrayBuffer(),
      );
    const render = async (name: string): Promise<string | Buffer> => (value === undefined ? parquet(name) : value(name));
    await stream.kafka.produce(stream.topic, [
      { key: key(1), value: await render('one') },
      { key: key(2), value: await render('two') },
      { key: key(1), value: null },
      { key: key(3), value: await render('three') },
      { key: key(2), value: null },
      { key: key(3), value: null },
      { key: key(4), value: await render('four') },
    ]);
    await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ format, settings: JSON_KEY })}`, TARGET, VIEW);
    await stream.answers(
      ROWS,
      '1\teu\tone\t0\t0\n2\teu\ttwo\t1\t0\n1\teu\t\t2\t1\n3\teu\tthree\t3\t0\n2\teu\t\t4\t1\n3\teu\t\t5\t1\n4\teu\tfour\t6\t0',
    );
  });
}

test.serial('a raw key fills one column, converted to its type', async (t) => {
  const stream = await useStream(t);
  const settings = "kafka_tombstones = 1, kafka_key_format = 'RawBLOB', kafka_key_columns = 'id'";
  await stream.kafka.produce(stream.topic, [
    { key: '41', value: '{"region":"us","name":"a"}' },
    { key: '42', value: null },
  ]);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings })}`, TARGET, VIEW);
  await stream.answers(ROWS, '41\tus\ta\t0\t0\n42\t\t\t1\t1');
});

test.serial('a key that cannot be read makes its message broken, with or without value, and no other', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, [
    { key: key(1), value: '{"name":"good"}' },
    { key: 'no json', value: '{"name":"bad key"}' },
    { key: '{"id":"x"}', value: '{"name":"bad id"}' },
    { key: null, value: null },
    { key: '[1]', value: null },
    { key: key(5), value: '{"name":"good"}' },
    { key: '{"region":"no id"}', value: null },
  ]);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: `${JSON_KEY}, kafka_handle_error_mode = 'stream'` })}`,
    'CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY o AS SELECT id, region, name, _offset AS o, _tombstone AS deleted, _error AS e FROM queue',
  );
  await stream.answers(
    `SELECT id, region, name, o, deleted, e != '' FROM v ORDER BY o`,
    '1\teu\tgood\t0\t0\t0\n0\t\t\t1\t0\t1\n0\t\t\t2\t0\t1\n0\t\t\t3\t0\t1\n0\t\t\t4\t0\t1\n5\teu\tgood\t5\t0\t0\n0\tno id\t\t6\t1\t0',
  );
  t.regex(
    await stream.sql('SELECT e FROM v WHERE o = 1'),
    /^The message key cannot be read as JSONEachRow into \(`id` UInt64, `region` String\)/,
  );
});

test.serial('tombstones make no rows unless the table asks for them', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, [
    { key: key(1), value: '{"name":"one"}' },
    { key: key(1), value: null },
    { key: key(2), value: '{"name":"two"}' },
  ]);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    'CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY o AS SELECT name, _offset AS o FROM queue',
  );
  await stream.answers('SELECT name, o FROM v ORDER BY o', 'one\t0\ntwo\t2');
});

test.serial('many tombstones among many rows come in few INSERTs', async (t) => {
  const stream = await useStream(t);
  const total = 20_000;
  await stream.kafka.produce(
    stream.topic,
    Array.from({ length: total }, (_, i) => ({ key: key(i), value: i % 3 === 0 ? null : `{"name":"n${i}"}` })),
  );
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: JSON_KEY })}`, TARGET, VIEW);
  const deleted = Math.ceil(total / 3);
  await stream.answers(
    "SELECT count(), sum(deleted), sum(id = offset), countIf(deleted = 0 AND name = concat('n', toString(id))) FROM target",
    `${total}\t${deleted}\t${total}\t${total - deleted}`,
  );
  const [parts = ''] = (await stream.sql("SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'target'")).split(
    '\n',
  );
  t.true(Number(parts) < 100, `${parts} parts`);
});

test.serial('a view made while rows go in and their tombstones have yet to follow makes no row come twice', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: JSON_KEY })}`, TARGET, `${VIEW} WHERE sleepEachRow(2) = 0`);
  await stream.kafka.produce(stream.topic, [
    { key: key(1), value: null },
    { key: key(1), value: '{"name":"one"}' },
  ]);
  // Not the one that only checks whether the tombstones can be read.
  const inserting = `SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND query LIKE '%${stream.database}%' AND query NOT LIKE '%materialize(0)%'`;
  await waitFor(async () => Number(await stream.direct(inserting)) > 0);
  await stream.sql(
    'CREATE MATERIALIZED VIEW other ENGINE = MergeTree ORDER BY o AS SELECT _offset AS o, _key AS k, _headers.name AS h FROM queue',
  );
  await stream.kafka.produce(stream.topic, [{ key: key(2), value: '{"name":"two"}' }]);
  await stream.answers('SELECT id, offset, deleted FROM target ORDER BY offset', '1\t0\t1\n1\t1\t0\n2\t2\t0');
});
