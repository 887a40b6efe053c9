import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { Flow } from '../../../src/frontend/native/flow.ts';
import { rereadAccepted } from '../../../src/sockets/index.ts';
import { waitFor } from '../../helpers/index.ts';

/** Both ends of a connection. */
async function useConnection(t: ExecutionContext, isReread: boolean): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer({ pauseOnConnect: isReread });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const near = isReread ? rereadAccepted(accepted) : accepted;
  for (const socket of [near, far]) socket.on('error', () => undefined);
  t.teardown(() => {
    for (const socket of [near, far]) socket.destroy();
    server.close();
  });
  return { near, far };
}

for (const isReread of [false, true]) {
  const name = isReread ? 'from memory that is used again' : 'from memory of its own';

  test(`what comes during work and right after it is read in its order, ${name}`, async (t) => {
    const { near, far } = await useConnection(t, isReread);
    const flow = new Flow(near);
    await flow.whileOpen(async () => {
      for (const [at, piece] of ['one ', 'two '].entries()) {
        far.write(piece);
        await waitFor(() => near.bytesRead === 4 * (at + 1), { message: piece });
      }
    });
    far.end('three');
    await waitFor(() => near.bytesRead === 13 || near.isPaused(), { message: 'the last piece to come, or to be left where it is' });
    t.is((await flow.bytes(13)).toString(), 'one two three');
  });
}
