import test from 'ava';
import { CLIENT_PACKETS, SERVER_PACKETS } from '../../../src/protocol/index.ts';
import { useClickHouse, useDatabase, waitFor } from '../../helpers/index.ts';
import { useNativeFrontEnd } from './helpers/front-end.ts';
import { useConnection, useNativeClient } from './helpers/native-client.ts';

async function untilRunning(sql: string): Promise<void> {
  const clickHouse = await useClickHouse();
  await waitFor(async () => (await clickHouse.query(`SELECT count() FROM system.processes WHERE query = '${sql}'`)) !== '0');
}

test('closing lets a running query end and cuts idle connections at once', async (t) => {
  const { port, close } = await useNativeFrontEnd(t, { graceMs: 20_000 });
  const busy = await useNativeClient(t, port);
  await busy.query('SELECT 1');
  const idle = [await useNativeClient(t, port), await useNativeClient(t, port), await useConnection(t, port)];
  await idle[0]?.query('SELECT nope');
  const answer = busy.query('SELECT sleep(1)');
  await untilRunning('SELECT sleep(1)');
  const started = Date.now();
  const closing = close();
  for (const { socket } of idle) {
    socket.resume();
    await waitFor(() => socket.closed);
  }
  t.true(Date.now() - started < 900);
  t.deepEqual((await answer).rows, [['0']]);
  await closing;
  t.true(Date.now() - started < 10_000);
});

test('closing lets an INSERT end whose client has pinged', async (t) => {
  const clickHouse = await useClickHouse(t);
  const database = await useDatabase(t);
  await clickHouse.query(`CREATE TABLE ${database}.t (x UInt8) ENGINE = Memory`);
  const { port, close } = await useNativeFrontEnd(t, { graceMs: 20_000 });
  const inserting = await useNativeClient(t, port);
  const pinging = await useNativeClient(t, port);
  await inserting.beginInsert(`INSERT INTO ${database}.t VALUES`);
  for (const client of [inserting, pinging]) {
    await client.send(Buffer.from([CLIENT_PACKETS.Ping]));
    t.is(await client.reader.u8(), SERVER_PACKETS.Pong);
  }
  const closing = close();
  await t.throwsAsync(pinging.reader.u8(), { name: 'EndOfBytes' }, 'it is idle');
  await inserting.send(inserting.dataBytes(inserting.blockOf('x', 'UInt8', 3, Buffer.from([1, 2, 3]))));
  t.is((await inserting.endInsert()).exception, undefined);
  await closing;
  t.is(await clickHouse.query(`SELECT sum(x) FROM ${database}.t`), '6');
});

test('closing cuts what runs longer than the grace period', async (t) => {
  const { port, close } = await useNativeFrontEnd(t, { graceMs: 100 });
  const client = await useNativeClient(t, port);
  const answer = client.query('SELECT count() FROM system.numbers');
  await untilRunning('SELECT count() FROM system.numbers');
  await close();
  await t.throwsAsync(answer, { name: 'EndOfBytes' });
});

test('a port that is taken is told by the system', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  await t.throwsAsync(useNativeFrontEnd(t, { port }), { code: 'EADDRINUSE' });
});
