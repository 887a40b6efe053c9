import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { acceptedConnections, isProbed, useCertificate, useClickHouse, uniqueName, useTlsProxy, waitFor } from '../../helpers/index.ts';
import { CLIENT_PACKETS } from '../../../src/protocol/index.ts';
import { serverHello, useNativeFrontEnd, useScriptedServer } from './helpers/front-end.ts';
import { NativeClient, useNativeClient } from './helpers/native-client.ts';

// Time itself is what is tested here.
const TIMEOUT_MS = 300;
const LATE_MS = 5_000;
const HELLO = new NativeClient(new Socket(), {}).helloBytes();

/** Sends these bytes and no more; how long the connection lasted, in milliseconds, and what it was told. Bytes of `drip` follow now and then. */
async function lasts(t: ExecutionContext, socket: Socket, bytes: Uint8Array, drip?: number): Promise<{ ms: number; answer: string }> {
  const startMs = performance.now();
  let answer = '';
  socket.on('data', (piece: Buffer) => (answer += piece.toString('latin1')));
  socket.on('error', () => undefined);
  if (bytes.length > 0) socket.write(bytes);
  const dripping = setInterval(() => drip !== undefined && socket.write(Buffer.from([drip])), TIMEOUT_MS / 10);
  t.teardown(() => clearInterval(dripping));
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(dripping);
  return { ms: performance.now() - startMs, answer };
}

test('who sends no Hello, half of one, or one byte by byte is cut off, and ClickHouse hears nothing of it', async (t) => {
  const server = await useScriptedServer(t);
  const upstream = { host: '127.0.0.1', port: server.port };
  const { port } = await useNativeFrontEnd(t, { upstream, loginTimeoutMs: TIMEOUT_MS });
  const endlessName = Buffer.from([0, 0xff, 0xff, 0x03]);
  const talks = [
    [Buffer.alloc(0), undefined],
    [HELLO.subarray(0, 1), undefined],
    [HELLO.subarray(0, -1), undefined],
    [endlessName, 0x78],
  ] as const;
  const ends = await Promise.all(talks.map(async ([bytes, drip]) => lasts(t, connect(port, '127.0.0.1'), bytes, drip)));
  for (const { ms, answer } of ends) {
    t.true(ms >= TIMEOUT_MS - 10 && ms < TIMEOUT_MS + LATE_MS, `${ms} ms`);
    t.is(answer, '');
  }
  t.is(server.connections.length, 0);
});

test('a server that does not answer a login is given up, and so is a client that does not end its own', async (t) => {
  const [silent, answering] = [
    await useScriptedServer(t),
    await useScriptedServer(t, (socket) => socket.once('data', () => socket.write(serverHello()))),
  ];
  for (const server of [silent, answering]) {
    const upstream = { host: '127.0.0.1', port: server.port };
    const { port } = await useNativeFrontEnd(t, { upstream, loginTimeoutMs: TIMEOUT_MS });
    const { ms } = await lasts(t, connect(port, '127.0.0.1'), HELLO);
    t.true(ms >= TIMEOUT_MS - 10 && ms < TIMEOUT_MS + LATE_MS, `${ms} ms`);
    const [connection] = server.connections;
    connection?.resume();
    await waitFor(() => connection?.closed, { message: 'the connection to the server to be closed' });
  }
});

test('who is logged in may be silent for as long as it likes', async (t) => {
  const { port } = await useNativeFrontEnd(t, { loginTimeoutMs: TIMEOUT_MS });
  const client = await useNativeClient(t, port);
  await t.throwsAsync(once(client.socket, 'close', { signal: AbortSignal.timeout(2 * TIMEOUT_MS) }), { name: 'AbortError' });
  t.deepEqual((await client.query('SELECT 7')).rows, [['7']]);
});

/** A Query packet up to its text, which it says to be of so many bytes. */
function announcement(client: NativeClient, bytes: number): Buffer {
  const packet = client.queryBytes('x'.repeat(bytes), { settings: { max_query_size: '0' } });
  return packet.subarray(0, packet.indexOf('xxxx'));
}

test('who stops in the middle of a statement is told so, and its connection ends', async (t) => {
  const { port } = await useNativeFrontEnd(t, { receiveTimeoutMs: TIMEOUT_MS });
  const beginnings: ((client: NativeClient) => Buffer)[] = [
    () => Buffer.from([CLIENT_PACKETS.Query]),
    (client) => announcement(client, 1_000_000),
    (client) => Buffer.concat([announcement(client, 1_000_000), Buffer.from('MARKED ASK SELECT 1')]),
    (client) => client.queryBytes('MARKED ASK SELECT 1').subarray(0, -30),
    // The empty block is missing.
    (client) => client.queryBytes('MARKED REFUSE').subarray(0, -14),
  ];
  await Promise.all(
    beginnings.map(async (beginning) => {
      const client = await useNativeClient(t, port);
      await client.send(beginning(client));
      const { exception } = await client.readAnswer();
      t.deepEqual(
        [exception?.code, exception?.message],
        [209, `DB::Exception: Timeout exceeded while reading from socket (${TIMEOUT_MS} ms)`],
      );
      await t.throwsAsync(client.reader.u8(), { name: 'EndOfBytes' });
    }),
  );
});

