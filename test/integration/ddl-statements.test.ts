import test from 'ava';
import { useBoth } from '../query/both.ts';

const ENGINE =
  "ENGINE = Kafka SETTINGS kafka_broker_list = '127.0.0.1:1', kafka_topic_list = 't', kafka_group_name = 'g', kafka_format = 'JSONEachRow'";

const REFUSED_ON_A_TABLE = [
  'ALTER TABLE q ADD COLUMN c Int8',
  'ALTER TABLE q ADD COLUMN c Int8, DROP COLUMN a',
  "ALTER TABLE q MODIFY COMMENT 'x', ADD COLUMN c Int8",
  'ALTER TABLE q DROP COLUMN a',
  'ALTER TABLE q MODIFY COLUMN a Int64',
  'ALTER TABLE q RENAME COLUMN a TO z',
  'ALTER TABLE q ADD INDEX i a TYPE minmax',
  'ALTER TABLE q ADD CONSTRAINT c CHECK a > 0',
  'ALTER TABLE q ADD PROJECTION p (SELECT a)',
  "ALTER TABLE q MODIFY SETTING kafka_schema = 'a'",
  'ALTER TABLE q RESET SETTING kafka_schema',
  'ALTER TABLE q MODIFY TTL now()',
  'ALTER TABLE q REMOVE TTL',
  'ALTER TABLE q MODIFY ORDER BY a',
  'ALTER TABLE q MODIFY QUERY SELECT 1',
  'ALTER TABLE q DELETE WHERE 1',
  'ALTER TABLE q UPDATE a = 1 WHERE 1',
  'ALTER TABLE q MATERIALIZE COLUMN a',
  'ALTER TABLE q DROP PARTITION 1',
  'ALTER TABLE q FREEZE',
  "ALTER TABLE q COMMENT COLUMN nosuch 'x'",
  'TRUNCATE TABLE q',
  'TRUNCATE q',
  'OPTIMIZE TABLE q FINAL',
  'CHECK TABLE q',
  'DELETE FROM q WHERE a = 1',
  'UPDATE q SET a = 1 WHERE 1',
  'DROP VIEW q',
  'SELECT * FROM q',
  'SELECT count() FROM q SETTINGS max_threads = 1 FORMAT JSON',
  'select 1 where 1 in (select a from q)',
  'WITH x AS (SELECT a FROM q) SELECT * FROM x',
  'SELECT a FROM q FINAL',
  'SELECT x.a FROM numbers(1) AS n JOIN `q` AS x ON x.a = toInt32(n.number)',
  'INSERT INTO t SELECT a FROM q',
  'INSERT INTO t (a) WITH 1 AS one SELECT a FROM q',
  'INSERT INTO t (SELECT a FROM q)',
  'INSERT INTO t (a) (SELECT a FROM q) UNION ALL SELECT 1',
  'INSERT INTO t ((FROM q SELECT a))',
  'INSERT INTO t SETTINGS max_threads = 1 (WITH 1 AS one SELECT one FROM q)',
  'INSERT INTO t /* VALUES */ SELECT a FROM q',
  'INSERT INTO t (a) /* ) */ SELECT a FROM q FORMAT CSV',
  "INSERT INTO FUNCTION null('a Int32') SELECT a FROM q",
  "INSERT INTO TABLE FUNCTION null('a Int32') (SELECT a FROM q)",
  'WITH x AS (SELECT a FROM q) INSERT INTO t SELECT a FROM x',
  'SELECT * FROM q FORMAT JSON /* dashboard 7 */',
  'SELECT * FROM q FORMAT JSON -- dashboard 7',
  "SELECT 'FORMAT JSON' FROM q FORMAT JSON SETTINGS max_threads = 1;",
  "ALTER TABLE q MODIFY COLUMN a COMMENT 'x' AFTER b",
  "ALTER TABLE q MODIFY COLUMN a COMMENT 'x' FIRST",
  "ALTER TABLE q MODIFY COLUMN a COMMENT 'x' CODEC(ZSTD)",
  "ALTER TABLE q MODIFY COLUMN a COMMENT 'x' SETTINGS (max_compress_block_size = 1)",
  'CREATE TABLE k3 ENGINE = Memory AS SELECT * FROM q',
];

