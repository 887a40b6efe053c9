import test from 'ava';
import { uniqueName, useKafka, useOwnClickHouse, useTopic } from '../helpers/index.ts';
import { useGateway } from '../helpers/gateway.ts';
import { readCommitted } from '../helpers/read-committed.ts';
import { userWith } from '../helpers/users.ts';

test('who may write to a Kafka table and its outbox writes, anybody else is refused by name and leaves nothing behind', async (t) => {
  const [kafka, topic] = [await useKafka(t), await useTopic(t)];
  const clickHouse = await useOwnClickHouse(t, {
    usersXml: [
      userWith('stranger', ['SELECT ON d.*']),
      userWith('knows_the_table', ['INSERT ON d.q']),
      userWith('writer', ['INSERT ON d.q', 'INSERT ON d.`.outbox.q`']),
      userWith('writer_of_a', ['INSERT(a) ON d.q', 'INSERT(a) ON d.`.outbox.q`']),
      userWith('writer_of_both', ['INSERT(a, b) ON d.q', 'INSERT(a, b) ON d.`.outbox.q`']),
      userWith('view_writer', ['CREATE VIEW ON d.*', 'SELECT, INSERT ON d.q', 'SELECT ON d.source']),
      userWith('copier', ['CREATE TABLE, INSERT ON d.copy', 'TABLE ENGINE ON Kafka']),
    ].join(''),
  });
  const gateway = await useGateway(t, { clickHouseUrl: clickHouse.url });
  const send = async (sql: string, name = 'default'): Promise<string> => {
    const answer = await fetch(`${gateway.url}/?user=${name}`, { method: 'POST', body: sql });
    return (await answer.text()).trimEnd();
  };
  t.is(await send('CREATE DATABASE d'), '');
  const engine = `ENGINE = Kafka('${kafka.brokers}', '${topic}', '${uniqueName(t, 'group')}', 'JSONEachRow')`;
  t.is(await send(`CREATE TABLE d.q (a UInt8, b String) ${engine}`), '');

  const refused =
    /^Code: 497\. .*stranger: Not enough privileges\. To execute this query, it's necessary to have the grant INSERT\(a, b\) ON d\.q\./;
  t.regex(await send("INSERT INTO d.q VALUES (0, 'no')", 'stranger'), refused);
  t.is(await clickHouse.query("SELECT count() FROM system.tables WHERE name = '.outbox.q'"), '0');
  t.regex(
    await send("INSERT INTO d.q VALUES (0, 'no')", 'knows_the_table'),
    /^Code: 497\. .*goes by way of its outbox: it's necessary to have the grant INSERT ON `d`\.`\.outbox\.q` as well/,
  );
  t.is(await send("INSERT INTO d.q VALUES (1, 'yes')", 'writer'), '');
  t.is(await send('INSERT INTO d.q (a) VALUES (2)', 'writer_of_a'), '');
  t.regex(await send("INSERT INTO d.q (a, b) VALUES (0, 'no')", 'writer_of_a'), /^Code: 497\. .*the grant INSERT\S* ON d\.q\./);
  t.regex(await send("INSERT INTO d.q VALUES (0, 'no')", 'writer_of_a'), /^Code: 497\. .*the grant INSERT\S* ON d\.q\./);

  t.is(await send("INSERT INTO d.q VALUES (3, 'all by name')", 'writer_of_both'), '');
  t.is(await send('INSERT INTO d.q SELECT 4, toString(4)', 'writer_of_both'), '');
  for (const [list, a] of [
    ['(* EXCEPT b)', 5],
    ["(COLUMNS('^a'))", 6],
    ['(q.a)', 7],
    ['(d.q.a)', 8],
    ['(q.* EXCEPT b)', 9],
  ] as const)
    t.is(await send(`INSERT INTO d.q ${list} VALUES (${a})`, 'writer_of_a'), '', list);
  t.is(await send("INSERT INTO d.q (q.b, * EXCEPT b) VALUES ('both', 10)", 'writer_of_both'), '');
  for (const list of ['(*)', "(COLUMNS('b'))", '(q.b)', '(a, d.q.b)', '(* EXCEPT a)'])
    t.regex(await send(`INSERT INTO d.q ${list} SELECT 1`, 'writer_of_a'), /^Code: 497\. .*the grant INSERT\S* ON d\.q\./, list);
  t.regex(await send("INSERT INTO d.q (a, _key) VALUES (1, 'k')", 'writer_of_a'), /^Code: 497\. .*as well/);

  t.is(await send('CREATE TABLE d.source (a UInt8, b String) ENGINE = MergeTree ORDER BY a'), '');
  t.regex(
    await send('CREATE MATERIALIZED VIEW d.v TO d.q AS SELECT a, b FROM d.source', 'view_writer'),
    /^Code: 497\. .*goes by way of its outbox: it's necessary to have the grant SELECT, INSERT ON `d`\.`\.outbox\.q` as well/,
  );
  t.regex(
    await send(`CREATE TABLE d.copy ${engine} AS SELECT 1 AS a`, 'copier'),
    /^Code: 497\. .*the grant INSERT ON `d`\.`\.outbox\.copy` as well/,
  );
  t.is(await clickHouse.query("SELECT groupArray(name) FROM system.tables WHERE database = 'd' AND name IN ('v', 'copy')"), '[]');

  const messages = await readCommitted(t, kafka, topic, 10);
  t.deepEqual(
    messages.map(({ value }) => String(value)),
    [
      ...['{"a":1,"b":"yes"}\n', '{"a":2,"b":""}\n', '{"a":3,"b":"all by name"}\n', '{"a":4,"b":"4"}\n'],
      ...[5, 6, 7, 8, 9].map((a) => `{"a":${a},"b":""}\n`),
      '{"a":10,"b":"both"}\n',
    ],
  );
});
