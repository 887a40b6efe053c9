import { createServer, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { ClickHouseUnreachable, createServiceClient, type ServiceClient } from '../../src/clickhouse/index.ts';
import { ClickHouseException } from '../../src/errors.ts';
import { freePort, uniqueName, useClickHouse, useDatabase, useOwnClickHouse, waitFor } from '../helpers/index.ts';

function useClient(t: ExecutionContext, url: string, options: { readonly idleMs?: number } = {}): ServiceClient {
  const client = createServiceClient({ url, user: 'default', password: '', ...options });
  t.teardown(async () => client.close());
  return client;
}

test('rows come as objects, parameters filled in, large integers as text', async (t) => {
  const client = useClient(t, (await useClickHouse(t)).url);
  const rows = await client.rows<{ a: string; b: string }>('SELECT {a:UInt64} AS a, {b:String} AS b', {
    a: '18446744073709551615',
    b: "it's\n",
  });
  t.deepEqual(rows, [{ a: '18446744073709551615', b: "it's\n" }]);
});

test('the server answers its version and to a ping', async (t) => {
  const server = await useClickHouse(t);
  const client = useClient(t, server.url);
  await client.ping();
  t.is(await client.version(), await server.query('SELECT version()'));
});

test('an error of the server is thrown with its code, name and text', async (t) => {
  const client = useClient(t, (await useClickHouse(t)).url);
  for (const call of [
    client.rows('SELECT nope'),
    client.command('DROP TABLE no_such_table'),
    client.insert('INSERT INTO no_such_table FORMAT TSV', [], {}),
  ]) {
    const error = await t.throwsAsync(call, { instanceOf: ClickHouseException });
    t.true([47, 60].includes(error.code));
    t.regex(error.exceptionName, /^(UNKNOWN_IDENTIFIER|UNKNOWN_TABLE)$/);
    t.notRegex(error.message, /version|\.\. \(/);
  }
});

test('an INSERT takes its data from a list of buffers and tells how many rows were written', async (t) => {
  const server = await useClickHouse(t);
  const client = useClient(t, server.url);
  const database = await useDatabase(t);
  await client.command(`CREATE TABLE ${database}.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a`);
  const chunks = Array.from({ length: 64 }, (_, i) =>
    Buffer.from(Array.from({ length: 10_000 }, (_row, j) => `${i * 10_000 + j}\t${'x'.repeat(90)}\n`).join('')),
  );
  const queryId = uniqueName(t, 'insert');
  const { writtenRows } = await client.insert(
    `INSERT INTO ${database}.t FORMAT TSV`,
    chunks,
    { max_insert_block_size: 2_000_000, input_format_parallel_parsing: 0 },
    { queryId },
  );
  t.is(writtenRows, 640_000);
  t.is(await server.query(`SELECT count(), sum(a) = 639999 * 320000 FROM ${database}.t`), '640000\t1');
});

/** An INSERT of 100,000 rows whose end is held back, once it runs on the server. */
async function useHeldInsert(t: ExecutionContext) {
  const server = await useClickHouse(t);
  const client = useClient(t, server.url);
  const database = await useDatabase(t);
  await client.command(`CREATE TABLE ${database}.t (a UInt64) ENGINE = MergeTree ORDER BY a`);
  const queryId = uniqueName(t, 'held');
  let end = (): void => undefined;
  let giveUp = (): void => undefined;
  const mayEnd = new Promise<void>((resolve, reject) => {
    end = resolve;
    giveUp = () => {
      reject(new Error('not its turn'));
    };
  });
  const insert = client.insert(`INSERT INTO ${database}.t FORMAT JSONEachRow`, rowsOf(100_000), AS_IT_COMES, { queryId, mayEnd });
  const isRunning = async (): Promise<boolean> =>
    (await server.query(`SELECT count() FROM system.processes WHERE query_id = '${queryId}'`)) === '1';
  await waitFor(isRunning);
  return { insert, end, giveUp, isRunning, count: async () => server.query(`SELECT count() FROM ${database}.t`) };
}

test('an INSERT whose end is held back is read but not applied before it may end', async (t) => {
  const { insert, end, count } = await useHeldInsert(t);
  t.is(await count(), '0');
  end();
  t.is((await insert).writtenRows, 100_000);
  t.is(await count(), '100000');
});

test('an INSERT that may not end after all is not applied, though each of its rows was whole', async (t) => {
  const { insert, giveUp, isRunning, count } = await useHeldInsert(t);
  giveUp();
  const error = await t.throwsAsync(insert, { instanceOf: ClickHouseUnreachable });
  t.regex(error.message, /not its turn/);
  await waitFor(async () => !(await isRunning()));
  t.is(await count(), '0');
});

/** The server reads rows while they come (after the first 256 KiB, which it searches for a query). */
const AS_IT_COMES = { input_format_parallel_parsing: 0, max_insert_block_size: 1_000_000 };

/** JSONEachRow in small buffers of a thousand rows. */
function rowsOf(count: number): Buffer[] {
  const rows = (from: number): string => Array.from({ length: 1000 }, (_, i) => `{"a":${from + i}}\n`).join('');
  return Array.from({ length: count / 1000 }, (_, i) => Buffer.from(rows(i * 1000)));
}

test('an INSERT of broken data says which row, and nothing is written', async (t) => {
  const server = await useClickHouse(t);
  const client = useClient(t, server.url);
  const database = await useDatabase(t);
  await client.command(`CREATE TABLE ${database}.t (a UInt64) ENGINE = MergeTree ORDER BY a`);
  const error = await t.throwsAsync(
    client.insert(`INSERT INTO ${database}.t FORMAT JSONEachRow`, [Buffer.from('{"a":1}\n{"a":'), Buffer.from('x}\n')], {
      input_format_parallel_parsing: 0,
    }),
    { instanceOf: ClickHouseException },
  );
  t.regex(error.text, /at row \d/);
  t.is(await server.query(`SELECT count() FROM ${database}.t`), '0');
});

test('an INSERT of broken data says which row where the format quotes an exception of its own as well', async (t) => {
  const client = useClient(t, (await useClickHouse(t)).url);
  const database = await useDatabase(t);
  await client.command(`CREATE TABLE ${database}.arrays (tags Array(String)) ENGINE = MergeTree ORDER BY tuple()`);
  const failure = await t.throwsAsync(
    client.insert(`INSERT INTO ${database}.arrays FORMAT TSV`, [Buffer.from("['a']\n['b\n['c']\n")], { input_format_parallel_parsing: 0 }),
    { instanceOf: ClickHouseException },
  );
  t.regex(failure.text, /\(at row 2\)[^]*DB::Exception/);
});

test("an early refusal of a large INSERT is the server's error, not a broken connection", async (t) => {
  const client = useClient(t, (await useClickHouse(t)).url);
  const chunks = Array.from({ length: 200 }, () => Buffer.alloc(262_144, 'x'));
  for (let i = 0; i < 5; i += 1)
    await t.throwsAsync(client.insert('INSERT INTO no_such_table FORMAT TSV', chunks, {}), {
      instanceOf: ClickHouseException,
      message: /^Code: 60\./,
    });
});

test('a server that is down was not reached, and works again when it is back', async (t) => {
  const server = await useOwnClickHouse(t);
  const client = useClient(t, server.url);
  t.is(await client.version(), '26.7.2.1');
  await server.kill();
  for (const call of [
    client.rows('SELECT 1'),
    client.command('SELECT 1'),
    client.insert('INSERT INTO t FORMAT TSV', [], {}),
    client.ping(),
  ]) {
    const error = await t.throwsAsync(call, { instanceOf: ClickHouseUnreachable });
    t.is(error.outcome, 'not applied');
    t.regex(error.message, /no answer from ClickHouse at 127\.0\.0\.1:\d+: connect ECONNREFUSED/);
  }
  await server.restart();
  t.is(await client.version(), '26.7.2.1');
});

test('an aborted INSERT and one that takes too long have an unknown outcome', async (t) => {
  const client = useClient(t, (await useClickHouse(t)).url);
  const slow = "INSERT INTO FUNCTION null('a UInt8') SELECT sleepEachRow(1) FROM numbers(3) SETTINGS max_block_size = 1";
  const late = await t.throwsAsync(client.insert(slow, [], {}, { timeoutMs: 100 }), { instanceOf: ClickHouseUnreachable });
  t.is(late.outcome, 'unknown');
  const abort = new AbortController();
  const running = client.insert(slow, [], {}, { signal: abort.signal });
  abort.abort();
  t.is((await t.throwsAsync(running, { instanceOf: ClickHouseUnreachable })).outcome, 'unknown');
});

/** A server that answers the first request of each connection and closes the connection when it hears a second one: a kept connection gone stale. */
async function useForgetfulServer(t: ExecutionContext): Promise<{ url: string; connections: () => number }> {
  const open = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer((socket) => {
    connections += 1;
    open.add(socket);
    let requests = 0;
    socket.on('error', () => socket.destroy());
    socket.on('data', () => {
      requests += 1;
      if (requests > 1) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 4\r\n\r\nOk.\n');
    });
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}`, connections: () => connections };
}

test('what changes nothing is repeated when a kept connection was closed', async (t) => {
  const server = await useForgetfulServer(t);
  const client = useClient(t, server.url, { idleMs: 60_000 });
  await client.ping();
  await client.ping();
  t.is(server.connections(), 2);
});

test('an unused connection is given up before the server closes it', async (t) => {
  const server = await useForgetfulServer(t);
  const client = useClient(t, server.url, { idleMs: 50 });
  await client.ping();
  const start = Date.now();
  await waitFor(() => Date.now() - start > 200);
  await client.ping();
  t.is(server.connections(), 2);
});
