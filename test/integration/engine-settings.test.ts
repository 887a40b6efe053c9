import test from 'ava';
import { ENGINE_SETTINGS, type EngineSetting } from '../../src/engine/index.ts';
import { useBoth } from '../query/both.ts';

const REQUIRED: Readonly<Record<string, string>> = {
  kafka_broker_list: "'127.0.0.1:1'",
  kafka_topic_list: "'t'",
  kafka_group_name: "'g'",
  kafka_format: "'JSONEachRow'",
};
const ALL: [string, EngineSetting][] = Object.entries(ENGINE_SETTINGS);
const SERVERS_OWN = ALL.filter(([, { extension }]) => extension !== true);
const EXTENSIONS = ALL.filter(([, { extension }]) => extension === true);
/** The server refuses these without a Keeper, which the gateway does not need. */
const IN_KEEPER = /^kafka_(?:keeper_path|replica_name)$/;

/** Its default, which the required ones do not have, and another value. */
function acceptedValues(name: string, setting: EngineSetting): string[] {
  return [...(name in REQUIRED ? [] : ['DEFAULT']), ...(IN_KEEPER.test(name) ? [] : [otherValue(name, setting)])];
}

/** A value that is not the default and that both accept. */
function otherValue(name: string, { type }: EngineSetting): string {
  if (name === 'kafka_consumers_pool_ttl_ms') return '70000';
  if (name === 'kafka_handle_error_mode') return "'stream'";
  return { string: "'x'", char: "';'", uint64: '5', int64: '-2', milliseconds: '250', bool: '1', 'handle-error-mode': '' }[type];
}

function createTable(name: string, values: Readonly<Record<string, string>>, querySettings = ''): string {
  const assignments = Object.entries({ ...REQUIRED, ...values }).map(([key, value]) => `${key} = ${value}`);
  return `CREATE OR REPLACE TABLE ${name} (a Int32, b String) ENGINE = Kafka SETTINGS ${assignments.join(', ')}${querySettings}`;
}

for (const [name, setting] of SERVERS_OWN) {
  test(`${name} is accepted and shown as by the native engine`, async (t) => {
    const both = await useBoth(t);
    for (const value of acceptedValues(name, setting)) {
      const statement = createTable('q', { [name]: value });
      await both.same(statement);
      t.regex(await both.ours('SHOW CREATE TABLE q'), /^CREATE TABLE /, statement);
      await both.same('SHOW CREATE TABLE q');
    }
  });
}

test("every kafka_ word in the server's description of the engine that is a setting of it stands in the table", async (t) => {
  const both = await useBoth(t);
  const [description, queryNames] = [
    await both.native("SELECT description FROM system.table_engines WHERE name = 'Kafka'"),
    await both.native("SELECT name FROM system.settings WHERE name LIKE '%kafka%'"),
  ];
  const words = [...new Set(description.match(/\bkafka_[a-z_]+\b/g))].filter((word) => !queryNames.split('\n').includes(word));
  t.true(words.length > 20);
  for (const word of words) {
    const isUnknown = /^115 /.test(await both.native(createTable('q', { [word]: '1' })));
    t.is(word in ENGINE_SETTINGS, !isUnknown, word);
  }
});

test('a kafka_ setting that is not in the table is refused by both, and the extensions by the native engine only', async (t) => {
  const both = await useBoth(t);
  for (const name of ['kafka_bogus', 'kafka_topic', 'kafka_partition_assignment', 'kafka_shard_count']) {
    t.is(await both.native(createTable('q', { [name]: '1' })), `115 UNKNOWN_SETTING Unknown setting '${name}': for storage Kafka`);
    await both.same(createTable('q', { [name]: '1' }));
  }
  for (const [name] of EXTENSIONS) t.regex(await both.native(createTable('q', { [name]: "''" })), /^115 UNKNOWN_SETTING /, name);
});

test('the extensions are accepted, shown, and kept with the table', async (t) => {
  const both = await useBoth(t);
  const values = {
    kafka_handle_error_mode: "'stream'",
    kafka_tombstones: '1',
    kafka_key_format: "'JSONEachRow'",
    kafka_key_columns: "'a, b'",
    kafka_schema_registry_skip_bytes: '5',
  };
  t.is(await both.ours(createTable('q', values)), '');
  t.true(
    (await both.ours('SHOW CREATE TABLE q')).includes("kafka_tombstones = 1, kafka_key_format = 'JSONEachRow', kafka_key_columns = 'a, b'"),
  );
  const found = both.catalog.find(both.database, 'q');
  t.like(found?.options, { tombstones: true, keyFormat: 'JSONEachRow', keyColumns: ['a', 'b'], skipBytes: 5, deadLetterTopic: '' });
  t.deepEqual(found?.virtualColumns.slice(-3), ['_raw_message', '_error', '_tombstone']);
  const virtual = await both.ours('DESCRIBE q SETTINGS describe_include_virtual_columns = 1, describe_compact_output = 1');
  t.deepEqual(virtual.split('\n').slice(-4), [
    '_table\tLowCardinality(String)\t1',
    '_raw_message\tString\t1',
    '_error\tString\t1',
    '_tombstone\tUInt8\t1',
  ]);
});

