import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { receivePieces, rereadAccepted, withReusedReads } from '../../src/sockets/index.ts';

async function listen(t: ExecutionContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Writes every piece to `to` and reads on when it has gone out. */
function relay(from: Socket, to: Socket): void {
  receivePieces(from, (piece) => {
    let isWritten = false;
    to.write(piece, () => {
      if (isWritten) from.resume();
    });
    isWritten = to.writableLength > 0;
    return !isWritten;
  });
  from.on('end', () => to.end());
}

/** Bytes sent into a relay with connections that are read into reused memory, to a reader that pauses now and then, and back. */
async function sendAround(t: ExecutionContext, pieceBytes: readonly number[]): Promise<void> {
  const echo = createServer((socket) => {
    socket.on('data', (piece) => {
      if (socket.write(piece)) return;
      socket.pause();
      socket.once('drain', () => socket.resume());
    });
  });
  const echoPort = await listen(t, echo);
  const between = createServer({ pauseOnConnect: true }, (accepted) => {
    const client = rereadAccepted(accepted);
    const server = withReusedReads((onread) => connect({ port: echoPort, host: '127.0.0.1', onread }));
    relay(client, server);
    relay(server, client);
  });
  const client = connect(await listen(t, between), '127.0.0.1');
  const sent = createHash('sha256');
  const received = createHash('sha256');
  let missing = pieceBytes.reduce((sum, bytes) => sum + bytes, 0);
  client.on('data', (piece) => {
    received.update(piece);
    missing -= piece.length;
    if (missing === 0) client.end();
    client.pause();
    setImmediate(() => client.resume());
  });
  for (const bytes of pieceBytes) {
    const piece = randomBytes(bytes);
    sent.update(piece);
    if (!client.write(piece)) await once(client, 'drain');
  }
  await once(client, 'close');
  t.is(received.digest('hex'), sent.digest('hex'));
}

test('long and short pieces arrive as they were sent', async (t) => {
  await sendAround(t, [1, 100_000, 3, 20_000_000, 5000, 70_000, 2, 1_000_000]);
});

test('connections at once do not write over the bytes of each other', async (t) => {
  await Promise.all(Array.from({ length: 20 }, async (_, i) => sendAround(t, [i + 1, 300_000 + i, 17, 2_000_000, 40_000])));
});

test('a server closes when the connections that were made anew have ended', async (t) => {
  const server = createServer({ pauseOnConnect: true }, (accepted) => {
    const socket = rereadAccepted(accepted);
    receivePieces(socket, () => true);
    socket.on('end', () => socket.destroy());
  });
  const client = connect(await listen(t, server), '127.0.0.1');
  await once(client, 'connect');
  const closed = once(server, 'close');
  server.close();
  client.end('bye');
  await closed;
  t.pass();
});

test('what comes before anybody wants it is kept', async (t) => {
  const server = createServer((socket) => socket.end('early'));
  const port = await listen(t, server);
  const socket = withReusedReads((onread) => connect({ port, host: '127.0.0.1', onread }));
  await once(socket, 'connect');
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const piece = await new Promise<string>((resolve) => {
    receivePieces(socket, (bytes) => {
      resolve(bytes.toString());
      return true;
    });
  });
  t.is(piece, 'early');
  await once(socket, 'close');
});
