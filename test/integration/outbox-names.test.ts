import test, { type ExecutionContext } from 'ava';
import { useGateway } from '../helpers/gateway.ts';
import { useOwnKafka, waitFor } from '../helpers/index.ts';
import { readCommitted } from '../helpers/read-committed.ts';
import { useStream, type Stream } from '../helpers/stream.ts';
import type { KafkaPart } from '../parts/kafka.ts';

interface Outlets extends Stream {
  readonly own: KafkaPart;
  /** `(id UInt64) ENGINE = Kafka(…)` of a topic of `own`. */
  queue(topic: string, settings?: string): string;
  /** Resolves when the topic has just these ids. */
  has(topic: string, ids: readonly number[]): Promise<void>;
  /** Names of the database's outboxes. */
  outboxes(): Promise<string>;
}

/** Topics a, b and c of a broker that the test may stop, and a gateway of the test's own. */
async function useOutlets(t: ExecutionContext): Promise<Outlets> {
  const own = await useOwnKafka(t);
  for (const topic of ['a', 'b', 'c']) await own.createTopic(topic, 1);
  const stream = await useStream(t, { gateway: await useGateway(t) });
  return {
    ...stream,
    own,
    queue: (topic, settings = 'kafka_wait_for_delivery = 0') =>
      `(id UInt64) ENGINE = Kafka('${own.brokers}', '${topic}', 'g', 'JSONEachRow') SETTINGS kafka_check_on_create = 0, ${settings}`,
    has: async (topic, ids) => {
      const messages = await readCommitted(t, own, topic, ids.length);
      t.deepEqual(
        messages.map(({ value }) => (JSON.parse(String(value)) as { id: number }).id),
        ids,
      );
    },
    outboxes: async () =>
      stream.direct(
        `SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = '${stream.database}' AND name LIKE '.outbox.%'`,
      ),
  };
}

test.serial('tables that were exchanged keep their rows and topics, also rows that wait for a broker', async (t) => {
  const at = await useOutlets(t);
  const { own } = at;
  await at.sql(
    `CREATE TABLE q1 ${at.queue('a')}`,
    `CREATE TABLE q2 ${at.queue('b')}`,
    `CREATE TABLE q3 ${at.queue('c')}`,
    'INSERT INTO q1 VALUES (1)',
    'INSERT INTO q2 VALUES (2)',
    'INSERT INTO q3 VALUES (3)',
  );
  for (const [topic, id] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ] as const)
    await at.has(topic, [id]);
  await own.kill();
  await at.sql('INSERT INTO q1 VALUES (11)', 'INSERT INTO q2 VALUES (12)', 'EXCHANGE TABLES q1 AND q2');
  await at.sql('INSERT INTO q1 VALUES (21)', 'INSERT INTO q2 VALUES (22)', 'INSERT INTO q3 VALUES (13)');
  t.is(await at.outboxes(), "['.outbox.q1','.outbox.q2','.outbox.q3']");
  await own.restart();
  await at.has('a', [1, 11, 22]);
  await at.has('b', [2, 12, 21]);
  await at.has('c', [3, 13]);
});

test.serial('views write to the tables of their names when these were exchanged, before a gateway was there as well', async (t) => {
  const at = await useOutlets(t);
  const { gateway, database } = at;
  await at.sql(
    'CREATE TABLE source (id UInt64) ENGINE = MergeTree ORDER BY id',
    `CREATE TABLE q1 ${at.queue('a')}`,
    `CREATE TABLE q2 ${at.queue('b')}`,
    'CREATE MATERIALIZED VIEW to_q1 TO q1 AS SELECT id FROM source',
    'INSERT INTO source VALUES (1)',
    'INSERT INTO q2 VALUES (2)',
  );
  await at.has('a', [1]);
  await at.has('b', [2]);
  await gateway.stop();
  await at.direct('EXCHANGE TABLES q1 AND q2');
  const second = await useGateway(t);
  const insert = async (table: string, id: number): Promise<void> => {
    const answer = await fetch(`${second.url}/?database=${database}`, { method: 'POST', body: `INSERT INTO ${table} VALUES (${id})` });
    t.is(await answer.text(), '');
  };
  await insert('q2', 11);
  await insert('source', 12);
  await at.has('a', [1, 11]);
  await at.has('b', [2, 12]);
});

