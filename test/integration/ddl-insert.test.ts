import test from 'ava';
import { ClickHouseException } from '../../src/errors.ts';
import { useNativeClient } from '../frontend/native/helpers/native-client.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { KAFKA_ENGINE, useWriting } from '../query/writing.ts';

ownClickHouse();

const OUTBOX = '`.outbox.q`';

test('rows of an INSERT wait in the outbox, in every form of the statement', async (t) => {
  const { sql, direct } = await useWriting(t);
  t.is(await sql(`CREATE TABLE q (a Int32, s String, n Nested(x Int32)) ${KAFKA_ENGINE}`), '');
  const rows = async (): Promise<string> => {
    const answer = await direct(`SELECT a, s, n.x, _key, _tombstone FROM ${OUTBOX} ORDER BY ALL FORMAT TSV`);
    await direct(`TRUNCATE TABLE ${OUTBOX}`);
    return answer;
  };
  const statements: [string, string][] = [
    ["INSERT INTO q VALUES (1, 'x', [2])", '1\tx\t[2]\t\\N\t0'],
    ['INSERT INTO q (a) VALUES (1)', '1\t\t[]\t\\N\t0'],
    ["INSERT INTO q (s, _key, a, _tombstone) VALUES ('x', 'k', 1, 1)", '1\tx\t[]\tk\t1'],
    ["insert /* c */ into table q(a,`s`,) -- d\n values (1, 'x')", '1\tx\t[]\t\\N\t0'],
    ["INSERT INTO q (*) VALUES (1, 'x', [2])", '1\tx\t[2]\t\\N\t0'],
    ["INSERT INTO q (* EXCEPT (a)) VALUES ('x', [2])", '0\tx\t[2]\t\\N\t0'],
    ["INSERT INTO q (* EXCEPT a) VALUES ('x', [2])", '0\tx\t[2]\t\\N\t0'],
    ["INSERT INTO q (q.* EXCEPT a, q.a) VALUES ('x', [2], 1)", '1\tx\t[2]\t\\N\t0'],
    ["INSERT INTO q (COLUMNS('a')) VALUES (1)", '1\t\t[]\t\\N\t0'],
    ['INSERT INTO q (n.x, `a`) VALUES ([1, 2], 3)', '3\t\t[1,2]\t\\N\t0'],
    ["INSERT INTO q SELECT number, 'x', [] FROM numbers(2)", '0\tx\t[]\t\\N\t0\n1\tx\t[]\t\\N\t0'],
    ["INSERT INTO q (SELECT 1, 'x', [2])", '1\tx\t[2]\t\\N\t0'],
    ["INSERT INTO q(SELECT 1, 'x', [2])", '1\tx\t[2]\t\\N\t0'],
    ["WITH 7 AS seven INSERT INTO q SELECT seven, 'x', []", '7\tx\t[]\t\\N\t0'],
    ['INSERT INTO q (a) SETTINGS async_insert = 0 VALUES (1)', '1\t\t[]\t\\N\t0'],
    ['INSERT INTO q FORMAT CSV\n1,"x","[2]"', '1\tx\t[2]\t\\N\t0'],
    ['INSERT INTO q (a, s) FORMAT JSONEachRow {"a": 1, "s": "x", "_key": "not named"}', '1\tx\t[]\t\\N\t0'],
    ['INSERT INTO q FORMAT JSONEachRow {"a": 1, "_key": "not named"}', '1\t\t[]\t\\N\t0'],
    ["INSERT INTO q (a, _headers) VALUES (1, map('h', 'v'))", '1\t\t[]\t\\N\t0'],
    ["INSERT INTO q SELECT * FROM input('a Int32, s String, x Array(Int32)') FORMAT CSV\n1,x,[2]", '1\tx\t[2]\t\\N\t0'],
  ];
  for (const [statement, expected] of statements) {
    t.is(await sql(statement), '', statement);
    t.is(await rows(), expected, statement);
  }
});

test('a token comes to the outbox with its rows', async (t) => {
  const { sql, direct } = await useWriting(t);
  await sql(`CREATE TABLE q (a Int32) ${KAFKA_ENGINE}`);
  t.is(await sql('INSERT INTO q VALUES (1)', { insert_deduplication_token: 'one' }), '');
  t.is(await sql("INSERT INTO q SETTINGS insert_deduplication_token = 'two' VALUES (1)"), '');
  t.is(await direct(`SELECT DISTINCT _insert_deduplication_token FROM ${OUTBOX} ORDER BY ALL`), 'one\ntwo');
});

