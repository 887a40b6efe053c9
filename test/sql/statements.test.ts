import test from 'ava';
import { parseStatement, textOf, type Statement } from '../../src/sql/index.ts';

function read<K extends Statement['kind']>(sql: string, kind: K): Extract<Statement, { kind: K }> {
  const result = parseStatement(sql);
  if (!result.ok) throw new Error(`${sql}: ${result.expected.join(', ')} at ${result.position}`);
  if (result.statement.kind !== kind) throw new Error(`${sql}: ${result.statement.kind}`);
  return result.statement as Extract<Statement, { kind: K }>;
}

/** `db.table` of a name, for short. */
const named = ({ database, table }: { database?: string; table: string }): string =>
  database === undefined ? table : `${database}.${table}`;

const drops = test.macro({
  exec(t, sql: string, verb: string, object: string, names: string[], flags: { ifExists?: boolean; permanently?: boolean } = {}) {
    const tree = read(sql, 'drop');
    t.deepEqual([tree.verb, tree.object, tree.names.map(named)], [verb, object, names]);
    t.is(tree.ifExists, flags.ifExists ?? false);
    t.is(tree.permanently, flags.permanently ?? false);
  },
  title: (_, sql: string) => `drops: ${sql}`,
});
test(drops, 'DROP TABLE a, b.c', 'DROP', 'TABLE', ['a', 'b.c']);
test(drops, 'drop table if exists t on cluster c sync;', 'DROP', 'TABLE', ['t'], { ifExists: true });
test(drops, 'DROP TABLE IF EMPTY t NO DELAY', 'DROP', 'TABLE', ['t']);
test(drops, 'DROP TEMPORARY TABLE t', 'DROP', 'TABLE', ['t']);
test(drops, 'DROP VIEW IF EXISTS d.v', 'DROP', 'VIEW', ['d.v'], { ifExists: true });
test(drops, 'DROP DATABASE d SYNC', 'DROP', 'DATABASE', ['d']);
test(drops, 'DETACH TABLE `a b` PERMANENTLY', 'DETACH', 'TABLE', ['a b'], { permanently: true });
test(drops, 'DETACH TABLE t ON CLUSTER c PERMANENTLY SYNC', 'DETACH', 'TABLE', ['t'], { permanently: true });
test(drops, 'TRUNCATE TABLE IF EXISTS t', 'TRUNCATE', 'TABLE', ['t'], { ifExists: true });
test(drops, 'TRUNCATE t', 'TRUNCATE', 'TABLE', ['t']);
test(drops, 'TRUNCATE DATABASE IF EXISTS d', 'TRUNCATE', 'DATABASE', ['d'], { ifExists: true });
test(drops, "UNDROP TABLE t UUID '11111111-1111-1111-1111-111111111111' ON CLUSTER c", 'UNDROP', 'TABLE', ['t']);

const renames = test.macro({
  exec(t, sql: string, verb: string, object: string, pairs: [string, string][]) {
    const tree = read(sql, 'rename');
    t.deepEqual([tree.verb, tree.object, tree.pairs.map(({ from, to }) => [named(from), named(to)])], [verb, object, pairs]);
  },
  title: (_, sql: string) => `renames: ${sql}`,
});
test(renames, 'RENAME TABLE a TO b, c.d TO e ON CLUSTER x', 'RENAME', 'TABLE', [['a', 'b'], ['c.d', 'e']]); // prettier-ignore
test(renames, 'RENAME a TO b', 'RENAME', 'TABLE', [['a', 'b']]);
test(renames, 'RENAME TABLE IF EXISTS a TO b', 'RENAME', 'TABLE', [['a', 'b']]);
test(renames, 'RENAME DATABASE a TO b', 'RENAME', 'DATABASE', [['a', 'b']]);
test(renames, 'EXCHANGE TABLES a AND b, c AND d', 'EXCHANGE', 'TABLE', [['a', 'b'], ['c', 'd']]); // prettier-ignore
test(renames, 'EXCHANGE DICTIONARIES a AND b', 'EXCHANGE', 'DICTIONARY', [['a', 'b']]);

