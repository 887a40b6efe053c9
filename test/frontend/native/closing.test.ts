import test from 'ava';
import { useClickHouse, waitFor } from '../../helpers/index.ts';
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