test('what is wrong with an INSERT is told in the words of the real engine', async (t) => {
  const { sql, direct, database } = await useWriting(t);
  const native = `n${database.slice(1)}`;
  await direct(`CREATE DATABASE ${native}`);
  t.teardown(async () => direct(`DROP DATABASE ${native}`));
  await direct(`CREATE TABLE ${native}.q (a Int32, s String) ${KAFKA_ENGINE}`);
  await sql(`CREATE TABLE q (a Int32, s String) ${KAFKA_ENGINE}`);
  const shown = (answer: string): string =>
    answer
      .replaceAll(native, 'DB')
      .replaceAll(database, 'DB')
      .replace(/\([0-9a-f-]{36}\)/, '(uuid)');
  for (const rest of [
    'q (z) VALUES (1)',
    'q (a, z) SELECT 1, 2',
    'q (a, a) VALUES (1, 1)',
    'q (a, _topic) VALUES (1, 2)',
    'q VALUES (1, 2, 3)',
    'q (a) VALUES (1), (2, 3)',
    "q VALUES ('x', 'y')",
    'q SELECT 1',
    'q (a) FORMAT CSV\nx',
    'q (a) FORMAT JSONEachRow {"a":"x"}',
    'q FORMAT Nosuch 1',
    "q (a) SELECT throwIf(1, 'thrown')",
    'q (q.z) VALUES (1)',
    'q () VALUES (1)',
    'q\n(a)\n  SELEC 1',
    'q (a) VALUES (nosuch(1))',
    "q (* EXCEPT (a)) VALUES (1, 'x')",
    'q (n.x) VALUES (1)',
    'q (s, (a)) VALUES (1)',
    'q SELECT 1, (SELECT',
  ]) {
    t.is(shown(await sql(`INSERT INTO ${database}.${rest}`)), shown(await direct(`INSERT INTO ${native}.${rest}`)), rest);
  }
});

test('a view writes to the outbox, and SHOW CREATE names the table', async (t) => {
  const { sql, direct, database, asked } = await useWriting(t);
  await sql(`CREATE TABLE q (a Int32, s String) ${KAFKA_ENGINE}`);
  await sql('CREATE TABLE source (a Int32) ENGINE = MergeTree ORDER BY a');
  for (const statement of [
    "CREATE MATERIALIZED VIEW mv TO q AS SELECT a, 'plain' AS s FROM source",
    `CREATE MATERIALIZED VIEW IF NOT EXISTS mv2 TO ${database}.\`q\` (a Int32, s String) AS SELECT a, 'listed' AS s FROM source FORMAT JSONEachRow`,
    "CREATE MATERIALIZED VIEW mv3 TO q AS SELECT a, toString(a) AS _key, map('h', s) AS _headers, 'added' AS s, 1 AS _partition FROM source",
  ])
    t.is(await sql(statement), '', statement);
  t.is(await sql('INSERT INTO source VALUES (1)'), '');
  t.is(
    await direct(`SELECT a, s, _key, _partition, \`_headers.name\`, \`_headers.value\` FROM ${OUTBOX} ORDER BY s FORMAT TSV`),
    "1\tadded\t1\t1\t['h']\t['added']\n1\tlisted\t\\N\t\\N\t[]\t[]\n1\tplain\t\\N\t\\N\t[]\t[]",
  );
  t.deepEqual(asked, ['prepare q', 'prepare q', 'prepare q']);
  for (const statement of ['SHOW CREATE TABLE mv', 'SHOW CREATE VIEW mv', 'SHOW TABLE mv'])
    t.regex(await sql(statement), new RegExp(`^CREATE MATERIALIZED VIEW ${database}\\.mv TO ${database}\\.q\\\\n\\(`));
  t.regex(
    await sql('CREATE MATERIALIZED VIEW wrong TO q AS SELECT a AS nosuch FROM source'),
    /^Code: 8\. .* column with name 'nosuch', which is not found in the target table/,
  );
  t.regex(await sql('CREATE MATERIALIZED VIEW wrong TO q AS SELECT nosuch FROM source'), /^Code: 47\./);
  t.regex(await sql('CREATE MATERIALIZED VIEW wrong TO nosuch AS SELECT a FROM source'), /^Code: 60\./);
});