test.serial('tables renamed in a chain keep their rows and topics, and others go on', async (t) => {
  const at = await useOutlets(t);
  const { own } = at;
  await at.sql(
    `CREATE TABLE ra ${at.queue('a')}`,
    `CREATE TABLE rb ${at.queue('b')}`,
    `CREATE TABLE other ${at.queue('c')}`,
    'INSERT INTO ra VALUES (1)',
    'INSERT INTO rb VALUES (2)',
    'INSERT INTO other VALUES (3)',
  );
  await at.has('a', [1]);
  await own.kill();
  await at.sql('INSERT INTO ra VALUES (11)', 'INSERT INTO rb VALUES (12)', 'RENAME TABLE rb TO rc, ra TO rb');
  t.is(await at.outboxes(), "['.outbox.other','.outbox.rb','.outbox.rc']");
  await at.sql('INSERT INTO rb VALUES (21)', 'INSERT INTO rc VALUES (22)', 'INSERT INTO other VALUES (13)');
  await own.restart();
  await at.has('a', [1, 11, 21]);
  await at.has('b', [2, 12, 22]);
  await at.has('c', [3, 13]);
});

test.serial(
  'a table gets the name of one that is gone although that one left rows in its outbox: they are kept, and told of',
  async (t) => {
    const at = await useOutlets(t);
    const { own, gateway } = at;
    await at.sql(`CREATE TABLE q1 ${at.queue('a')}`, `CREATE TABLE q2 ${at.queue('b')}`, `CREATE TABLE q3 ${at.queue('c')}`);
    await at.sql('INSERT INTO q1 VALUES (1)', 'INSERT INTO q3 VALUES (3)');
    await at.has('a', [1]);
    await own.kill();
    await at.sql('INSERT INTO q2 VALUES (2)');
    await at.direct('DROP TABLE q2 SYNC');
    await at.sql('RENAME TABLE q1 TO q2', 'INSERT INTO q2 VALUES (11)', 'INSERT INTO q3 VALUES (13)');
    await own.restart();
    await at.has('a', [1, 11]);
    await at.has('c', [3, 13]);
    t.regex(await at.outboxes(), /^\['\.outbox\.q2','\.outbox\.q2\.[0-9a-f-]{36}','\.outbox\.q3'\]$/);
    t.regex(gateway.logs(), /rows in an outbox that nobody sends/);
  },
);

test.serial(
  'an outbox that cannot follow its table is told of once, and all other tables are written on, after a restart as well',
  async (t) => {
    const at = await useOutlets(t);
    const { gateway, database } = at;
    await at.sql(
      `CREATE TABLE q1 ${at.queue('a')}`,
      `CREATE TABLE q3 ${at.queue('c')}`,
      'INSERT INTO q1 VALUES (1)',
      'INSERT INTO q3 VALUES (3)',
    );
    await at.direct('CREATE TABLE `.outbox.q2` (a UInt8) ENGINE = Memory');
    await at.sql('RENAME TABLE q1 TO q2', 'INSERT INTO q3 VALUES (13)');
    await t.throwsAsync(at.sql('INSERT INTO q2 VALUES (2)'), { message: /^Code: 236\. .*outbox\.q2 cannot be used for .*already exists/s });
    await waitFor(() => Promise.resolve(gateway.logs().includes('an outbox cannot be looked after')));
    await gateway.stop();
    t.is(gateway.logs().split('an outbox cannot be looked after').length, 2);
    const second = await useGateway(t);
    const insert = async (table: string, id: number): Promise<string> =>
      (await fetch(`${second.url}/?database=${database}`, { method: 'POST', body: `INSERT INTO ${table} VALUES (${id})` })).text();
    t.is(await insert('q3', 23), '');
    await at.has('c', [3, 13, 23]);
    await at.direct('DROP TABLE `.outbox.q2` SYNC');
    await waitFor(async () => (await insert('q2', 12)) === '', { timeoutMs: 30_000, message: 'the outbox to follow its table' });
    await at.has('a', [1, 12]);
  },
);

test.serial(
  'a table made under the name of one that was dropped without a gateway is written to, though its columns are others',
  async (t) => {
    const at = await useOutlets(t);
    const { gateway, database } = at;
    await at.sql(`CREATE TABLE q ${at.queue('a')}`, 'INSERT INTO q VALUES (1)');
    await at.has('a', [1]);
    await gateway.stop();
    await at.direct('DROP TABLE q SYNC');
    const second = await useGateway(t);
    await waitFor(() => Promise.resolve(second.logs().includes('they may be in Kafka already')), { message: 'the rows to be told of' });
    const send = async (sql: string): Promise<string> =>
      (await fetch(`${second.url}/?database=${database}`, { method: 'POST', body: sql })).text();
    t.is(await send(`CREATE TABLE q ${at.queue('b').replace('(id UInt64)', '(id UInt64, name String)')}`), '');
    t.is(await send("INSERT INTO q VALUES (2, 'new')"), '');
    await at.has('b', [2]);
    t.regex(await at.outboxes(), /^\['\.outbox\.q','\.outbox\.q\.[0-9a-f-]{36}'\]$/);
  },
);
