import test from 'ava';
import { classify } from '../../src/query/classify.ts';

const NONE: ReadonlySet<string> = new Set();
const NAMES: ReadonlySet<string> = new Set(['queue', Buffer.from('очередь').toString('latin1')]);
const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

const answers = test.macro((t, head: string, isComplete: boolean, names: ReadonlySet<string>, expected: ReturnType<typeof classify>) => {
  t.is(classify(latin1(head), isComplete, names), expected);
});

for (const head of [
  'CREATE TABLE x',
  '/* c */ -- d\n  drop table x',
  'alter table t',
  'DESC t',
  'SHOW CREATE t',
  'show table t',
  'ATTACH TABLE t',
  'RENAME TABLE a TO b',
]) {
  test(`${JSON.stringify(head)} is read whole, managed tables or not`, answers, head, true, NONE, 'whole');
}

for (const head of [
  'SELECT * FROM queue',
  'INSERT INTO queue VALUES (1)',
  'SET x = 1',
  'SHOW TABLES',
  'SYSTEM FLUSH LOGS',
  '',
  '   ',
  'нечто',
  'USE db',
  'EXISTS TABLE queue',
  'KILL QUERY WHERE 1',
]) {
  test(`${JSON.stringify(head)} is forwarded when there are no managed tables`, answers, head, true, NONE, 'forward');
}

for (const head of [
  'SELECT * FROM queue',
  'select 1 from db.queue',
  'WITH x AS (SELECT 1) SELECT * FROM `queue`',
  '(SELECT 1 FROM "queue")',
  'INSERT INTO queue VALUES (1)',
  'INSERT INTO TABLE db.`queue` (a) FORMAT CSV\n1',
  'INSERT INTO t SELECT * FROM queue',
  'INSERT INTO t (select, `format`) WITH 1 AS x SELECT x FROM queue',
  'INSERT INTO t (SELECT * FROM queue)',
  'INSERT INTO t ((FROM queue SELECT a))',
  'INSERT INTO t /* VALUES */ SELECT a FROM queue',
  'INSERT INTO t SETTINGS a = 1, b (SELECT a FROM queue)',
  'INSERT INTO FUNCTION file(x) PARTITION BY a SELECT a FROM queue',
  'INSERT INTO t\u00a0SELECT a FROM queue',
]) {
  test(`${JSON.stringify(head)} is read whole: it names a managed table`, answers, head, true, NAMES, 'whole');
}

for (const head of [
  'SELECT * FROM queue2',
  "SELECT 'queue'",
  'SELECT 1 -- queue',
  "INSERT INTO t VALUES ('queue')",
  'INSERT INTO t FORMAT CSV\nqueue',
  'INSERT INTO FUNCTION file(x) VALUES (1)',
  'EXPLAIN SELECT * FROM queue',
  'INSERT INTO t SELECT 1',
  'INSERT INTO t (a) /* SELECT */ VALUES (queue)',
  "INSERT INTO t FROM INFILE 'queue' FORMAT CSV",
]) {
  test(`${JSON.stringify(head)} is forwarded: it names no managed table`, answers, head, true, NAMES, 'forward');
}

test('a name that is not ASCII is found in the bytes of the statement', answers, 'SELECT * FROM `очередь`', true, NAMES, 'whole');
test(
  'an INSERT is forwarded as soon as its table and the beginning of its data are read',
  answers,
  'INSERT INTO t (a, b) VALUES (1, ',
  false,
  NAMES,
  'forward',
);
for (const head of [
  'INSERT INTO t (from, to',
  'INSERT INTO t (select',
  'INSERT INTO t SETTINGS a = ',
  'INSERT INTO t -- SELECT',
  'INSERT INTO t SEL',
])
  test(`${JSON.stringify(head)} is waited for: it may go on with a SELECT or with data`, answers, head, false, NAMES, 'more');
test(
  'an INSERT from a SELECT in brackets is read whole before all of it is there',
  answers,
  'INSERT INTO t (SELECT a ',
  false,
  NAMES,
  'whole',
);
test('an INSERT into a function that is cut off is waited for', answers, "INSERT INTO FUNCTION file('x', ", false, NAMES, 'more');
test('data for a function are not waited for', answers, "INSERT INTO FUNCTION file('x') FORMAT CSV\n", false, NAMES, 'forward');
test('an INSERT cut in its table name is waited for', answers, 'INSERT INTO que', false, NAMES, 'more');
test('an INSERT cut behind its table name is waited for', answers, 'INSERT INTO queue', false, NAMES, 'more');
test('an INSERT into a managed table is known before its data', answers, 'INSERT INTO queue (a) ', false, NAMES, 'whole');
test('a first word that is cut off is waited for', answers, '/* long */ CRE', false, NAMES, 'more');
test('a comment that is cut off is waited for', answers, '/* long ', false, NAMES, 'more');
test('a query longer than the head is read whole', answers, 'SELECT 1, 2, 3 ', false, NAMES, 'whole');
test('a query longer than the head is forwarded when there are no managed tables', answers, 'SELECT 1, 2, 3 ', false, NONE, 'forward');

test('classifying takes microseconds', (t) => {
  const head = `SELECT ${Array.from({ length: 200 }, (_, index) => `column_${index}`).join(', ')} FROM somewhere`;
  for (let warm = 0; warm < 200; warm++) classify(head, true, NAMES);
  const start = performance.now();
  for (let index = 0; index < 200; index++) classify(head, true, NAMES);
  t.true((performance.now() - start) / 200 < 2, 'less than 2 ms each on a busy machine');
});