test('a refreshable view adds its rows to what waits, with APPEND and without', async (t) => {
  const { sql, direct } = await useWriting(t);
  await sql(`CREATE TABLE q (a Int32) ${KAFKA_ENGINE}`);
  for (const append of ['APPEND', ''])
    t.is(await sql(`CREATE MATERIALIZED VIEW v${append} REFRESH EVERY 1 YEAR ${append} TO q AS SELECT 7 AS a`), '');
  for (const view of ['vAPPEND', 'v']) {
    await sql(`SYSTEM REFRESH VIEW ${view}`);
    t.is(await sql(`SYSTEM WAIT VIEW ${view}`), '');
  }
  t.true(Number(await direct(`SELECT count() FROM ${OUTBOX} WHERE a = 7`)) >= 2);
});

test('the outbox is asked before its table goes away, and may say no', async (t) => {
  const { sql, asked, outboxes, database } = await useWriting(t);
  const create = (name: string): string => `CREATE TABLE ${name} (a Int32) ${KAFKA_ENGINE}`;
  outboxes.beforeDrop = async () => Promise.reject(new ClickHouseException(48, 'NOT_IMPLEMENTED', '3 rows are not sent'));
  await sql(create('q'));
  for (const statement of [
    'DROP TABLE q',
    'DROP TABLE IF EXISTS nosuch, q SYNC',
    `DROP DATABASE ${database}`,
    'CREATE OR REPLACE TABLE q (a Int32) ENGINE = Memory',
    `REPLACE TABLE q (a Int64) ${KAFKA_ENGINE}`,
    `CREATE OR REPLACE TABLE q (a Int64) ${KAFKA_ENGINE}`,
    `TRUNCATE DATABASE ${database}`,
    'DROP VIEW q',
  ])
    t.regex(await sql(statement), /^Code: 48\. DB::Exception: 3 rows are not sent/, statement);
  t.deepEqual(new Set(asked), new Set(['beforeDrop q']));
  asked.length = 0;
  for (const statement of [
    'DETACH TABLE q',
    'ATTACH TABLE q',
    'RENAME TABLE q TO q2',
    'RENAME TABLE q2 TO q',
    create('q2'),
    'EXCHANGE TABLES q AND q2',
    'DETACH TABLE q2 PERMANENTLY',
    'ATTACH TABLE q2',
  ])
    t.is(await sql(statement), '', statement);
  t.deepEqual(asked, []);
  outboxes.beforeDrop = async () => Promise.resolve();
  t.is(await sql('DROP TABLE q, q2'), '');
  t.deepEqual(asked, ['beforeDrop q', 'beforeDrop q2']);
});

