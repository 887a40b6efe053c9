import test, { type ExecutionContext } from 'ava';
import { useClickHouse, waitFor } from '../helpers/index.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { useStream, type Stream } from '../helpers/stream.ts';
import { userWith } from '../helpers/users.ts';
import { useDoors, type Door } from './doors/index.ts';

ownClickHouse({ usersXml: userWith('nobody', ['SELECT ON system.one']) + userWith('changer', ['ALTER VIEW MODIFY QUERY ON *.*']) });

/** A hold that nobody ends lasts a minute. */
const WITHOUT_A_PAUSE_MS = 25_000;

interface Flowing {
  readonly stream: Stream;
  /** Sends one more message and waits for its row. */
  readonly goesOn: (why: string) => Promise<void>;
}

/** A Kafka table `queue` whose rows come to `target`. */
async function useFlowing(t: ExecutionContext): Promise<Flowing> {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE queue (id UInt64) ${stream.engine()}`,
    'CREATE TABLE target (id UInt64) ENGINE = MergeTree ORDER BY id',
    'CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue',
  );
  let sent = 0;
  const send = async (): Promise<void> => stream.kafka.produce(stream.topic, [JSON.stringify({ id: (sent += 1) })]);
  await send();
  await stream.answers('SELECT max(id) FROM target', '1');
  const goesOn = async (why: string): Promise<void> => {
    await send();
    const arrived = async (): Promise<boolean> => (await stream.direct('SELECT max(id) FROM target')) === String(sent);
    t.true(await waitFor(arrived, { timeoutMs: WITHOUT_A_PAUSE_MS, message: `a row after ${why}` }));
  };
  return { stream, goesOn };
}

async function doorsOf(t: ExecutionContext, { gateway, database }: Stream, user = 'default'): Promise<Door[]> {
  return useDoors(t, gateway, { database, user });
}

test('messages keep flowing after a view could not be made', async (t) => {
  const { stream, goesOn } = await useFlowing(t);
  for (const door of await doorsOf(t, stream)) {
    const { refusal } = await door.ask({ sql: 'CREATE MATERIALIZED VIEW v2 TO target AS SELECT nosuch FROM queue' });
    t.is(refusal?.code, 47, door.name);
    await goesOn(`a CREATE through ${door.name} that failed`);
  }
});

test('messages keep flowing after a view could not be changed or dropped', async (t) => {
  const { stream, goesOn } = await useFlowing(t);
  for (const door of await doorsOf(t, stream)) {
    t.is((await door.ask({ sql: 'ALTER TABLE nosuch MODIFY QUERY SELECT id FROM queue' })).refusal?.code, 60, door.name);
    t.is((await door.ask({ sql: 'DROP VIEW target' })).refusal?.code, 80, door.name);
    await goesOn(`an ALTER and a DROP through ${door.name} that failed`);
  }
});

test('messages keep flowing after the view of somebody who may change views, and not read the table, was refused', async (t) => {
  const { stream, goesOn } = await useFlowing(t);
  for (const door of await doorsOf(t, stream, 'changer')) {
    t.is((await door.ask({ sql: 'ALTER TABLE view MODIFY QUERY SELECT id FROM queue' })).refusal?.code, 497, door.name);
    await goesOn(`an ALTER through ${door.name} that was refused`);
  }
});

test('who may change no view holds up no messages by trying', async (t) => {
  const { stream, goesOn } = await useFlowing(t);
  const denied = [
    'ALTER TABLE nosuch MODIFY QUERY SELECT id FROM queue',
    'CREATE MATERIALIZED VIEW v2 TO target AS SELECT id FROM queue',
    'DROP VIEW view',
    'DROP DATABASE DB',
  ];
  for (const door of await doorsOf(t, stream, 'nobody')) {
    for (const sql of denied) t.is((await door.ask({ sql })).refusal?.code, 497, `${door.name}: ${sql}`);
    await goesOn(`statements through ${door.name} that were refused`);
  }
});

test('messages keep flowing after a client left while its view was being made', async (t) => {
  const { stream, goesOn } = await useFlowing(t);
  const server = await useClickHouse(t);
  await stream.sql('CREATE TABLE source (id UInt64) ENGINE = Memory');
  // A view is made of one block after the other.
  for (let i = 0; i < 10; i += 1) await stream.direct(`INSERT INTO source VALUES (${i})`);
  for (const [index, door] of (await doorsOf(t, stream)).entries()) {
    const name = `slow_${index}`;
    // It names the table, and takes its rows from elsewhere.
    const select = 'SELECT id + sleepEachRow(1) AS queue FROM source';
    const running = await door.start({
      sql: `CREATE MATERIALIZED VIEW ${name} ENGINE = Memory POPULATE AS ${select}`,
      settings: { max_threads: '1' },
    });
    const isRunning = `SELECT count() FROM system.processes WHERE query LIKE '%VIEW ${name} %' AND query NOT LIKE '%processes%'`;
    await waitFor(async () => (await server.query(isRunning)) !== '0', { message: 'the statement runs' });
    running.leave();
    await goesOn(`a client of ${door.name} left`);
  }
});
