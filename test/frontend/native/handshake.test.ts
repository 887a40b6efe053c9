import { once } from 'node:events';
import type { Socket } from 'node:net';
import test from 'ava';
import {
  BufferReader,
  ByteWriter,
  CLIENT_PACKETS,
  readException,
  readServerHello,
  SERVER_PACKETS,
  writeClientHello,
  writeException,
} from '../../../src/protocol/index.ts';
import { waitFor } from '../../helpers/index.ts';
import { serverHello, useNativeFrontEnd, useScriptedServer } from './helpers/front-end.ts';
import { useConnection } from './helpers/native-client.ts';

/** Keeps everything that a socket receives. */
function record(socket: Socket): { bytes(): Buffer } {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  return { bytes: () => Buffer.concat(pieces) };
}

const upstreamOf = (port: number): { upstream: { host: string; port: number } } => ({ upstream: { host: '127.0.0.1', port } });

test('both sides are told not to use chunks when the server leaves the choice', async (t) => {
  const server = await useScriptedServer(t, (socket) => socket.once('data', () => socket.write(serverHello('chunked_optional'))));
  const { port } = await useNativeFrontEnd(t, upstreamOf(server.port));
  const client = await useConnection(t, port);
  await client.send(client.helloBytes());
  const [bytes] = (await once(client.socket, 'data')) as [Buffer];
  const reader = new BufferReader(bytes);
  t.is(await reader.u8(), SERVER_PACKETS.Hello);
  t.deepEqual((await readServerHello(reader, 54488)).framing, { send: 'notchunked', receive: 'notchunked' });
});

test('a server that insists on chunks is told to the client in words', async (t) => {
  const server = await useScriptedServer(t, (socket) => socket.once('data', () => socket.write(serverHello('chunked'))));
  const { port } = await useNativeFrontEnd(t, upstreamOf(server.port));
  const client = await useConnection(t, port);
  const exception = await client.logIn();
  t.is(exception?.code, 48);
  t.regex(exception?.message ?? '', /insists on chunked framing/);
  await waitFor(() => server.connections[0]?.closed === true || server.connections[0]?.readableEnded === true);
});

test('a server of the same cluster passes unread, whatever its revision', async (t) => {
  const recorded: { bytes(): Buffer }[] = [];
  const server = await useScriptedServer(t, (socket) => {
    recorded.push(record(socket));
    socket.write('anything');
  });
  const { port } = await useNativeFrontEnd(t, upstreamOf(server.port));
  const client = await useConnection(t, port);
  const hello = writeClientHello({
    name: Buffer.from('ClickHouse server'),
    majorVersion: 99,
    minorVersion: 1,
    revision: 60_000,
    database: Buffer.alloc(0),
    user: Buffer.from(' INTERSERVER SECRET '),
    password: Buffer.alloc(0),
    interserver: { cluster: Buffer.from('c'), salt: Buffer.from('salt') },
  });
  const all = Buffer.concat([hello, Buffer.from('no packets, '), Buffer.alloc(100_000, 7)]);
  const answer = record(client.socket);
  await client.send(all);
  await waitFor(() => recorded[0]?.bytes().equals(all));
  await waitFor(() => answer.bytes().toString() === 'anything');
  t.pass();
});

test('a login by SSH key is passed on: request, challenge, signature', async (t) => {
  const server = await useScriptedServer(t, (socket) => {
    let step = 0;
    socket.on('data', (bytes: Buffer) => {
      if (step === 0 && bytes.at(-1) === CLIENT_PACKETS.SSHChallengeRequest) {
        step = 1;
        socket.write(new ByteWriter().u8(SERVER_PACKETS.SSHChallenge).string('prove it').bytes());
      } else if (step === 1 && bytes.includes('signed')) {
        step = 2;
        socket.write(serverHello());
      }
    });
  });
  const { port } = await useNativeFrontEnd(t, upstreamOf(server.port));
  const client = await useConnection(t, port, { user: ' SSH KEY AUTHENTICATION me' });
  await client.send(Buffer.concat([client.helloBytes(), Buffer.from([CLIENT_PACKETS.SSHChallengeRequest])]));
  t.is(await client.reader.u8(), SERVER_PACKETS.SSHChallenge);
  t.is(await client.reader.string(), 'prove it');
  await client.send(new ByteWriter().u8(CLIENT_PACKETS.SSHChallengeResponse).string('signed').bytes());
  t.is(await client.reader.u8(), SERVER_PACKETS.Hello);
});

test('a server that has no challenge for an SSH key is heard: its exception reaches the client', async (t) => {
  const refusal = { code: 516, className: 'DB::Exception', message: 'DB::Exception: me: Authentication failed' };
  const server = await useScriptedServer(t, (socket) => {
    socket.on('data', (bytes: Buffer) => {
      if (bytes.at(-1) === CLIENT_PACKETS.SSHChallengeRequest) socket.end(writeException(refusal));
    });
  });
  const { port } = await useNativeFrontEnd(t, upstreamOf(server.port));
  const client = await useConnection(t, port, { user: ' SSH KEY AUTHENTICATION me' });
  await client.send(Buffer.concat([client.helloBytes(), Buffer.from([CLIENT_PACKETS.SSHChallengeRequest])]));
  t.is(await client.reader.u8(), SERVER_PACKETS.Exception);
  t.deepEqual(await readException(client.reader), refusal);
  await t.throwsAsync(client.reader.u8(), { name: 'EndOfBytes' });
});

test('a login by SSH key from a client newer than the gateway is refused with a reason', async (t) => {
  const server = await useScriptedServer(t);
  const { port } = await useNativeFrontEnd(t, upstreamOf(server.port));
  const client = await useConnection(t, port, { user: ' SSH KEY AUTHENTICATION me', revision: 60_000 });
  const exception = await client.logIn();
  t.is(exception?.code, 48);
  t.regex(exception?.message ?? '', /up to protocol revision 54488, the client has 60000/);
});
