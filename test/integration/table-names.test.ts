import test, { type ExecutionContext } from 'ava';
import { startOwnClickHouse, type ClickHousePart } from '../parts/clickhouse.ts';
import { startGateway, UNCHECKED, type GatewayPart } from '../parts/gateway.ts';
import { userWith } from '../helpers/users.ts';
import { useDoors, type Door, type Question } from './doors/index.ts';

const KAFKA = "ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'JSONEachRow')";
/** Kafka is nowhere: what is inserted stays in the outbox. */
const SOON = 'SETTINGS kafka_delivery_timeout_ms = 200';
const UNSENT = 705;
const NOT_IMPLEMENTED = 48;

const USERS = {
  commenter: ['ALTER MODIFY COMMENT ON comments.*'],
  column_commenter: ['ALTER COMMENT COLUMN(a) ON comments.q'],
  emptier: ['TRUNCATE, OPTIMIZE ON comments.*'],
  nobody: ['SHOW DATABASES ON *.*'],
} as const;

let server: ClickHousePart;
/** In front of the same server; what one has just made, the other does not know yet. */
let gateway: GatewayPart;
let other: GatewayPart;

test.before(async () => {
  const usersXml = Object.entries(USERS).map(([name, grants]) => userWith(name, grants));
  server = await startOwnClickHouse({ usersXml: usersXml.join('') });
  const options = { ...UNCHECKED, clickHouseUrl: server.url, clickHouseNativePort: server.nativePort };
  [gateway, other] = await Promise.all([startGateway(options), startGateway(options)]);
});

test.after.always(async () => {
  await Promise.all([gateway.stop(), other.stop()]);
  await server.stop();
});

const DOORS = ['HTTP', 'the native protocol'] as const;

/** A database of its own, and one door to it. Outcomes are `code text`, or rows. */
async function useDoor(
  t: ExecutionContext,
  kind: 0 | 1,
  database: string,
  options: { user?: string; at?: GatewayPart; hasSession?: boolean } = {},
) {
  const { at = gateway, ...rest } = options;
  await server.query(`CREATE DATABASE IF NOT EXISTS ${database}`);
  const door = (await useDoors(t, at, { database, ...rest }))[kind] as Door;
  const ask = async (question: string | Question): Promise<string> => {
    const { rows, refusal } = await door.ask(typeof question === 'string' ? { sql: question } : question);
    return refusal === undefined ? rows.map((row) => row.join('\t')).join('\n') : `${refusal.code} ${refusal.text}`;
  };
  const refused = async (question: string | Question): Promise<number | undefined> => {
    const { refusal } = await door.ask(typeof question === 'string' ? { sql: question } : question);
    return refusal?.code;
  };
  return { ask, refused, direct: async (sql: string) => server.query(sql, { database }) };
}

