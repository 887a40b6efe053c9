import { Agent, createServer, request } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import test from 'ava';
import { freePort, uniqueName, useClickHouse, useDatabase, useOwnClickHouse, waitFor } from '../../helpers/index.ts';
import { header, send } from './helpers/exchange.ts';
import { useFrontEnd } from './helpers/front-end.ts';
import { useTcpServer } from './helpers/tcp-server.ts';

const query = (sql: string, parameters = ''): string => `/?query=${encodeURIComponent(sql)}${parameters}`;

/** Writes bytes to a port and answers everything that came back until the other side closed, or until `isEnough`. */
async function talk(url: string, bytes: string, isEnough: (text: string) => boolean = () => false): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(Buffer.from(bytes, 'latin1'));
  let text = '';
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString('latin1');
    if (isEnough(text)) break;
  }
  socket.destroy();
  return text;
}

test('while ClickHouse is down every request gets an error in its shape, and when it is back the next one works', async (t) => {
  const server = await useOwnClickHouse(t);
  const gateway = await useFrontEnd(t, { upstream: { url: server.url } });
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => {
    agent.destroy();
  });
  t.is((await send(gateway.url, { target: query('SELECT 1') }, agent)).body.toString(), '1\n');
  await server.kill();
  for (const wanted of [{ target: query('SELECT 1') }, { method: 'POST', target: '/', body: 'SELECT 1' }, { target: '/ping' }]) {
    const answer = await send(gateway.url, wanted, agent);
    t.is(answer.status, 500);
    t.is(header(answer, 'X-ClickHouse-Exception-Code'), '210');
    const { host, hostname, port } = new URL(server.url);
    t.is(
      answer.body.toString(),
      `Code: 210. DB::Exception: Cannot connect to ClickHouse at http://${host} (connect ECONNREFUSED ${hostname}:${port}). (NETWORK_ERROR)\n`,
    );
  }
  await server.restart();
  t.is((await send(gateway.url, { method: 'POST', target: '/', body: 'SELECT 2' }, agent)).body.toString(), '2\n');
});

test('a large upload to a ClickHouse that is down gets the error, too', async (t) => {
  const gateway = await useFrontEnd(t, { upstream: { url: `http://127.0.0.1:${await freePort()}` } });
  const body = Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(65_536)));
  const answer = await send(gateway.url, { method: 'POST', target: query('INSERT INTO t FORMAT RowBinary'), body });
  t.is(header(answer, 'X-ClickHouse-Exception-Code'), '210');
});

test('ClickHouse may take its time', async (t) => {
  const gateway = await useFrontEnd(t);
  t.is((await send(gateway.url, { target: query('SELECT sleep(2)') })).body.toString(), '0\n');
});

test('a connection that breaks before the answer is told as such: the outcome is unknown', async (t) => {
  const url = await useTcpServer(t, (socket) => socket.once('data', () => socket.destroy()));
  const gateway = await useFrontEnd(t, { upstream: { url } });
  const answer = await send(gateway.url, { method: 'POST', target: '/', body: 'INSERT INTO t VALUES (1)' });
  t.is(
    answer.body.toString(),
    `Code: 210. DB::Exception: The connection to ClickHouse at ${url} broke before the answer (socket hang up): the statement may or may not have been executed. (NETWORK_ERROR)\n`,
  );
});

