import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { useClickHouse, waitFor } from '../../helpers/index.ts';
import { useFrontEnd } from './helpers/front-end.ts';
import { useTcpServer } from './helpers/tcp-server.ts';

const query = (sql: string, parameters: string): string => `/?query=${encodeURIComponent(sql)}${parameters}`;
const PROGRESS = '&send_progress_in_http_headers=1&http_headers_progress_interval_ms=100&max_block_size=1';
const SLOW = 'SELECT sleepEachRow(0.3) FROM numbers(4)';

interface Talk {
  /** Everything that came so far. */
  readonly text: () => string;
  readonly isClosed: () => boolean;
}

function useTalk(t: ExecutionContext, url: string, request: string): Talk {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let [text, isClosed] = ['', false];
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  socket.on('close', () => (isClosed = true));
  socket.write(request);
  t.teardown(() => socket.destroy());
  return { text: () => text, isClosed: () => isClosed };
}

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

/** The names of an answer's headers in their order, progress once; then its body. */
function shape(answer: string): readonly string[] {
  const [head = '', ...body] = answer.split('\r\n\r\n');
  const names = head.split('\r\n').map((line) => line.replace(/(?<=:) .*/, ''));
  return [...names.filter((name, i) => name !== names[i - 1]), body.join('\r\n\r\n')];
}

test('progress comes while the query runs, as from the server, and the answer is the same', async (t) => {
  const server = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  for (const parameters of [
    `${PROGRESS}&wait_end_of_query=1`,
    `${PROGRESS}&wait_end_of_query=1&send_progress_in_http_headers=true`,
    PROGRESS,
  ]) {
    const [direct, through] = [server.url, gateway.url].map((url) => useTalk(t, url, get(query(SLOW, parameters)))) as [Talk, Talk];
    if (parameters.includes('wait')) {
      await waitFor(() => through.text().includes('X-ClickHouse-Progress: {'));
      t.false(through.text().includes('\r\n\r\n'), 'the head has not ended');
      t.false(direct.isClosed());
    }
    await waitFor(() => direct.isClosed() && through.isClosed());
    t.deepEqual(shape(through.text()), shape(direct.text()));
  }
});

test('progress of an INSERT whose client waits for 100 Continue comes, too', async (t) => {
  const gateway = await useFrontEnd(t);
  const target = query(SLOW, `${PROGRESS}&wait_end_of_query=1`);
  const talk = useTalk(t, gateway.url, `POST ${target} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n  `);
  await waitFor(() => talk.text().includes('X-ClickHouse-Progress: {'));
  t.regex(talk.text(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\nX-ClickHouse-Progress: [^]*\r\n$/);
  t.false(talk.text().slice(talk.text().indexOf('200 OK')).includes('\r\n\r\n'));
});

test('a query that fails after its progress was told fails as on the server', async (t) => {
  const server = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  const failing = query('SELECT sleepEachRow(0.2), throwIf(number = 3) FROM numbers(5)', `${PROGRESS}&wait_end_of_query=1`);
  const [direct, through] = [server.url, gateway.url].map((url) => useTalk(t, url, get(failing))) as [Talk, Talk];
  await waitFor(() => direct.isClosed() && through.isClosed());
  const steady = (text: string): readonly string[] => shape(text.replaceAll(/[a-z]{16}\b/g, 'TAG'));
  t.deepEqual(steady(through.text()), steady(direct.text()));
  t.regex(through.text(), /Code: 395/);
});

test('two queries with progress on one connection are answered one after the other', async (t) => {
  const gateway = await useFrontEnd(t);
  const ask = (word: string): string =>
    `GET ${query(`SELECT sleepEachRow(0.2), '${word}' FROM numbers(2)`, `${PROGRESS}&wait_end_of_query=1`)} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const talk = useTalk(t, gateway.url, ask('first') + ask('second'));
  await waitFor(() => talk.text().split('second').length > 2);
  t.regex(talk.text(), /^HTTP\/1\.1 200 OK\r\nX-ClickHouse-Progress[^]*\r\n\r\n[^]*first[^]*\r\n0\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*second/);
  t.is(talk.text().split('HTTP/1.1 200 OK').length, 3);
});

test('a server that breaks off in the middle of its progress breaks off for the client', async (t) => {
  const line = 'HTTP/1.1 200 OK\r\nX-ClickHouse-Progress: {"read_rows":"1"}\r\n';
  const url = await useTcpServer(t, (socket) => {
    socket.once('data', () => {
      for (const character of line) socket.write(character);
      socket.write('X-ClickHouse-Pro');
      setImmediate(() => socket.end());
    });
  });
  const gateway = await useFrontEnd(t, { upstream: { url } });
  const talk = useTalk(t, gateway.url, get(query(SLOW, PROGRESS)));
  await waitFor(() => talk.isClosed());
  t.is(talk.text(), `${line}X-ClickHouse-Pro`);
});

test('a client that goes away between two lines of progress cancels its query', async (t) => {
  const closed: boolean[] = [];
  const url = await useTcpServer(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nX-ClickHouse-Progress: {}\r\n'));
    socket.once('close', () => closed.push(true));
  });
  const gateway = await useFrontEnd(t, { upstream: { url } });
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  socket.write(get(query(SLOW, PROGRESS)));
  await new Promise((resolve) => socket.once('data', resolve));
  socket.destroy();
  await waitFor(() => closed.length === 1);
  t.pass();
});