for (const [kind, name] of DOORS.entries()) {
  const of = kind === 0 ? 0 : 1;

  test.serial(`who may only change the comment of a Kafka table changes it, and it stays a Kafka table, by ${name}`, async (t) => {
    const { ask } = await useDoor(t, of, 'comments');
    t.is(await ask(`CREATE OR REPLACE TABLE DB.q (a Int32) ${KAFKA}`), '');
    const commenter = await useDoor(t, of, 'comments', { user: 'commenter' });
    t.is(await commenter.ask("ALTER TABLE DB.q MODIFY COMMENT 'mine'"), '');
    t.regex(await ask('SHOW CREATE TABLE DB.q'), /ENGINE = Kafka[^]*COMMENT \\?'mine/);
    t.is(await commenter.ask("ALTER TABLE DB.q COMMENT COLUMN a 'x'").then((answer) => answer.slice(0, 3)), '497');
    const columns = await useDoor(t, of, 'comments', { user: 'column_commenter' });
    t.is(await columns.ask("ALTER TABLE DB.q COMMENT COLUMN a 'of a'"), '');
    t.regex(await ask('SHOW CREATE TABLE DB.q'), /of a[^]*ENGINE = Kafka[^]*COMMENT \\?'mine/);
  });

  test.serial(`who may not see a Kafka table hears of it what the server says, by ${name}`, async (t) => {
    const { ask } = await useDoor(t, of, 'comments');
    await server.query('CREATE DATABASE IF NOT EXISTS native');
    await server.query(`CREATE OR REPLACE TABLE native.q (a Int32) ${KAFKA}`);
    t.is(await ask(`CREATE OR REPLACE TABLE DB.q (a Int32) ${KAFKA}`), '');
    const emptier = await useDoor(t, of, 'comments', { user: 'emptier' });
    t.is(await emptier.ask('TRUNCATE TABLE DB.q'), '48 Truncate is not supported by storage Kafka');
    t.is(await emptier.ask('OPTIMIZE TABLE DB.q'), '48 Method optimize is not supported by storage Kafka');
    const nobody = await useDoor(t, of, 'comments', { user: 'nobody' });
    const natively = (await useDoors(t, server, { user: 'nobody', database: 'comments' }))[of] as Door;
    for (const sql of [
      "ALTER TABLE DB.q MODIFY COMMENT 'x'",
      'ALTER TABLE DB.q ADD COLUMN x Int8',
      'ALTER TABLE DB.q MODIFY TTL now()',
      'ALTER TABLE DB.q DROP PARTITION 1',
      'TRUNCATE TABLE DB.q',
      'OPTIMIZE TABLE DB.q',
      'DELETE FROM DB.q WHERE 1',
      'CHECK TABLE DB.q',
    ]) {
      const { refusal } = await natively.ask({ sql: sql.replace('DB', 'native') });
      t.is(await nobody.ask(sql), `${refusal?.code ?? ''} ${refusal?.text.replace('native', 'DB') ?? ''}`, sql);
    }
  });

  test.serial(`a temporary table comes before a Kafka table of its name, by ${name}`, async (t) => {
    const { ask, refused, direct } = await useDoor(t, of, `temporary_${of}`, { hasSession: true });
    t.is(await ask(`CREATE TABLE events (a Int32) ${KAFKA} ${SOON}`), '');
    t.is(await refused('INSERT INTO events SELECT 1'), 159);
    t.is(await ask('CREATE TEMPORARY TABLE events (a Int32)'), '');
    t.is(await ask('INSERT INTO events VALUES (42)'), '');
    t.is(await ask({ sql: 'INSERT INTO {t:Identifier} SELECT 43', parameters: { t: 'events' } }), '');
    t.is(await ask('SELECT a FROM events ORDER BY a'), '42\n43');
    t.is(await direct('SELECT count() FROM `.outbox.events`'), '1');
    t.is(await refused(`SELECT a FROM temporary_${of}.events`), 620);
    t.is(await ask('TRUNCATE TABLE events'), '');
    t.is(await ask('SELECT count() FROM events'), '0');
    t.is(await ask("ALTER TABLE events MODIFY COMMENT 'x'"), '');
    t.is(await ask('DROP TABLE events'), '');
    t.is(await ask('CREATE TEMPORARY TABLE events (a Int32)'), '');
    t.is(await ask('DROP TEMPORARY TABLE events'), '');
    t.is(await refused('SELECT a FROM events'), 620);
    t.is(await refused('DROP TABLE events'), UNSENT);
    t.is(await direct('SELECT count() FROM `.outbox.events`'), '1');
  });

  test.serial(`rows that are not sent yet stay, however the table or its database is named, by ${name}`, async (t) => {
    const database = `unsent_${of}`;
    const { ask, refused, direct } = await useDoor(t, of, database);
    t.is(await ask(`CREATE TABLE events (a Int32) ${KAFKA} ${SOON}`), '');
    t.is(await ask('CREATE TABLE plain (a Int32) ENGINE = MergeTree ORDER BY a'), '');
    t.is(await ask('INSERT INTO plain SELECT 1'), '');
    t.is(await refused('INSERT INTO events SELECT 1'), 159);
    const parameters = { t: 'events', d: database };
    t.is(await refused({ sql: 'DROP TABLE {t:Identifier}', parameters }), UNSENT);
    t.is(await refused({ sql: 'DROP TABLE {d:Identifier}.{ t : Identifier }', parameters }), UNSENT);
    t.is(await refused({ sql: 'DROP DATABASE {d:Identifier}', parameters }), UNSENT);
    t.is(await refused({ sql: 'TRUNCATE DATABASE {d:Identifier}', parameters }), UNSENT);
    t.regex(await ask('DROP TABLE {t:Identifier}'), /^456 Substitution `t` is not set/);
    for (const sql of [
      'TRUNCATE ALL TABLES FROM DB',
      'TRUNCATE TABLES FROM {d:Identifier}',
      'TRUNCATE TABLES FROM IF EXISTS DB',
      "TRUNCATE TABLES FROM DB LIKE 'ev%'",
      "TRUNCATE TABLES FROM DB NOT LIKE 'plain'",
      "TRUNCATE TABLES FROM DB ILIKE '%OUTBOX%'",
    ])
      t.is(await ask({ sql, parameters }), '48 Truncate is not supported by storage Kafka', sql);
    t.is(await direct('SELECT (SELECT count() FROM `.outbox.events`), (SELECT count() FROM plain)'), '1\t1');
    t.is(await ask("TRUNCATE TABLES FROM DB LIKE 'pl%'"), '');
    t.is(await direct('SELECT (SELECT count() FROM `.outbox.events`), (SELECT count() FROM plain)'), '1\t0');
  });

  test.serial(`a view writes to a Kafka table, by whatever name and whoever has just made it, by ${name}`, async (t) => {
    const { ask, direct } = await useDoor(t, of, `views_${of}`);
    const elsewhere = await useDoor(t, of, `views_${of}`, { at: other });
    await ask('CREATE TABLE source (a Int32) ENGINE = MergeTree ORDER BY a');
    for (let i = 0; i < 5; i += 1) {
      t.is(await elsewhere.ask(`CREATE TABLE q${i} (a Int32) ${KAFKA}`), '');
      t.is(await ask(`CREATE MATERIALIZED VIEW v${i} TO q${i} AS SELECT a FROM source`), '');
      t.regex(await direct(`SHOW CREATE TABLE v${i}`), new RegExp(` TO views_${of}\\.\`.outbox.q${i}\``));
    }
    const parameters = { t: 'q0' };
    t.is(await ask({ sql: 'CREATE MATERIALIZED VIEW v TO {t:Identifier} AS SELECT a FROM source', parameters }), '');
    t.regex(await direct('SHOW CREATE TABLE v'), new RegExp(` TO views_${of}\\.\`.outbox.q0\``));
    t.is(await ask('CREATE MATERIALIZED VIEW plain TO source AS SELECT 1 AS a FROM q0'), '');
  });

  test.serial(`a Kafka table in a statement with PARALLEL WITH is refused, and nothing is done, by ${name}`, async (t) => {
    const database = `parallel_${of}`;
    const { ask, refused, direct } = await useDoor(t, of, database);
    t.is(await ask(`CREATE TABLE events (a Int32) ${KAFKA} ${SOON}`), '');
    t.is(await ask('CREATE TABLE plain (a Int32) ENGINE = MergeTree ORDER BY a'), '');
    t.is(await refused('INSERT INTO events SELECT 1'), 159);
    const parameters = { t: 'events', d: database };
    for (const sql of [
      'INSERT INTO events SELECT 1 PARALLEL WITH INSERT INTO events SELECT 2',
      'INSERT INTO plain SELECT 1 PARALLEL WITH INSERT INTO events SELECT 2',
      'CREATE MATERIALIZED VIEW v TO events AS SELECT a FROM plain PARALLEL WITH CREATE TABLE made (a Int32) ENGINE = Memory',
      'DROP TABLE plain PARALLEL WITH DROP TABLE events',
      'DROP TABLE plain parallel /* x */ with DROP TABLE {t:Identifier}',
      'DROP DATABASE DB PARALLEL WITH DROP DATABASE nowhere',
      "ALTER TABLE plain COMMENT COLUMN a 'x' PARALLEL WITH ALTER TABLE events MODIFY COMMENT 'x'",
    ])
      t.is(await refused({ sql, parameters }), NOT_IMPLEMENTED, sql);
    t.is(await direct('SELECT (SELECT count() FROM `.outbox.events`), (SELECT count() FROM plain)'), '1\t0');
    t.is(await direct("SELECT count() FROM system.tables WHERE database = currentDatabase() AND name NOT LIKE '.%'"), '2');
    t.is(await ask('INSERT INTO plain SELECT 1 PARALLEL WITH INSERT INTO plain SELECT 2'), '');
    t.is(await ask('CREATE TABLE p (parallel Int32) ENGINE = MergeTree ORDER BY parallel'), '');
    const grouped = 'SELECT parallel AS a FROM p GROUP BY parallel WITH TOTALS';
    t.is(await ask(`CREATE MATERIALIZED VIEW v TO events AS ${grouped}`), '');
    t.is(await direct('SELECT count() FROM plain'), '2');
  });
}

test.serial('a table that a form brings comes before a Kafka table of its name', async (t) => {
  const { ask, refused } = await useDoor(t, 0, 'forms');
  t.is(await ask(`CREATE TABLE events (a Int32) ${KAFKA}`), '');
  const table = { table: 'events', name: 'a', values: ['x', 'y'] };
  t.is(await ask({ sql: 'SELECT count() FROM events', table }), '2');
  t.is(await refused({ sql: 'SELECT count() FROM forms.events', table }), 620);
  t.is(await refused({ sql: 'SELECT count() FROM events', table: { ...table, table: 'others' } }), 620);
});
