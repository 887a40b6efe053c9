import { createHash } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { ClickHouseUnreachable, createServiceClient, type ServiceClient, type ServiceClientOptions } from '../../src/clickhouse/index.ts';
import { ClickHouseException } from '../../src/errors.ts';
import { uniqueName, useClickHouse, waitFor } from '../helpers/index.ts';
import { useCertificate, useTlsProxy } from '../helpers/tls.ts';

function useClient(t: ExecutionContext, url: string, options: Partial<ServiceClientOptions> = {}): ServiceClient {
  const client = createServiceClient({ url, user: 'default', password: '', ...options });
  t.teardown(async () => client.close());
  return client;
}

const NEVER = new AbortController().signal;

async function countBytes(answer: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const piece of answer) bytes += piece.length;
  return bytes;
}

test('an answer of any size comes whole', async (t) => {
  const client = useClient(t, (await useClickHouse(t)).url);
  t.is(await countBytes(client.stream('SELECT number FROM numbers(5000000) FORMAT RowBinary', {}, NEVER)), 40_000_000);
  t.is(await countBytes(client.stream('SELECT 1 FORMAT RowBinary', {}, NEVER)), 1);
  t.is(await countBytes(client.stream('SELECT 1 LIMIT 0 FORMAT RowBinary', {}, NEVER)), 0);
});

test('an answer is what the server sent, with and without TLS, whether its reader is quick or slow', async (t) => {
  const { url, httpPort } = await useClickHouse(t);
  const certificate = await useCertificate(t);
  const tlsPort = await useTlsProxy(t, certificate, httpPort);
  const plain = useClient(t, url);
  const secure = useClient(t, `https://localhost:${tlsPort}`, { tls: { ca: certificate.cert } });
  for (const client of [plain, secure]) {
    for (const isSlow of [false, true]) {
      const hash = createHash('md5');
      for await (const piece of client.stream('SELECT number FROM numbers(700000) FORMAT TSV', {}, NEVER)) {
        if (isSlow) await new Promise((resolve) => setImmediate(resolve));
        hash.update(piece);
      }
      t.is(
        hash.digest('hex'),
        createHash('md5')
          .update(Array.from({ length: 700_000 }, (_, i) => `${i}\n`).join(''))
          .digest('hex'),
      );
    }
  }
});

test('a kept connection that the server has closed is no reason to fail', async (t) => {
  let connections = 0;
  const url = await useAnswers(t, (socket) => {
    connections += 1;
    socket.write('HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nOk');
    // The next query on it finds nobody.
    socket.once('data', () => socket.destroy());
  });
  const client = useClient(t, url, { idleMs: 60_000 });
  for (let i = 0; i < 3; i += 1) t.is(await countBytes(client.stream('SELECT 1 FORMAT RawBLOB', {}, NEVER)), 2);
  t.is(connections, 3);
});

test('a server that says nothing for too long is given up', async (t) => {
  const url = await useAnswers(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel');
  });
  const answer = countBytes(useClient(t, url, { timeoutMs: 100 }).stream('SELECT 1 FORMAT RawBLOB', {}, NEVER));
  t.regex((await t.throwsAsync(answer, { instanceOf: ClickHouseUnreachable })).message, /no byte in 100 ms/);
});

test('an exception is thrown, whether it comes in front of the data, behind a few or behind many, and its text is not among them', async (t) => {
  const client = useClient(t, (await useClickHouse(t)).url);
  for (const rows of [1, 100_000, 3_000_000]) {
    let seen = 0;
    const read = async (): Promise<void> => {
      const sql = `SELECT number + throwIf(number = ${rows - 1}, 'ünï: that row') FROM numbers(10000000) FORMAT RowBinary`;
      for await (const piece of client.stream(sql, { max_threads: 1 }, NEVER)) {
        t.false(piece.includes('__exception__'));
        seen += piece.length;
        // A reader that is slower than the server must not lose the end.
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const error = await t.throwsAsync(read(), { instanceOf: ClickHouseException });
    t.is(error.exceptionName, 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO');
    t.regex(error.text, /^ünï: that row/);
    t.true(seen <= rows * 8);
  }
});

test('the server waits for a reader that takes nothing, and a query ends when it is aborted or left', async (t) => {
  const server = await useClickHouse(t);
  const client = useClient(t, server.url);
  const mark = uniqueName(t, 'mark');
  const isRunning = async (): Promise<boolean> =>
    (await server.query(
      `SELECT count() FROM system.processes WHERE position(query, '${mark}') > 0 AND position(query, 'processes') = 0`,
    )) !== '0';
  const sql = `SELECT number, '${mark}' FROM numbers(100000000000) FORMAT RowBinary`;
  for (const leave of ['abort', 'return'] as const) {
    const controller = new AbortController();
    const answer = client.stream(sql, {}, controller.signal)[Symbol.asyncIterator]();
    t.true((await answer.next()).done !== true);
    const before = process.memoryUsage().rss;
    await waitFor(isRunning);
    t.true(process.memoryUsage().rss - before < 64 * 1024 * 1024);
    if (leave === 'abort') {
      controller.abort(new Error('enough'));
      await t.throwsAsync(async () => {
        while ((await answer.next()).done !== true);
      });
    } else {
      await answer.return?.();
    }
    await waitFor(async () => !(await isRunning()), { message: `the query to end after ${leave}` });
  }
});

/** Answers every request with `head` and what `respond` sends. */
async function useAnswers(t: ExecutionContext, respond: (socket: Socket) => void): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      respond(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

test('an answer that breaks off is no answer', async (t) => {
  const url = await useAnswers(t, (socket) => {
    socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
  });
  await t.throwsAsync(countBytes(useClient(t, url).stream('SELECT 1 FORMAT RowBinary', {}, NEVER)), { instanceOf: ClickHouseUnreachable });
});
