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
  const messages = await readCommitted(t, kafka, topic, 2);
  t.deepEqual(
    messages.map(({ value }) => String(value)),
    ['{"a":1,"b":"yes"}\n', '{"a":2,"b":""}\n'],
  );
});