test('CREATE TABLE … AS SELECT makes the table and writes the rows, or leaves nothing', async (t) => {
  const { sql, direct, asked, database } = await useWriting(t);
  const rows = (table: string): Promise<string> => direct(`SELECT * EXCEPT('^_') FROM \`.outbox.${table}\` ORDER BY ALL FORMAT TSV`);
  const shown = async (table: string): Promise<string> => (await sql(`SHOW CREATE TABLE ${table} FORMAT RawBLOB`)).replaceAll(/\s+/g, ' ');
  t.is(await sql(`CREATE TABLE q1 ${KAFKA_ENGINE} AS SELECT number AS a, toString(number) AS s FROM numbers(2)`), '');
  t.is(await rows('q1'), '0\t0\n1\t1');
  t.is(await shown('q1'), `CREATE TABLE ${database}.q1 ( \`a\` UInt64, \`s\` String ) ${KAFKA_ENGINE}`);
  t.is(await sql(`CREATE TABLE q2 (x Int64, y String) ${KAFKA_ENGINE} AS SELECT 1, 'y' FORMAT CSV`), '');
  t.is(await rows('q2'), '1\ty');
  t.is(await sql(`CREATE TABLE q3 ${KAFKA_ENGINE} EMPTY AS SELECT throwIf(1) AS a, (1, 'x')::Tuple(b UInt8, c String) AS t`), '');
  t.is(await shown('q3'), `CREATE TABLE ${database}.q3 ( \`a\` UInt8, \`t\` Tuple( b UInt8, c String) ) ${KAFKA_ENGINE}`);
  t.deepEqual(asked, ['prepare q1', 'delivered q1', 'prepare q2', 'delivered q2']);
  t.is(await sql(`CREATE TABLE IF NOT EXISTS q1 ${KAFKA_ENGINE} AS SELECT 1 AS a`), '');
  const failing: [string, RegExp][] = [
    [
      `CREATE TABLE q4 (x Int64, y String) ${KAFKA_ENGINE} AS SELECT 1`,
      /^Code: 20\. DB::Exception: Number of columns doesn't match \(source: 1 and result: 2\)/,
    ],
    [`CREATE TABLE q4 (x Int64) ${KAFKA_ENGINE} AS SELECT throwIf(1)`, /^Code: 395\./],
    [`CREATE TABLE q4 ${KAFKA_ENGINE} AS SELECT nosuch`, /^Code: 47\./],
    [`CREATE TABLE q1 ${KAFKA_ENGINE} AS SELECT 1 AS a`, /^Code: 57\./],
    [`CREATE TABLE q4 ${KAFKA_ENGINE} AS SELECT * FROM q1`, /^Code: 620\./],
  ];
  for (const [statement, answer] of failing) t.regex(await sql(statement), answer, statement);
  t.is(await sql('EXISTS TABLE q4'), '0');
});

test('a table that is to be replaced by a SELECT stays as it is, and the client is told what to do instead', async (t) => {
  const { sql, asked } = await useWriting(t);
  t.is(await sql(`CREATE TABLE q (a UInt8) ${KAFKA_ENGINE}`), '');
  const refused = /^Code: 48\. DB::Exception: Replacing a table by .* EMPTY AS SELECT .* INSERT INTO/;
  for (const verb of ['CREATE OR REPLACE', 'REPLACE'])
    t.regex(await sql(`${verb} TABLE q ${KAFKA_ENGINE} AS SELECT throwIf(number = 0) AS a FROM numbers(1)`), refused);
  t.is(await sql('EXISTS TABLE q'), '1');
  t.deepEqual(asked, []);
  t.is(await sql(`CREATE OR REPLACE TABLE q ${KAFKA_ENGINE} EMPTY AS SELECT 'x' AS s`), '');
  t.is(await sql('DESCRIBE q SETTINGS describe_compact_output = 1'), 's\tString');
  t.is(await sql(`CREATE OR REPLACE TABLE made ${KAFKA_ENGINE} AS SELECT 1 AS a`), '');
  t.regex(await sql(`CREATE OR REPLACE TABLE unmade ${KAFKA_ENGINE} AS SELECT throwIf(1) AS a`), /^Code: 395\./);
  t.is(await sql('EXISTS TABLE unmade'), '0');
});

test('CREATE TABLE … AS SELECT keeps to what the request sets, over HTTP and over the native protocol', async (t) => {
  const { sql, direct, nativePort, database } = await useWriting(t);
  const tooMany = `CREATE TABLE q ${KAFKA_ENGINE} AS SELECT number AS a FROM numbers(10)`;
  const limit = { max_rows_to_read: '5', max_block_size: '1', max_query_size: '200' };
  const suspicious = `CREATE TABLE q ${KAFKA_ENGINE} AS SELECT toLowCardinality(1::UInt8) AS a`;
  const allowed = { allow_suspicious_low_cardinality_types: '1', max_query_size: '200' };
  const rows = (): Promise<string> => direct(`SELECT count() FROM ${database}.${OUTBOX}`);
  t.regex(await sql(tooMany, limit), /^Code: 158\./);
  t.is(await sql('EXISTS TABLE q'), '0');
  t.is(await sql(suspicious, allowed), '');
  t.is(await rows(), '1');
  t.is(await sql('DROP TABLE q'), '');
  await direct(`DROP TABLE ${database}.${OUTBOX}`);
  const client = await useNativeClient(t, nativePort, { database });
  t.is((await client.query(tooMany, { settings: limit })).exception?.code, 158);
  t.is(await sql('EXISTS TABLE q'), '0');
  t.is((await client.query(suspicious, { settings: allowed })).exception, undefined);
  t.is(await rows(), '1');
});