test('an answer that breaks off breaks off for the client, after the same bytes', async (t) => {
  const url = await useTcpServer(t, (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')),
  );
  const gateway = await useFrontEnd(t, { upstream: { url } });
  t.is(
    await talk(gateway.url, 'GET / HTTP/1.1\r\n\r\n'),
    'HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  );
});

test('an answer shorter than its length breaks off, too', async (t) => {
  const url = await useTcpServer(t, (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 10\r\n\r\nhello')),
  );
  const gateway = await useFrontEnd(t, { upstream: { url } });
  t.is(await talk(gateway.url, 'GET / HTTP/1.1\r\n\r\n'), 'HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 10\r\n\r\nhello');
});

test('what is no HTTP from ClickHouse is an error answer', async (t) => {
  const url = await useTcpServer(t, (socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n')));
  const gateway = await useFrontEnd(t, { upstream: { url } });
  t.regex((await send(gateway.url, { target: '/ping' })).body.toString(), /^Code: 210\. .*Parse Error/);
});

test('a kept connection that ClickHouse closed is no failure for what may be repeated', async (t) => {
  let requests = 0;
  const url = await useTcpServer(t, (socket) => {
    let isUsed = false;
    socket.on('data', () => {
      requests += 1;
      if (isUsed) socket.destroy();
      else socket.write('HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok');
      isUsed = true;
    });
  });
  const gateway = await useFrontEnd(t, { upstream: { url, idleMs: 60_000 } });
  t.is((await send(gateway.url, { target: '/1' })).body.toString(), 'ok');
  t.is((await send(gateway.url, { target: '/2' })).body.toString(), 'ok');
  t.is(requests, 3);
  // A POST is not repeated: it may have been executed.
  t.is(header(await send(gateway.url, { method: 'POST', target: '/', body: 'x' }), 'X-ClickHouse-Exception-Code'), '210');
});

test('trailers and headers given twice pass', async (t) => {
  const url = await useTcpServer(t, (socket) =>
    socket.once('data', () =>
      socket.write(
        'HTTP/1.1 200 Fine\r\nx-A: 1\r\nX-a: 2\r\nConnection: Close\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\nX-T: 3\r\n\r\n',
      ),
    ),
  );
  const gateway = await useFrontEnd(t, { upstream: { url } });
  t.is(
    await talk(gateway.url, 'GET / HTTP/1.1\r\n\r\n'),
    'HTTP/1.1 200 Fine\r\nx-A: 1\r\nX-a: 2\r\nConnection: Close\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\nX-T: 3\r\n\r\n',
  );
});

test('a client that goes away cancels its query', async (t) => {
  const server = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  const queryId = uniqueName(t, 'query');
  const sent = request(
    `${gateway.url}${query('SELECT sleepEachRow(0.1) FROM numbers(1000)', `&query_id=${queryId}&cancel_http_readonly_queries_on_client_close=1&max_block_size=1&function_sleep_max_microseconds_per_block=0`)}`,
  );
  sent.on('error', () => undefined);
  sent.end();
  const isRunning = async (): Promise<boolean> =>
    (await server.query(`SELECT count() FROM system.processes WHERE query_id = '${queryId}'`)) === '1';
  await waitFor(isRunning, { message: 'the query to run' });
  sent.destroy();
  await waitFor(async () => !(await isRunning()), { message: 'the query to be cancelled' });
  t.pass();
});

test('a client that goes away in the middle of an INSERT inserts nothing', async (t) => {
  const server = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  const database = await useDatabase(t);
  await server.query(`CREATE TABLE ${database}.t (a UInt64) ENGINE = MergeTree ORDER BY a`);
  const sent = request(`${gateway.url}${query(`INSERT INTO ${database}.t FORMAT TSV`)}`, {
    method: 'POST',
    headers: { 'Transfer-Encoding': 'chunked' },
  });
  sent.on('error', () => undefined);
  // The server starts when it has as many bytes as a statement may be long.
  sent.write('1\n'.repeat(500_000));
  const running = async (): Promise<string> =>
    server.query(`SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO ${database}.t%'`);
  await waitFor(async () => (await running()) === '1', { message: 'the INSERT to run' });
  sent.destroy();
  await waitFor(async () => (await running()) === '0', { message: 'the INSERT to end' });
  t.is(await server.query(`SELECT count() FROM ${database}.t`), '0');
});

test('pipelined requests are answered in order, one after the other, in one session', async (t) => {
  const gateway = await useFrontEnd(t);
  const session = uniqueName(t, 'session');
  const statements = [
    'CREATE TEMPORARY TABLE p AS SELECT 41 AS a',
    'INSERT INTO p VALUES (1)',
    "SELECT sleep(0.2) AS s, 'slow'",
    "SELECT sum(a), 'fast' FROM p",
  ];
  const posts = statements.map((sql) => `POST /?session_id=${session} HTTP/1.1\r\nHost: x\r\nContent-Length: ${sql.length}\r\n\r\n${sql}`);
  const text = await talk(gateway.url, posts.join(''), (received) => received.includes('fast') || received.includes('Code:'));
  t.regex(text, /0\tslow[^]*42\tfast/);
});

test('what is not HTTP is answered 400 and never reaches ClickHouse', async (t) => {
  let connections = 0;
  const url = await useTcpServer(t, () => {
    connections += 1;
  });
  const gateway = await useFrontEnd(t, { upstream: { url } });
  for (const bytes of [
    'GARBAGE\r\n\r\n',
    'FOO / HTTP/1.1\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n',
    '\0\0\0\0\r\n\r\n',
  ]) {
    t.is(await talk(gateway.url, bytes), 'HTTP/1.1 400 Bad Request\r\nConnection: Close\r\n\r\n', JSON.stringify(bytes));
  }
  t.is(connections, 0);
});

test('closing lets a running request end and takes no new one', async (t) => {
  const gateway = await useFrontEnd(t, { graceMs: 10_000 });
  const server = await useClickHouse(t);
  const queryId = uniqueName(t, 'query');
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => {
    agent.destroy();
  });
  const running = send(gateway.url, { target: query('SELECT sleep(1)', `&query_id=${queryId}`) }, agent);
  await waitFor(async () => (await server.query(`SELECT count() FROM system.processes WHERE query_id = '${queryId}'`)) === '1');
  const closing = gateway.close();
  await t.throwsAsync(send(gateway.url, { target: '/ping' }), { code: 'ECONNREFUSED' });
  t.is((await running).body.toString(), '0\n');
  await closing;
});

test('closing cuts what has not ended within the grace period', async (t) => {
  const gateway = await useFrontEnd(t, { graceMs: 50 });
  const server = await useClickHouse(t);
  const queryId = uniqueName(t, 'query');
  const running = send(gateway.url, { target: query('SELECT sleep(3)', `&query_id=${queryId}`) });
  await waitFor(async () => (await server.query(`SELECT count() FROM system.processes WHERE query_id = '${queryId}'`)) === '1');
  const [outcome] = await Promise.allSettled([running, gateway.close()]);
  t.is(outcome.status, 'rejected');
});

test('a request with headers of half a megabyte passes', async (t) => {
  const server = createServer({ maxHeaderSize: 1024 * 1024 }, (incoming, answer) => answer.end(String(incoming.rawHeaders.length)));
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const gateway = await useFrontEnd(t, { upstream: { url: `http://127.0.0.1:${port}` } });
  const headers = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`X-${i}`, 'x'.repeat(500)]));
  const answer = await send(gateway.url, { target: '/', headers });
  t.is(answer.status, 200);
});
