import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { useCertificate, useClickHouse, useDatabase, waitFor } from '../../helpers/index.ts';
import { query } from './helpers/exchange.ts';
import { useFrontEnd } from './helpers/front-end.ts';
import { useTcpServer } from './helpers/tcp-server.ts';

/** Sends these bytes and ends its side; all that comes until the other side ends, without what differs between two equal requests. */
async function lastWords(url: string, bytes: string): Promise<string> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true });
  socket.end(bytes);
  const answer = await text(socket);
  return answer.replace(/^(Date|X-ClickHouse-(Query-Id|Exception-Tag|Summary)|Keep-Alive): .*\r\n/gim, '');
}

const get = (sql: string, parameters = ''): string => `GET ${query(sql, parameters)} HTTP/1.1\r\nHost: x\r\n\r\n`;
const post = (body: string): string => `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

test('a client that ends its side after a request gets the whole answer, as from the server', async (t) => {
  const { url } = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  const long = get('SELECT number FROM numbers(1000000)', '&max_threads=1');
  for (const request of [get('SELECT 1'), post('SELECT 2'), get('SELECT sleep(0.3)'), get('SELECT nope'), long]) {
    const expected = await lastWords(url, request);
    t.true((await lastWords(gateway.url, request)) === expected, `${request.slice(0, 60)} ${expected.slice(0, 100)}`);
  }
  // Of several requests the server answers the first.
  t.is(await lastWords(gateway.url, get('SELECT 3') + get('SELECT 4')), await lastWords(url, get('SELECT 3') + get('SELECT 4')));
});

test('an INSERT that ends in the middle of its body inserts nothing', async (t) => {
  const server = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  const table = `${await useDatabase(t)}.t`;
  await server.query(`CREATE TABLE ${table} (a UInt64) ENGINE = MergeTree ORDER BY a`);
  const head = `POST ${query(`INSERT INTO ${table} FORMAT TSV`)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n`;
  const [direct, through] = [await lastWords(server.url, `${head}1\n2\n`), await lastWords(gateway.url, `${head}1\n2\n`)];
  t.is(through.slice(0, 40), direct.slice(0, 40));
  t.is(await server.query(`SELECT count() FROM ${table}`), '0');
});

test('who was refused for what is not HTTP and stays is cut off', async (t) => {
  const gateway = await useFrontEnd(t, { upstream: { url: await useTcpServer(t, () => t.fail()) } });
  const socket = connect({ port: Number(new URL(gateway.url).port), host: '127.0.0.1', allowHalfOpen: true });
  let isClosed = false;
  socket.on('error', () => undefined).on('close', () => (isClosed = true));
  socket.resume();
  socket.write('GARBAGE\r\n\r\n');
  // Whoever writes to a socket that nobody has any more is told.
  await waitFor(() => {
    socket.write('x');
    return isClosed;
  });
  t.pass();
});

test('who never ends a TLS handshake is cut off', async (t) => {
  const tls = await useCertificate(t);
  const gateway = await useFrontEnd(t, { tls, handshakeTimeoutMs: 300 });
  for (const bytes of [Buffer.alloc(0), Buffer.from('160301', 'hex')]) {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    let isClosed = false;
    socket.on('error', () => undefined).on('close', () => (isClosed = true));
    socket.resume();
    socket.write(bytes);
    await waitFor(() => isClosed);
  }
  t.pass();
});

test('who takes nothing of a long result is cut off', async (t) => {
  const server = await useClickHouse(t);
  const gateway = await useFrontEnd(t, { receiveTimeoutMs: 300, sendTimeoutMs: 500 });
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.pause();
  socket.write(get('SELECT number FROM system.numbers LIMIT 1000000000', '&query_id=takes-nothing'));
  const running = async (): Promise<string> => server.query("SELECT count() FROM system.processes WHERE query_id = 'takes-nothing'");
  await waitFor(async () => (await running()) === '1');
  await waitFor(async () => (await running()) === '0');
  t.pass();
});
