import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { emptyBlock } from '../../../src/protocol/index.ts';
import { useCertificate, useClickHouse, useDatabase, waitFor } from '../../helpers/index.ts';
import { markedDispatcher, serverHello, useNativeFrontEnd, useScriptedServer } from './helpers/front-end.ts';
import { NativeClient, type NativeAnswer } from './helpers/native-client.ts';

/** A client that is logged in and reads on when it has ended its side. */
async function useHalfOpenClient(t: ExecutionContext, port: number, ca?: Buffer): Promise<NativeClient> {
  const address = { port, host: '127.0.0.1', allowHalfOpen: true };
  const socket: Socket = ca === undefined ? connect(address) : connectTls({ ...address, servername: 'localhost', ca });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, ca === undefined ? 'connect' : 'secureConnect');
  const client = new NativeClient(socket, {});
  t.is(await client.logIn(), undefined);
  return client;
}

/** Sends these bytes and its end; the answer, and that the connection is closed after it. */
async function lastAnswer(t: ExecutionContext, client: NativeClient, bytes: Buffer): Promise<NativeAnswer> {
  client.socket.end(bytes);
  const answer = await client.readAnswer();
  await t.throwsAsync(client.reader.u8(), { name: 'EndOfBytes' });
  return answer;
}

test('a client that ends its side after a query gets the answer that the server itself gives', async (t) => {
  const { nativePort } = await useClickHouse(t);
  const { port } = await useNativeFrontEnd(t);
  // A query that runs for a while is cancelled by the server, which says so.
  for (const sql of ['SELECT number FROM numbers(10)', 'SELECT nope', 'SELECT sleep(1)']) {
    const [direct, through] = [await useHalfOpenClient(t, nativePort), await useHalfOpenClient(t, port)];
    const expected = await lastAnswer(t, direct, direct.queryBytes(sql));
    const answer = await lastAnswer(t, through, through.queryBytes(sql));
    t.deepEqual({ ...answer, packets: answer.packets.at(-1) }, { ...expected, packets: expected.packets.at(-1) }, sql);
  }
});

test('the same over TLS', async (t) => {
  const tls = await useCertificate(t);
  const { port } = await useNativeFrontEnd(t, { tls });
  const client = await useHalfOpenClient(t, port, tls.cert);
  t.deepEqual((await lastAnswer(t, client, client.queryBytes('SELECT 1'))).rows, [['1']]);
});

test('a statement of ours is carried out to its end, too', async (t) => {
  const dispatcher = markedDispatcher();
  const { port } = await useNativeFrontEnd(t, { dispatcher });
  const asking = await useHalfOpenClient(t, port);
  t.deepEqual((await lastAnswer(t, asking, asking.queryBytes('MARKED ASK SELECT 1'))).rows, [['[["1"]]']]);
  const refused = await useHalfOpenClient(t, port);
  t.is((await lastAnswer(t, refused, refused.queryBytes('MARKED REFUSE'))).exception?.code, 36);
});

test('rows that are sent with the end behind them are inserted', async (t) => {
  const server = await useClickHouse(t);
  const database = await useDatabase(t);
  await server.query(`CREATE TABLE ${database}.t (x UInt8) ENGINE = Memory`);
  const { port } = await useNativeFrontEnd(t);
  const client = await useHalfOpenClient(t, port);
  await client.beginInsert(`INSERT INTO ${database}.t VALUES`);
  const rows = client.dataBytes(client.blockOf('x', 'UInt8', 3, Buffer.from([1, 2, 3])));
  t.is((await lastAnswer(t, client, Buffer.concat([rows, client.dataBytes(emptyBlock(client.revision))]))).exception, undefined);
  t.is(await server.query(`SELECT sum(x) FROM ${database}.t`), '6');
});

test('a client that ends its side without a query is closed', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const client = await useHalfOpenClient(t, port);
  client.socket.end();
  await t.throwsAsync(client.reader.u8(), { name: 'EndOfBytes' });
});

test('a server that ends its side takes the connection with it, also while the client keeps its own open', async (t) => {
  const server = await useScriptedServer(t, (socket) => socket.once('data', () => socket.end(serverHello())));
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: server.port } });
  const client = await useHalfOpenClient(t, port);
  await t.throwsAsync(client.reader.u8(), { name: 'EndOfBytes' });
  await waitFor(() => server.connections[0]?.closed, { message: 'the connection to the server to be closed' });
});
