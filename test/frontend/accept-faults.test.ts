import { once } from 'node:events';
import { connect, Server } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { pino, type Logger } from 'pino';
import { startAdminServer } from '../../src/admin/index.ts';
import { useFrontEnd } from './http/helpers/front-end.ts';
import { useNativeFrontEnd } from './native/helpers/front-end.ts';

const NO_SERVER = { host: '127.0.0.1', port: 1 };

const PORTS: Readonly<Record<string, (t: ExecutionContext, logger: Logger) => Promise<number>>> = {
  native: async (t, logger) => (await useNativeFrontEnd(t, { upstream: NO_SERVER, logger })).port,
  HTTP: async (t, logger) => Number(new URL((await useFrontEnd(t, { upstream: { url: 'http://127.0.0.1:1' }, logger })).url).port),
  admin: async (t, logger) => {
    const admin = await startAdminServer({ host: '127.0.0.1', port: 0, logger, notReadyReasons: async () => [], status: () => ({}) });
    t.teardown(() => admin.close());
    return admin.port;
  },
};

/** The server of this process that listens there: what happens to it cannot be brought about from outside. */
function listenerOf(port: number): Server | undefined {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles: () => unknown[] };
  const servers = handles.call(process).filter((handle) => handle instanceof Server);
  return servers.find((server) => JSON.stringify(server.address()).includes(`:${port}}`));
}

for (const [name, usePort] of Object.entries(PORTS)) {
  test(`a connection that cannot be accepted at the ${name} port ends nothing else, and the log tells of it`, async (t) => {
    const lines: string[] = [];
    const port = await usePort(t, pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }));
    t.true(listenerOf(port)?.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' })));
    t.regex(lines.join(''), /accept EMFILE.*a connection cannot be accepted/);
    const socket = connect(port, '127.0.0.1');
    t.teardown(() => socket.destroy());
    await once(socket, 'connect');
  });
}