test('statements that a Kafka table refuses are refused with the same code and text', async (t) => {
  const both = await useBoth(t);
  await both.same(`CREATE TABLE q (a Int32, b String) ${ENGINE}`);
  await both.same('CREATE TABLE t (a Int32) ENGINE = Memory');
  for (const sql of REFUSED_ON_A_TABLE) {
    const expected = await both.native(sql);
    t.regex(expected, /^\d+ [A-Z]/, sql);
    t.is(await both.ours(sql), expected, sql);
  }
  await both.same('SHOW CREATE TABLE q');
});

test('statements that only look like they read a Kafka table are answered by the server', async (t) => {
  const both = await useBoth(t);
  await both.same(`CREATE TABLE q (a Int32) ${ENGINE}`);
  for (const sql of [
    "SELECT 'q'",
    'SELECT 1 AS q',
    'SELECT q FROM (SELECT 2 AS q)',
    'WITH q AS (SELECT 3 AS a) SELECT a FROM q',
    'SELECT q.number FROM system.numbers AS q LIMIT 1',
    'SELECT 1 -- FROM q',
    "INSERT INTO t VALUES ('q')",
    'DROP TABLE IF EXISTS system.q',
  ])
    await both.same(sql);
});

test('comments of a Kafka table and its columns can be changed', async (t) => {
  const both = await useBoth(t);
  await both.same(`CREATE TABLE q (a Int32, b String) ${ENGINE}, kafka_sasl_password = 'x' COMMENT 'first'`);
  await both.same("ALTER TABLE q COMMENT COLUMN a 'a''s comment'");
  await both.same("ALTER TABLE q MODIFY COLUMN b COMMENT 'of b'");
  await both.same("ALTER TABLE q (MODIFY COLUMN b COMMENT 'in brackets')");
  await both.same("ALTER TABLE q MODIFY COLUMN b COMMENT 'last' SETTINGS alter_sync = 1");
  await both.same("ALTER TABLE q MODIFY COMMENT 'second, \\'quoted\\''");
  await both.same('SHOW CREATE TABLE q');
  await both.same('DESCRIBE q');
  t.is(both.catalog.find(both.database, 'q')?.options.properties.consumer['sasl.password'], 'x');
  await both.same("ALTER TABLE q MODIFY COMMENT ''");
  await both.same('SHOW CREATE TABLE q');
});

test('a Kafka table is detached, attached, renamed, exchanged and dropped, and the catalog follows', async (t) => {
  const both = await useBoth(t);
  const managed = (): string[] => both.catalog.tables().flatMap(({ database, table }) => (database === both.database ? [table] : []));
  await both.same(`CREATE TABLE q (a Int32) ${ENGINE}`);
  t.deepEqual(managed(), ['q']);
  await both.same('DETACH TABLE q');
  t.deepEqual(managed(), []);
  await both.same('SHOW CREATE TABLE q');
  await both.same('EXISTS TABLE q');
  await both.same('ATTACH TABLE q');
  t.deepEqual(managed(), ['q']);
  await both.same('RENAME TABLE q TO q2');
  t.deepEqual(managed(), ['q2']);
  await both.same('SHOW CREATE TABLE q2');
  await both.same('CREATE TABLE plain (b Int8) ENGINE = Memory');
  await both.same('EXCHANGE TABLES q2 AND plain');
  t.deepEqual(managed(), ['plain']);
  await both.same('SHOW CREATE TABLE plain');
  await both.same('SHOW CREATE TABLE q2');
  await both.same('DETACH TABLE plain PERMANENTLY');
  t.deepEqual(managed(), []);
  await both.same('ATTACH TABLE plain');
  await both.same('DROP TABLE plain SYNC');
  t.deepEqual(managed(), []);
  await both.same('SHOW CREATE TABLE plain');
});

