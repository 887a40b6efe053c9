import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { silentLogger } from '../../src/logger.ts';
import { createNativeFrontEnd } from '../../src/frontend/native/index.ts';
import { waitFor } from '../helpers/index.ts';
import { forwardEverything, useFrontEnd } from './http/helpers/front-end.ts';

const NO_SERVER = { host: '127.0.0.1', port: 1 };

/** Connects, says nothing, and keeps what it hears. */
async function useListener(t: ExecutionContext, port: number): Promise<{ socket: Socket; heard: () => string; isClosed: () => boolean }> {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  let heard = '';
  socket.on('data', (piece: Buffer) => (heard += piece.toString('latin1')));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return { socket, heard: () => heard, isClosed: () => socket.destroyed || socket.readableEnded };
}

async function useNative(t: ExecutionContext, maxConnections: number): Promise<number> {
  const frontEnd = createNativeFrontEnd({
    host: '127.0.0.1',
    port: 0,
    upstream: NO_SERVER,
    dispatcher: forwardEverything,
    logger: silentLogger(),
    graceMs: 100,
    maxConnections,
  });
  t.teardown(async () => frontEnd.close());
  return frontEnd.listen();
}

async function useHttp(t: ExecutionContext, maxConnections: number): Promise<number> {
  const { url } = await useFrontEnd(t, { upstream: { url: 'http://127.0.0.1:1' }, maxConnections });
  return Number(new URL(url).port);
}

const told = test.macro({
  async exec(t, useFront: (t: ExecutionContext, maxConnections: number) => Promise<number>, expected: RegExp) {
    const port = await useFront(t, 3);
    const admitted = [];
    for (let i = 0; i < 3; i += 1) admitted.push(await useListener(t, port));
    // Far more than are told: the rest are cut off.
    const refused = await Promise.all(Array.from({ length: 200 }, async () => useListener(t, port)));
    await waitFor(() => refused.every(({ isClosed }) => isClosed()));
    const texts = refused.map(({ heard }) => heard()).filter((text) => text !== '');
    t.true(texts.length > 0);
    for (const text of texts) t.regex(text, expected);
    t.deepEqual(
      admitted.map(({ isClosed }) => isClosed()),
      [false, false, false],
    );
    admitted[0]?.socket.destroy();
    await waitFor(async () => {
      const next = await useListener(t, port);
      await new Promise((resolve) => setImmediate(resolve));
      return !(await closesSoon(next.socket));
    });
    t.pass();
  },
  title: (title = '') => title,
});

async function closesSoon(socket: Socket): Promise<boolean> {
  return Promise.race([
    once(socket, 'close').then(() => true),
    once(socket, 'end').then(() => true),
    new Promise<boolean>((resolve) => setTimeout(resolve, 300, false)),
  ]);
}

const TOO_MANY = 'Too many connections to the gateway: 3 are open, as many as max_connections allows';

test(
  'who comes to the HTTP port when there are too many connections is told so, and the others stay',
  told,
  useHttp,
  new RegExp(
    `^HTTP/1\\.1 503 Service Unavailable\\r\\n[^]*X-ClickHouse-Exception-Code: 202\\r\\n[^]*Code: 202\\. DB::Exception: ${TOO_MANY}`,
  ),
);
test(
  'who comes to the native port when there are too many connections is told so, and the others stay',
  told,
  useNative,
  new RegExp(TOO_MANY),
);
