import { createServer as createTcpServer, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { freePort } from '../../../helpers/index.ts';

/** A server of our own making: `serve` gets each connection. */
export async function useTcpServer(t: ExecutionContext, serve: (socket: Socket, number: number) => void): Promise<string> {
  const open = new Set<Socket>();
  let count = 0;
  const server = createTcpServer((socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    count += 1;
    serve(socket, count);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${port}`;
}
