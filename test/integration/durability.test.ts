import test from 'ava';
import { waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

async function stateOf({ gateway, database }: Stream): Promise<string> {
  const { tables } = (await (await fetch(`${gateway.adminUrl}/status`)).json()) as {
    tables: { database: string; state: string; reason?: string }[];
  };
  const found = tables.find((one) => one.database === database);
  return `${found?.state ?? 'unknown'} ${found?.reason ?? ''}`.trim();
}

async function waitForState(stream: Stream, wanted: RegExp): Promise<string> {
  return waitFor(
    async () => {
      const state = await stateOf(stream);
      if (!wanted.test(state)) throw new Error(`the table is ${state}`);
      return state;
    },
    { message: '/status' },
  );
}

test('with kafka_require_fsync nothing is read before every target writes through, and the status has the statement that makes it', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['{"id":1}']);
  await stream.sql(
    `CREATE TABLE q (id UInt64) ${stream.engine({ settings: 'kafka_require_fsync = 1' })}`,
    'CREATE TABLE target (id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS fsync_after_insert = 1',
    'CREATE MATERIALIZED VIEW v TO target AS SELECT id FROM q',
    'CREATE MATERIALIZED VIEW w ENGINE = SummingMergeTree ORDER BY id SETTINGS fsync_after_insert = 1, fsync_part_directory = true AS SELECT id FROM target',
  );
  const statement = `ALTER TABLE \`${stream.database}\`.\`target\` MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1`;
  t.is(
    await waitForState(stream, /^not ready/),
    `not ready kafka_require_fsync: ${stream.database}.target: fsync_part_directory is 0 (${statement})`,
  );
  t.deepEqual(await stream.kafka.groupMembers(stream.group), []);
  await stream.direct(statement);
  await stream.answers('SELECT count() FROM w', '1');
  await waitForState(stream, /^streaming$/);

  await stream.direct('ALTER TABLE target RESET SETTING fsync_after_insert');
  await waitForState(stream, /^not ready .*fsync_after_insert is 0/);
  await waitFor(async () => (await stream.kafka.groupMembers(stream.group)).length === 0, { message: 'the consumer has left' });
});

test('with kafka_require_fsync a table does not stream into an engine that has no such setting', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE q (id UInt64) ${stream.engine({ settings: 'kafka_require_fsync = 1' })}`,
    'CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT id FROM q',
  );
  t.regex(await waitForState(stream, /^not ready/), /engine Memory has no setting that makes an INSERT wait for the disk$/);
});

test('settings for INSERTs among those of the table go with every INSERT, those of broken messages’ neighbours included', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['{"id":1}', 'broken', '{"id":2}']);
  const settings =
    "insert_quorum = 'auto', insert_quorum_timeout = 4321, insert_quorum_parallel = 0, distributed_foreground_insert = 1, kafka_handle_error_mode = 'stream'";
  await stream.sql(
    `CREATE TABLE q (id UInt64) ${stream.engine({ settings })}`,
    'CREATE TABLE target (id UInt64, quorum String, timeout String, parallel String, foreground String) ENGINE = MergeTree ORDER BY id',
    `CREATE MATERIALIZED VIEW v TO target AS SELECT id, toString(getSetting('insert_quorum')) AS quorum,
       toString(getSetting('insert_quorum_timeout')) AS timeout, toString(getSetting('insert_quorum_parallel')) AS parallel,
       toString(getSetting('distributed_foreground_insert')) AS foreground FROM q`,
  );
  await stream.answers('SELECT count() FROM target', '3');
  t.is(await stream.direct('SELECT DISTINCT quorum, timeout, parallel, foreground FROM target'), 'auto\t4321\tfalse\ttrue');
});

test('without such settings those of the account’s profile count', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['{"id":1}']);
  await stream.sql(
    `CREATE TABLE q (id UInt64) ${stream.engine()}`,
    "CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT toString(getSetting('insert_quorum')) AS quorum FROM q",
  );
  await stream.answers('SELECT count() FROM v', '1');
  t.is(await stream.direct('SELECT quorum FROM v'), await stream.direct("SELECT toString(getSetting('insert_quorum'))"));
});