const shows = test.macro({
  exec(t, sql: string, kind: 'show-create' | 'describe' | 'exists', object: string, name: string, tail = '') {
    const tree = read(sql, kind);
    t.deepEqual([tree.object, named(tree.name), tree.tail], [object, name, tail]);
    t.is(tree.temporary, sql.includes('TEMPORARY'));
  },
  title: (_, sql: string) => `shows: ${sql}`,
});
test(shows, 'SHOW CREATE t', 'show-create', 'TABLE', 't');
test(shows, 'SHOW CREATE TABLE t;', 'show-create', 'TABLE', 't');
test(
  shows,
  "SHOW CREATE TABLE d.t -- why\n INTO OUTFILE 'x' FORMAT JSON SETTINGS max_threads=1;",
  'show-create',
  'TABLE',
  'd.t',
  "-- why\n INTO OUTFILE 'x' FORMAT JSON SETTINGS max_threads=1",
);
test(shows, 'SHOW TABLE t', 'show-create', 'TABLE', 't');
test(shows, 'SHOW CREATE TEMPORARY TABLE t', 'show-create', 'TABLE', 't');
test(shows, 'SHOW VIEW v FORMAT TSVRaw', 'show-create', 'VIEW', 'v', 'FORMAT TSVRaw');
test(shows, 'SHOW CREATE view', 'show-create', 'TABLE', 'view');
test(shows, 'DESCRIBE t', 'describe', 'TABLE', 't');
test(shows, 'DESC TABLE d.t FORMAT CSV', 'describe', 'TABLE', 'd.t', 'FORMAT CSV');
test(shows, 'DESC TEMPORARY TABLE t', 'describe', 'TABLE', 't');
test(shows, 'EXISTS t', 'exists', 'TABLE', 't');
test(shows, 'EXISTS TEMPORARY TABLE t', 'exists', 'TABLE', 't');
test(shows, 'EXISTS DATABASE d', 'exists', 'DATABASE', 'd');

const commands = test.macro({
  exec(t, sql: string, table: string, kind: 'optimize' | 'check' | 'delete' | 'update' | 'insert') {
    const { name } = read(sql, kind);
    t.is(name && named(name), table);
  },
  title: (_, sql: string) => `finds the table of: ${sql}`,
});
test(commands, 'OPTIMIZE TABLE t FINAL', 't', 'optimize');
test(commands, 'CHECK TABLE d.t PARTITION 1', 'd.t', 'check');
test(commands, "DELETE FROM t ON CLUSTER c WHERE x = 'y'", 't', 'delete');
test(commands, 'UPDATE t SET a = 1 WHERE 1', 't', 'update');
test(commands, 'INSERT INTO t VALUES (1)', 't', 'insert');
test(commands, 'INSERT INTO TABLE d.t (a, b) FORMAT JSONEachRow {"a": "it\'s', 'd.t', 'insert');
test(commands, 'INSERT INTO `a.b`\nSELECT 1', 'a.b', 'insert');
test(commands, 'WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x', 't', 'insert');

test('an INSERT knows the WITH in front of it', (t) => {
  const sql = 'WITH x AS (SELECT 1 AS a)  INSERT INTO t SELECT a FROM x';
  const { withClause } = read(sql, 'insert');
  t.is(withClause && textOf(sql, withClause).trim(), 'WITH x AS (SELECT 1 AS a)');
});

test('an INSERT into a table function has no table', (t) => {
  t.is(read("INSERT INTO FUNCTION null('a Int8') SELECT 1", 'insert').name, undefined);
  t.is(read("INSERT INTO TABLE FUNCTION s3('x') SELECT 1", 'insert').name, undefined);
});

test('ATTACH without a definition is told from one with', (t) => {
  t.is(named(read('ATTACH TABLE IF NOT EXISTS d.t ON CLUSTER c', 'attach').name), 'd.t');
  t.is(read('ATTACH DATABASE d', 'attach').object, 'DATABASE');
  t.is(read('ATTACH MATERIALIZED VIEW v', 'attach').object, 'MATERIALIZED VIEW');
  t.is(read('ATTACH TABLE t (a Int8) ENGINE = Kafka', 'create-table').verb, 'ATTACH');
  t.true(read('ATTACH MATERIALIZED VIEW v TO t AS SELECT 1', 'create-view').materialized);
});

