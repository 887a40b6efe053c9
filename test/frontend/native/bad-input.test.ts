import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { CLIENT_PACKETS, SERVER_PACKETS, writeException } from '../../../src/protocol/index.ts';
import { freePort, useClickHouse, useOwnClickHouse, waitFor } from '../../helpers/index.ts';
import { serverHello, useNativeFrontEnd, useScriptedServer } from './helpers/front-end.ts';
import { useConnection, useNativeClient, type NativeClient } from './helpers/native-client.ts';

/** Everything the gateway answers to these bytes until it closes the connection. */
async function exchange(port: number, bytes: Buffer, end = false): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  if (end) socket.end(bytes);
  else socket.write(bytes);
  await once(socket, 'close');
  return Buffer.concat(pieces).toString('latin1');
}

async function closed(client: NativeClient): Promise<void> {
  client.socket.resume();
  await waitFor(() => client.socket.closed, { message: 'the connection to be closed' });
}

/** Lets the client in, and calls back with the socket when a text that holds `word` has come. */
function onQuery(word: string, act: (socket: Socket) => unknown): (socket: Socket) => void {
  return (socket) => {
    socket.once('data', () => {
      socket.write(serverHello());
      let isDone = false;
      socket.on('data', (bytes: Buffer) => {
        if (isDone || !bytes.includes(word)) return;
        isDone = true;
        act(socket);
      });
    });
  };
}

test('an HTTP request on the native port is told where to go', async (t) => {
  const { port } = await useNativeFrontEnd(t, { httpPort: 8124 });
  for (const request of ['GET / HTTP/1.1\r\n\r\n', 'POST / HTTP/1.1\r\n\r\n']) {
    const text = `Port ${port} is for clickhouse-client program\r\nYou must use port 8124 for HTTP.\r\n`;
    t.is(await exchange(port, Buffer.from(request)), `HTTP/1.0 400 Bad Request\r\n\r\n${text}`);
  }
});

test('bytes that are no Hello are answered with an exception', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  for (const first of [1, 2, 4, 0x16, 0xff]) {
    const answer = await exchange(port, Buffer.from([first, 3, 1, 2, 0, 1, 0]));
    t.regex(answer, /^\x02\x65\0\0\0\x0dDB::Exception.*Unexpected packet from client/s);
  }
});

test('every beginning of a login and a query ends without harm', async (t) => {
  const server = await useClickHouse(t);
  const { port } = await useNativeFrontEnd(t);
  const client = await useNativeClient(t, port);
  const all = Buffer.concat([
    client.helloBytes(),
    client.addendumBytes(),
    client.queryBytes('MARKED ASK SELECT 1', { settings: { max_threads: '1' } }),
  ]);
  await Promise.all(Array.from({ length: all.length + 1 }, async (_, length) => exchange(port, all.subarray(0, length), true)));
  t.deepEqual((await client.query('SELECT 6')).rows, [['6']]);
  t.is(await server.query('SELECT 6'), '6');
});

test('absurd lengths in a login close the connection', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  for (const length of ['ffffffffffffffff7f', 'ffffffffffffffffff01', '8080808010', 'ffffffffffffffffffffffff']) {
    t.is(await exchange(port, Buffer.concat([Buffer.from([0]), Buffer.from(length, 'hex'), Buffer.alloc(64)])), '');
  }
});

test('a broken Query packet is answered with an exception', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  for (const bytes of ['01 ffffffffffffffff7f', '01 00 09', '01 00 01 8080808010']) {
    const client = await useNativeClient(t, port);
    await client.send(Buffer.from(bytes.replaceAll(' ', ''), 'hex'));
    const { exception } = await client.readAnswer();
    t.is(exception?.code, 101);
    t.regex(exception?.message ?? '', /Cannot read the Query packet/);
    await closed(client);
  }
});

test('more settings than fit into 16 MiB are refused', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const client = await useNativeClient(t, port);
  const settings = Object.fromEntries(Array.from({ length: 18 }, (_, i) => [`custom_${i}`, 'x'.repeat(1 << 20)]));
  await client.send(client.queryBytes('SELECT 1', { settings }));
  const { exception } = await client.readAnswer();
  t.is(exception?.code, 101);
  t.regex(exception?.message ?? '', /more than 16777216 bytes in front of the statement/);
});

test('an unknown packet closes the connection, as the server does', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  for (const type of [0, 11, 13, 14, 15, 99]) {
    const client = await useNativeClient(t, port);
    await client.send(Buffer.from([type, 0, 0]));
    await closed(client);
  }
  t.pass();
});

test("a compressed block with a wrong checksum is the server's to refuse", async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const client = await useNativeClient(t, port, { isCompressed: true });
  const packet = client.dataBytes(client.blockOf('x', 'UInt8', 3, Buffer.from([1, 2, 3])), 'ext');
  packet.writeUInt8(packet.readUInt8(10) ^ 1, 10);
  const direct = await useNativeClient(t, (await useClickHouse(t)).nativePort, { isCompressed: true });
  const answer = await client.query('SELECT sum(x) FROM ext', { tables: packet });
  t.not(answer.exception, undefined);
  t.deepEqual(answer, await direct.query('SELECT sum(x) FROM ext', { tables: packet }));
});

