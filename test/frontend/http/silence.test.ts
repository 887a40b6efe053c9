import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { isProbed, useClickHouse, useDatabase, waitFor } from '../../helpers/index.ts';
import { send } from './helpers/exchange.ts';
import { markedDispatcher, runUnmarked, useFrontEnd } from './helpers/front-end.ts';
import { useTcpServer } from './helpers/tcp-server.ts';

// Time itself is what is tested here, so some tests let it pass.
const TIMEOUT_MS = 400;

interface Talk {
  readonly socket: Socket;
  readonly text: () => string;
  /** Milliseconds from the connection to its end. */
  readonly closed: Promise<number>;
}

function useTalk(t: ExecutionContext, url: string, bytes: string): Talk {
  const startMs = performance.now();
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now() - startMs)));
  socket.write(bytes);
  t.teardown(() => socket.destroy());
  return { socket, text: () => text, closed };
}

/** Writes a byte now and then until the connection ends. */
function drip(t: ExecutionContext, { socket, closed }: Talk, byte: string): void {
  const timer = setInterval(() => socket.write(byte), TIMEOUT_MS / 10);
  const stop = (): void => clearInterval(timer);
  void closed.then(stop);
  t.teardown(stop);
}

/** A server that nobody may reach. */
async function useUntouchedServer(t: ExecutionContext): Promise<{ url: string; connections: () => number }> {
  let connections = 0;
  const url = await useTcpServer(t, () => (connections += 1));
  return { url, connections: () => connections };
}

test('who sends nothing, half a head, or a head byte by byte is cut off, and ClickHouse hears nothing of it', async (t) => {
  const server = await useUntouchedServer(t);
  const gateway = await useFrontEnd(t, { upstream: { url: server.url }, receiveTimeoutMs: TIMEOUT_MS });
  const talks = ['', 'GET / HTTP/1.1\r\nHost: x\r\n', 'GET / HTTP/1.1\r\nX-Long: '].map((bytes) => useTalk(t, gateway.url, bytes));
  for (const talk of talks.slice(2)) drip(t, talk, 'x');
  for (const talk of talks) {
    const ms = await talk.closed;
    t.true(ms >= TIMEOUT_MS && ms < TIMEOUT_MS + 5_000, `${ms} ms`);
    t.is(talk.text(), 'HTTP/1.1 408 Request Timeout\r\nConnection: Close\r\n\r\n');
  }
  t.is(server.connections(), 0);
});

test('who falls silent in the middle of a statement is told as the server tells it', async (t) => {
  const server = await useUntouchedServer(t);
  const dispatcher = markedDispatcher(runUnmarked);
  const gateway = await useFrontEnd(t, { upstream: { url: server.url }, dispatcher, receiveTimeoutMs: TIMEOUT_MS });
  const talk = useTalk(t, gateway.url, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nMARKED');
  await talk.closed;
  t.regex(talk.text(), /^HTTP\/1\.1 503 Service Unavailable\r\n[^]*X-ClickHouse-Exception-Code: 209\r\n[^]*Connection: Close\r\n/);
  t.regex(talk.text(), /Code: 209\. DB::Exception: Timeout exceeded while reading from socket \(400 ms\)\. \(SOCKET_TIMEOUT\)\n/);
  t.is(server.connections(), 0);
  t.deepEqual(dispatcher.statements, []);
});

test('long statements that are read at the same time have an end, and what they took is given back', async (t) => {
  const gateway = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked), statementMemoryBytes: 3_000_000 });
  const head = 'POST /?max_query_size=0 HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n';
  const first = useTalk(t, gateway.url, `${head}MARKED SELECT 1${' '.repeat(1_900_000)}`);
  await new Promise((resolve) => first.socket.once('drain', resolve));
  const second = useTalk(t, gateway.url, `${head}MARKED SELECT 2${' '.repeat(1_900_000)}`);
  await waitFor(() => first.text().includes('Code: 241') || second.text().includes('Code: 241'));
  first.socket.destroy();
  second.socket.destroy();
  const again = { method: 'POST', target: '/?max_query_size=0', body: `MARKED SELECT 3${' '.repeat(2_000_000)}` };
  await waitFor(async () => (await send(gateway.url, again)).body.toString() === '3\n');
  t.pass();
});

test('a statement that comes slowly but steadily is waited for', async (t) => {
  const dispatcher = markedDispatcher(runUnmarked);
  const gateway = await useFrontEnd(t, { dispatcher, receiveTimeoutMs: TIMEOUT_MS });
  const sql = `MARKED SELECT 1${' '.repeat(40)}`;
  const talk = useTalk(t, gateway.url, `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${sql.length}\r\n\r\n`);
  for (const character of sql) {
    talk.socket.write(character);
    await new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS / 20));
  }
  await waitFor(() => talk.text().includes('\r\n1\n'));
  t.pass();
});

test('an upload may take longer than any of the gateway’s times, and pause: its data are under the server’s', async (t) => {
  const server = await useClickHouse(t);
  const gateway = await useFrontEnd(t, { receiveTimeoutMs: TIMEOUT_MS });
  const database = await useDatabase(t);
  await server.query(`CREATE TABLE ${database}.t (a UInt8) ENGINE = Memory`);
  const target = `/?query=${encodeURIComponent(`INSERT INTO ${database}.t FORMAT TSV`)}`;
  const talk = useTalk(t, gateway.url, `POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n1\n`);
  await new Promise((resolve) => setTimeout(resolve, 3 * TIMEOUT_MS));
  talk.socket.write('2\n');
  await waitFor(() => talk.text().includes('200 OK'));
  t.is(await server.query(`SELECT sum(a) FROM ${database}.t`), '3');
});

test('an idle connection is kept for as long as the server promises, and a little longer', async (t) => {
  const url = await useTcpServer(t, (socket) =>
    socket.on('data', () =>
      socket.write('HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=1, max=9\r\nContent-Length: 2\r\n\r\nok'),
    ),
  );
  const gateway = await useFrontEnd(t, { upstream: { url } });
  const talk = useTalk(t, gateway.url, 'GET /1 HTTP/1.1\r\nHost: x\r\n\r\n');
  await waitFor(() => talk.text().endsWith('ok'));
  const startMs = performance.now();
  await talk.closed;
  const ms = performance.now() - startMs;
  t.true(ms > 1_000 && ms < 10_000, `${ms} ms`);
});

test('a peer that vanished without a word is noticed: the kernel probes clients and server', async (t) => {
  for (const request of [
    'GET /waits HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /?query=INSERT HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx',
  ]) {
    const url = await useTcpServer(t, () => undefined);
    const gateway = await useFrontEnd(t, { upstream: { url } });
    const { socket } = useTalk(t, gateway.url, request);
    await waitFor(() => isProbed(Number(new URL(gateway.url).port), 'local'), { message: 'probes of the client' });
    await waitFor(() => isProbed(Number(new URL(url).port), 'remote'), { message: 'probes of the server' });
    socket.destroy();
  }
  t.pass();
});

test('200 clients in the middle of their requests keep nobody from being served', async (t) => {
  const gateway = await useFrontEnd(t, { receiveTimeoutMs: TIMEOUT_MS });
  const talks = Array.from({ length: 200 }, (_, i) =>
    useTalk(t, gateway.url, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nS'.slice(0, i)),
  );
  t.is((await send(gateway.url, { target: '/?query=SELECT%201' })).body.toString(), '1\n');
  for (const { socket } of talks) socket.destroy();
});