test('a materialized view: name, target and SELECT', (t) => {
  const sql =
    "CREATE MATERIALIZED VIEW IF NOT EXISTS d.v ON CLUSTER c TO d.t (a Int8) SQL SECURITY NONE COMMENT 'x' AS SELECT format, a FROM q FORMAT Null";
  const tree = read(sql, 'create-view');
  t.deepEqual([named(tree.name), tree.target && named(tree.target), tree.ifNotExists, tree.cluster?.name], ['d.v', 'd.t', true, 'c']);
  t.is(textOf(sql, tree.select), 'SELECT format, a FROM q');
});

test('a materialized view with an engine of its own', (t) => {
  const sql =
    'CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY (a, b) TTL d + INTERVAL 1 DAY SETTINGS x = 1 POPULATE AS (SELECT 1) UNION ALL SELECT 2 SETTINGS y = 2;';
  const tree = read(sql, 'create-view');
  t.deepEqual([tree.engine?.name, tree.populate, tree.target, tree.refresh], ['MergeTree', true, undefined, undefined]);
  t.is(textOf(sql, tree.select), '(SELECT 1) UNION ALL SELECT 2 SETTINGS y = 2');
});

test('a refreshable view', (t) => {
  const tree = read(
    'CREATE MATERIALIZED VIEW v REFRESH EVERY 1 DAY OFFSET 2 HOUR RANDOMIZE FOR 1 HOUR DEPENDS ON d.a, b APPEND TO t EMPTY AS SELECT 1',
    'create-view',
  );
  t.true(tree.refresh?.appends);
  t.is(tree.target?.table, 't');
});

const alters = test.macro({
  exec(t, commandsText: string, ...types: string[]) {
    const tree = read(`ALTER TABLE d.t ${commandsText}`, 'alter');
    t.deepEqual(tree.commands.map(({ type }) => type), types); // prettier-ignore
  },
  title: (_, commandsText) => `alters: ${String(commandsText)}`,
});
test(alters, 'ADD COLUMN a Array(Tuple(x Int8, y Int8)) AFTER b, DROP COLUMN c', 'ADD_COLUMN', 'DROP_COLUMN');
test(alters, '(ADD COLUMN a Int8), (CLEAR COLUMN b)', 'ADD_COLUMN', 'DROP_COLUMN');
test(alters, "UPDATE a = 1, delete = 2 WHERE x IN (1, 2), MODIFY SETTING b = 'x,y', c = 2", 'UPDATE', 'MODIFY_SETTING');
test(alters, 'MODIFY TTL d + INTERVAL 1 DAY, e + INTERVAL 2 DAY', 'MODIFY_TTL');
test(alters, "MODIFY COLUMN a COMMENT 'x', MODIFY COLUMN b Int8 COMMENT 'x'", 'COMMENT_COLUMN', 'MODIFY_COLUMN');
test(alters, "MODIFY COLUMN a.b COMMENT 'x' AFTER b, (MODIFY COLUMN a COMMENT 'x' FIRST)", 'MODIFY_COLUMN', 'MODIFY_COLUMN');
test(alters, "(MODIFY COLUMN a COMMENT 'x'), MODIFY COLUMN a COMMENT 'x' SETTINGS alter_sync = 1", 'COMMENT_COLUMN', 'COMMENT_COLUMN');
test(alters, "MODIFY COLUMN a COMMENT 'x' SETTINGS (max_compress_block_size = 1)", 'MODIFY_COLUMN');
test(alters, 'DROP DETACHED PARTITION 1, FREEZE, FREEZE PARTITION 2', 'DROP_DETACHED_PARTITION', 'FREEZE_ALL', 'FREEZE_PARTITION');
test(alters, 'DO SOMETHING NEW', 'OTHER');

test('MODIFY COMMENT gives the new text and its place', (t) => {
  const sql = "ALTER TABLE t ON CLUSTER c MODIFY COMMENT /* new */ 'it''s' SETTINGS x = 1";
  const comment = read(sql, 'alter').commands[0]?.comment;
  t.is(comment?.value, "it's");
  t.is(comment && textOf(sql, comment.span), "'it''s'");
});

test('mutations and partition commands are told from metadata', (t) => {
  const { commands: all } = read('ALTER TABLE t DROP COLUMN a, DELETE WHERE 1, DROP PARTITION 1', 'alter');
  t.deepEqual(all.map(({ family }) => family), ['metadata', 'mutation', 'partition']); // prettier-ignore
});

