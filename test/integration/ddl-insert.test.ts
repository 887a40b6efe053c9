import test from 'ava';
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

test('two equal INSERTs are two rows, unless a token says that one repeats the other', async (t) => {
  const { sql, direct } = await useWriting(t);
  await sql(`CREATE TABLE q (a Int32) ${KAFKA_ENGINE}`);
  const count = (): Promise<string> => direct(`SELECT count() FROM ${OUTBOX}`);
  for (let i = 0; i < 2; i += 1) t.is(await sql('INSERT INTO q VALUES (1)'), '');
  for (let i = 0; i < 2; i += 1) t.is(await sql('INSERT INTO q SELECT number FROM numbers(1) ORDER BY ALL'), '');
  t.is(await count(), '4');
  for (let i = 0; i < 2; i += 1) t.is(await sql('INSERT INTO q VALUES (1)', { insert_deduplication_token: 'one' }), '');
  for (let i = 0; i < 2; i += 1) t.is(await sql("INSERT INTO q SETTINGS insert_deduplication_token = 'two' VALUES (1)"), '');
  t.is(await count(), '6');
});