test("a wrong password is answered with the server's own exception", async (t) => {
  const own = await useOwnClickHouse(t);
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: own.nativePort } });
  const client = await useConnection(t, port, { user: 'nobody', password: 'secret' });
  const exception = await client.logIn();
  t.is(exception?.code, 516);
  t.regex(exception?.message ?? '', /nobody: Authentication failed/);
  await closed(client);
});

test('a login that the server refuses is passed on whatever the reason', async (t) => {
  const refusal = writeException({ code: 81, className: 'DB::Exception', message: 'DB::Exception: Database nope does not exist' });
  const server = await useScriptedServer(t, (socket) => socket.once('data', () => socket.end(refusal)));
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: server.port } });
  const client = await useConnection(t, port, { database: 'nope' });
  t.deepEqual(await client.logIn(), { code: 81, className: 'DB::Exception', message: 'DB::Exception: Database nope does not exist' });
  await closed(client);
});

test('without a server, a login is answered with an exception', async (t) => {
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: await freePort() } });
  const client = await useConnection(t, port);
  const exception = await client.logIn();
  t.is(exception?.code, 210);
  t.regex(exception?.message ?? '', /Cannot connect to ClickHouse .*ECONNREFUSED/);
  await closed(client);
});

test('a server that goes away in the middle of an answer takes the connection with it', async (t) => {
  const server = await useScriptedServer(
    t,
    onQuery('SELECT', (socket) => socket.end(Buffer.from([SERVER_PACKETS.Data, 0, 1]))),
  );
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: server.port } });
  const client = await useNativeClient(t, port);
  await client.send(client.queryBytes('SELECT 1'));
  await t.throwsAsync(client.readAnswer(), { name: 'EndOfBytes' });
});

test('a server that breaks off while a helper query runs leaves a clear error', async (t) => {
  const server = await useScriptedServer(
    t,
    onQuery('SELECT helper', (socket) => socket.destroy()),
  );
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: server.port } });
  const client = await useNativeClient(t, port);
  t.is((await client.query('MARKED ASK SELECT helper')).exception?.code, 210);
  await closed(client);
});

test('a client that goes away takes its connection to the server with it', async (t) => {
  const server = await useScriptedServer(t, (socket) => socket.once('data', () => socket.write(serverHello())));
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: server.port } });
  for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
    const client = await useNativeClient(t, port);
    const upstream = await waitFor(() => server.connections.at(-1));
    await client.send(client.queryBytes('SELECT sleep(3)'));
    client.socket[leave]();
    upstream.resume();
    await waitFor(() => upstream.destroyed || upstream.readableEnded, { message: leave });
  }
  t.pass();
});

test('a client that does not read stops the server, and memory stays flat', async (t) => {
  let sentBytes = 0;
  const piece = Buffer.alloc(64 * 1024);
  const server = await useScriptedServer(
    t,
    onQuery('SELECT', (socket) => {
      const flood = (): void => {
        while (socket.writable && sentBytes < 1_000_000_000) {
          sentBytes += piece.length;
          if (!socket.write(piece)) break;
        }
      };
      socket.on('drain', flood);
      flood();
    }),
  );
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: server.port } });
  const client = await useNativeClient(t, port);
  client.socket.pause();
  await client.send(client.queryBytes('SELECT 1'));
  let before = -1;
  await waitFor(() => {
    const isStill = sentBytes > 0 && before === sentBytes;
    before = sentBytes;
    return isStill;
  });
  t.true(sentBytes < 50_000_000, `${sentBytes} bytes are on their way`);
});

test('a server that does not read stops the client', async (t) => {
  const server = await useScriptedServer(
    t,
    onQuery('INSERT', (socket) => socket.pause()),
  );
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: server.port } });
  const client = await useNativeClient(t, port);
  await client.send(client.queryBytes('INSERT INTO t VALUES'));
  const packet = client.dataBytes(client.blockOf('x', 'UInt64', 8192, Buffer.alloc(65_536)));
  let sentBytes = 0;
  const flood = (): void => {
    while (sentBytes < 1_000_000_000) {
      sentBytes += packet.length;
      if (!client.socket.write(packet)) return;
    }
  };
  client.socket.on('drain', flood);
  flood();
  let before = -1;
  await waitFor(() => {
    const isStill = before === sentBytes;
    before = sentBytes;
    return isStill;
  });
  t.true(sentBytes < 50_000_000, `${sentBytes} bytes are on their way`);
});

test('a client without login waits no longer than the others may bear', async (t) => {
  const { port, close } = await useNativeFrontEnd(t);
  const silent = await useConnection(t, port);
  await silent.send(Buffer.from([CLIENT_PACKETS.Hello, 5]));
  await close();
  await closed(silent);
  t.pass();
});