test('spans give back the source', (t) => {
  const sql =
    "CREATE TABLE d . q ON CLUSTER 'c' (a Int8) ENGINE = Kafka ( 'b' ) PARTITION BY (a, a) SETTINGS x = 1, y = 2 COMMENT 'z' SETTINGS w = 3";
  const tree = read(sql, 'create-table');
  const text = (span: { start: number; end: number } | undefined): string | undefined => span && textOf(sql, span);
  t.is(text(tree.name.span), 'd . q');
  t.is(text(tree.cluster?.span), "ON CLUSTER 'c'");
  t.is(text(tree.elements?.span), '(a Int8)');
  t.is(text(tree.engine?.span), "ENGINE = Kafka ( 'b' )");
  t.is(text(tree.storageClauses[0]?.span), 'PARTITION BY (a, a)');
  t.is(text(tree.settings[0]?.span), 'SETTINGS x = 1, y = 2');
  t.is(text(tree.comment?.span), "COMMENT 'z'");
  t.is(text(tree.settings[1]?.span), 'SETTINGS w = 3');
  t.is(tree.end, sql.length);
});

test('AS: a table, a clone, a function and a SELECT are told apart', (t) => {
  const other = read('CREATE TABLE t CLONE AS d.o ENGINE = Kafka', 'create-table');
  t.deepEqual([other.asTable && named(other.asTable.name), other.asTable?.clone], ['d.o', true]);
  const plain = read('CREATE TABLE t ENGINE = Kafka AS o', 'create-table');
  t.deepEqual([plain.asTable?.name.table, plain.asTable?.clone, plain.engine?.name], ['o', false, 'Kafka']);
  const sql = 'CREATE TABLE t AS numbers(10)';
  const fromFunction = read(sql, 'create-table').asTableFunction;
  t.is(fromFunction && textOf(sql, fromFunction), 'numbers(10)');
  const select = "CREATE TABLE t ENGINE = Kafka EMPTY AS WITH 1 AS x SELECT x COMMENT 'c'";
  const tree = read(select, 'create-table');
  t.is(tree.asSelect?.empty && textOf(select, tree.asSelect.empty), 'EMPTY');
  t.is(tree.asSelect && textOf(select, tree.asSelect.span), 'AS WITH 1 AS x SELECT x');
});

test('values: what kind they are', (t) => {
  const tree = read("CREATE TABLE t ENGINE = Kafka(('a'), -1.5, TRUE, a.`b c`, NULL, 'a' || 'b', {p:String}, $$x$$)", 'create-table');
  const kinds = tree.engine?.args?.map(({ value }) => value.kind);
  t.deepEqual(kinds, ['string', 'number', 'bool', 'identifier', 'expression', 'expression', 'expression', 'string']);
  const identifier = tree.engine?.args?.[3]?.value;
  t.is(identifier?.kind === 'identifier' && identifier.name, 'a.b c');
});

test('a query parameter in a name is kept, without the white space in it', (t) => {
  const tree = read('DROP TABLE { d /* x */ : Identifier }.t', 'drop');
  t.deepEqual(tree.names[0]?.database, '{d:Identifier}');
  t.true(tree.names[0]?.hasParameter);
});

const foreign = test.macro({
  exec(t, sql: string) {
    t.false(parseStatement(sql).ok);
  },
  title: (_, sql: string) => `is not ours: ${sql}`,
});
for (const sql of [
  'SELECT 1',
  'DESCRIBE numbers(1)',
  'DESCRIBE (SELECT 1)',
  'DESC SELECT 1',
  'SHOW TABLES',
  'SHOW CREATE USER u',
  'DROP FUNCTION f',
  'CHECK GRANT SELECT ON t',
  'WITH 1 AS x SELECT x',
  'CREATE DATABASE d',
  'DROP TABLE a; DROP TABLE b',
  'CREATE TABLE a.b.c ENGINE = Kafka',
  "CREATE TABLE t ENGINE = 'Kafka'",
  "CREATE TABLE t (a Int8) COMMENT 'x' ENGINE = Kafka",
  'CREATE TABLE t (a Int8) SETTINGS x = 1 ENGINE = Kafka',
  'CREATE TABLE t (a.b Int8) ENGINE = Kafka',
]) {
  test(foreign, sql);
}