test('views on a Kafka table are known with what they read, and make it ready or not', async (t) => {
  const both = await useBoth(t);
  const state = (table = 'q') => both.catalog.find(both.database, table);
  // The native engine has no ALIAS of virtual columns; here it works, and counts as read.
  await both.ours(`CREATE TABLE q (a Int32, b UInt64 ALIAS _offset) ${ENGINE}`);
  await both.native(`CREATE TABLE q (a Int32) ${ENGINE}`);
  await both.same('CREATE TABLE target (a Int32) ENGINE = Memory');
  await both.same("CREATE MATERIALIZED VIEW v TO target AS SELECT a FROM q WHERE q._topic != 'x'");
  t.deepEqual(both.prepared.splice(0), ['q', 'q done', 'q resumed']);
  await both.same('CREATE MATERIALIZED VIEW v1 TO target AS SELECT nosuch FROM q');
  t.deepEqual(both.prepared, ['q', 'q resumed']);
  t.deepEqual(state()?.views, [`${both.database}.v`]);
  t.deepEqual(state()?.usedVirtualColumns, ['_topic', '_offset']);
  t.is(state()?.notReady, undefined);
  await both.same('CREATE MATERIALIZED VIEW v2 ENGINE = Memory AS SELECT h.name FROM q ARRAY JOIN _headers AS h');
  t.deepEqual(state()?.usedVirtualColumns, ['_topic', '_offset', '_headers.name', '_headers.value']);
  await both.same('CREATE MATERIALIZED VIEW behind ENGINE = Memory AS SELECT a FROM target');
  t.is(state()?.notReady, undefined);
  await both.same('RENAME TABLE q TO q2');
  t.regex(state('q2')?.notReady ?? '', /names the table as it was called before/);
  await both.same('RENAME TABLE q2 TO q');
  t.is(state()?.notReady, undefined);
  await both.same('DROP TABLE target SYNC');
  t.regex(state()?.notReady ?? '', /writes to .*target, which does not exist/);
  await both.same('CREATE TABLE target (a Int32) ENGINE = Memory');
  t.is(state()?.notReady, undefined);
  await both.same('DROP TABLE v SYNC');
  await both.same('DROP TABLE v2 SYNC');
  t.deepEqual(state()?.views, []);
});

test('rows are not taken into a Kafka table yet', async (t) => {
  const both = await useBoth(t);
  await both.ours(`CREATE TABLE q (a Int32) ${ENGINE}`);
  t.is(await both.ours('INSERT INTO q VALUES (1)'), '48 NOT_IMPLEMENTED INSERT into a Kafka table is not supported yet by the gateway');
  t.is(
    await both.ours('CREATE MATERIALIZED VIEW v TO q AS SELECT 1 AS a'),
    '48 NOT_IMPLEMENTED Materialized views that write TO a Kafka table are not supported yet by the gateway',
  );
  t.regex(await both.ours('SELECT * FROM q SETTINGS stream_like_engine_allow_direct_select = 1'), /^48 NOT_IMPLEMENTED/);
});

test("a table of the same name in another database is nobody else's", async (t) => {
  const both = await useBoth(t);
  await both.ours(`CREATE TABLE q (a Int32) ${ENGINE}`);
  await both.direct(`CREATE TABLE default.${both.database} (a Int32) ENGINE = Memory`);
  t.teardown(() => both.direct(`DROP TABLE default.${both.database}`));
  await both.ours(`CREATE TABLE ${both.database} (a Int32) ${ENGINE}`);
  t.is(await both.ours(`INSERT INTO default.${both.database} VALUES (7)`), '');
  t.is(await both.ours(`SELECT a FROM default.${both.database}`), '7');
});