test('settings for INSERTs stay with the table; the native engine takes them for the statement and forgets them', async (t) => {
  const both = await useBoth(t);
  const values = {
    insert_quorum: "'auto'",
    insert_quorum_timeout: '5000',
    insert_quorum_parallel: '0',
    distributed_foreground_insert: '1',
  };
  await both.same(createTable('q', values));
  const text = "insert_quorum = 'auto', insert_quorum_timeout = 5000, insert_quorum_parallel = 0, distributed_foreground_insert = 1";
  t.true((await both.ours('SHOW CREATE TABLE q')).replaceAll("\\'", "'").includes(text));
  t.notRegex(await both.native('SHOW CREATE TABLE q'), /insert_quorum/);
  await both.catalog.refresh();
  const found = both.catalog.find(both.database, 'q');
  t.deepEqual(found?.options.insertSettings, {
    insert_quorum: 'auto',
    insert_quorum_timeout: '5000',
    insert_quorum_parallel: '0',
    distributed_foreground_insert: '1',
  });
  t.deepEqual(found?.options.formatSettings, {});
});

test('a value that a setting for INSERTs cannot have is refused in the words of the server', async (t) => {
  const both = await useBoth(t);
  for (const values of [{ insert_quorum: "'most'" }, { insert_quorum_timeout: "'soon'" }, { insert_quorum_parallel: "'x'" }]) {
    const statement = createTable('q', values);
    t.regex(await both.ours(statement), /^\d+ [A-Z_]+ /);
    await both.same(statement);
  }
  t.regex(await both.ours(createTable('q', { kafka_require_fsync: '2' })), /Field value 2 is out of range of bool type/);
});

test('extensions that do not go together are refused with a sentence', async (t) => {
  const both = await useBoth(t);
  const refused: [Record<string, string>, string][] = [
    [{ kafka_dead_letter_topic: "'d'" }, "kafka_dead_letter_topic has no use without kafka_handle_error_mode = 'dead_letter_queue'"],
    [{ kafka_key_format: "'CSV'" }, "Unexpected value of kafka_key_format: 'CSV'. Must be one of ['JSONEachRow', 'RawBLOB']"],
    [{ kafka_key_columns: "'a'" }, 'kafka_key_columns needs kafka_key_format: how is the key to be parsed?'],
    [{ kafka_key_format: "'RawBLOB'" }, 'kafka_key_format needs kafka_key_columns: which columns does the key fill?'],
    [
      { kafka_key_format: "'RawBLOB'", kafka_key_columns: "'a,b'" },
      'A key in format RawBLOB fills one column, and kafka_key_columns names 2',
    ],
    [{ kafka_key_format: "'JSONEachRow'", kafka_key_columns: "'a,a'" }, "kafka_key_columns names column 'a' twice"],
    [{ kafka_key_format: "'JSONEachRow'", kafka_key_columns: "'a,'" }, "kafka_key_columns names column '', which the table does not have"],
    [{ kafka_key_format: "'JSONEachRow'", kafka_key_columns: "'c'" }, "kafka_key_columns names column 'c', which the table does not have"],
  ];
  const withDefault = createTable('q', { kafka_key_format: "'RawBLOB'", kafka_key_columns: "'b'" }).replace('a Int32', 'a Int32 DEFAULT 1');
  t.regex(await both.ours(withDefault), /^48 NOT_IMPLEMENTED kafka_key_columns in a table with DEFAULT/);
  for (const [values, text] of refused) t.is(await both.ours(createTable('q', values)), `36 BAD_ARGUMENTS ${text}`);
  t.is(await both.ours('EXISTS TABLE q'), '0');
});

test('offsets in Keeper are accepted as the server accepts them, and kept in the consumer group', async (t) => {
  const both = await useBoth(t);
  const inKeeper = { kafka_keeper_path: "'/kafka/{database}'", kafka_replica_name: "'r'" };
  const allowed = ' SETTINGS allow_experimental_kafka_offsets_storage_in_keeper = 1';
  await both.same(createTable('q', inKeeper));
  await both.same(createTable('q', { kafka_replica_name: "'r'" }, allowed));
  t.regex(await both.native(createTable('q', inKeeper, allowed)), /^139 .* no Zookeeper configuration/);
  t.is(await both.ours(createTable('q', inKeeper, allowed)), '');
  t.regex(
    await both.ours('SHOW CREATE TABLE q'),
    /kafka_keeper_path = \\'\/kafka\/\{database\}\\'|kafka_keeper_path = '\/kafka\/\{database\}'/,
  );
});