test('who announces long statements and does not send them leaves the memory to others', async (t) => {
  const { port } = await useNativeFrontEnd(t, { statementMemoryBytes: 64 << 20 });
  for (let i = 0; i < 4; i += 1) {
    const silent = await useNativeClient(t, port);
    await silent.send(Buffer.concat([announcement(silent, 60 << 20), Buffer.from('MARKED')]));
    await silent.send(Buffer.alloc(10_000));
  }
  const client = await useNativeClient(t, port);
  const long = `MARKED RUN SELECT length('${'x'.repeat(8 << 20)}') AS n`;
  t.deepEqual((await client.query(long, { settings: { max_query_size: '0' } })).rows, [[String(8 << 20)]]);
});

test('more than the memory for statements is refused, and is free again when its client has left', async (t) => {
  const { port } = await useNativeFrontEnd(t, { statementMemoryBytes: 1 << 20 });
  const client = await useNativeClient(t, port);
  for (let round = 0; round < 3; round += 1) {
    const greedy = await useNativeClient(t, port);
    const { exception } = await greedy.query(`MARKED REFUSE ${'x'.repeat(2 << 20)}`, { settings: { max_query_size: '0' } });
    t.is(exception?.code, 241);
    const rest = 'x'.repeat(600_000);
    t.deepEqual((await client.query(`MARKED RUN SELECT length('${rest}') AS n`, { settings: { max_query_size: '0' } })).rows, [['600000']]);
  }
});

test('who does not end its TLS handshake is cut off', async (t) => {
  const tls = await useCertificate(t);
  const { port } = await useNativeFrontEnd(t, { tls, handshakeTimeoutMs: TIMEOUT_MS });
  const beginOfClientHello = Buffer.from('160301', 'hex');
  for (const bytes of [Buffer.alloc(0), beginOfClientHello]) {
    const { ms } = await lasts(t, connect(port, '127.0.0.1'), bytes);
    t.true(ms >= TIMEOUT_MS - 10 && ms < TIMEOUT_MS + LATE_MS, `${ms} ms`);
  }
});

test('who ends its TLS handshake and sends no Hello is cut off', async (t) => {
  const tls = await useCertificate(t);
  const { port } = await useNativeFrontEnd(t, { tls, loginTimeoutMs: TIMEOUT_MS });
  for (const bytes of [Buffer.alloc(0), HELLO.subarray(0, 5)]) {
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: tls.cert });
    await once(socket, 'secureConnect');
    const { ms } = await lasts(t, socket, bytes);
    t.true(ms < TIMEOUT_MS + LATE_MS, `${ms} ms`);
  }
});

test('who takes nothing of a long result is cut off, and so is its query; who takes it slowly is not', async (t) => {
  const { port } = await useNativeFrontEnd(t, { sendTimeoutMs: TIMEOUT_MS });
  const sql = `SELECT number FROM system.numbers LIMIT 100000000 -- ${uniqueName(t, 'query')}`;
  const running = async (): Promise<string> =>
    (await useClickHouse(t)).query(`SELECT count() FROM system.processes WHERE query LIKE '${sql}%' AND query_kind = 'Select'`);
  const slow = await useNativeClient(t, port);
  const stuck = await useNativeClient(t, port);
  for (const { socket } of [slow, stuck]) socket.pause();
  await slow.send(slow.queryBytes('SELECT number FROM system.numbers LIMIT 100000000'));
  const sip = setInterval(() => slow.socket.read(1_000_000) as unknown, TIMEOUT_MS / 10);
  t.teardown(() => clearInterval(sip));
  await stuck.send(stuck.queryBytes(sql));
  await waitFor(async () => (await running()) === '1', { message: 'the query to run' });
  await waitFor(async () => (await running()) === '0', { message: 'the query to end' });
  t.is(acceptedConnections(port), 1);
  t.false(slow.socket.closed);
});

test('a peer that vanished without a word is noticed: the kernel probes clients and server', async (t) => {
  const certificate = await useCertificate(t);
  for (const isTls of [false, true]) {
    const nativePort = (await useClickHouse(t)).nativePort;
    const server = await useScriptedServer(t, (socket) => {
      const behind = connect(nativePort, '127.0.0.1').on('error', () => undefined);
      socket.pipe(behind).pipe(socket);
      socket.once('close', () => behind.destroy());
    });
    const serverPort = isTls ? await useTlsProxy(t, certificate, server.port) : server.port;
    const upstream = { host: '127.0.0.1', port: serverPort, ...(isTls && { tls: { ca: certificate.cert, servername: 'localhost' } }) };
    const { port } = await useNativeFrontEnd(t, { upstream, ...(isTls && { tls: certificate }) });
    const socket = isTls
      ? connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: certificate.cert })
      : connect(port, '127.0.0.1');
    t.teardown(() => socket.destroy());
    t.is(await new NativeClient(socket, {}).logIn(), undefined);
    await waitFor(() => isProbed(port, 'local'), { message: 'probes of the client' });
    await waitFor(() => isProbed(serverPort, 'remote'), { message: 'probes of the server' });
  }
});
