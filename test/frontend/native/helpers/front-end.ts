import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { clickhouseError } from '../../../../src/errors.ts';
import { createNativeFrontEnd, type NativeFrontEnd, type NativeFrontEndOptions } from '../../../../src/frontend/native/index.ts';
import { silentLogger } from '../../../../src/logger.ts';
import { ByteWriter, SERVER_PACKETS } from '../../../../src/protocol/index.ts';
import type { Action, ClientSession, Dispatcher } from '../../../../src/query/types.ts';
import { useClickHouse } from '../../../helpers/index.ts';

export interface TestFrontEnd {
  readonly port: number;
  readonly close: () => Promise<void>;
  readonly renewCertificate: NativeFrontEnd['renewCertificate'];
}

/** A native front end for this test, in front of the shared ClickHouse unless `options` name another server; closed when the test ends. */
export async function useNativeFrontEnd(t: ExecutionContext, options: Partial<NativeFrontEndOptions> = {}): Promise<TestFrontEnd> {
  const upstream = options.upstream ?? { host: '127.0.0.1', port: (await useClickHouse(t)).nativePort };
  const frontEnd = createNativeFrontEnd({
    host: '127.0.0.1',
    port: 0,
    dispatcher: markedDispatcher(),
    logger: silentLogger(),
    graceMs: 200,
    ...options,
    upstream,
  });
  const port = await frontEnd.listen();
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => (closing ??= frontEnd.close());
  t.teardown(close);
  return { port, close, renewCertificate: (tls) => frontEnd.renewCertificate(tls) };
}

type Act = (statement: string, session: ClientSession) => Action | Promise<Action>;

/**
 * Statements that begin with the word MARKED are ours: `MARKED RUN <other text>`, `MARKED REFUSE`, `MARKED ASK <helper query>` (answers its rows as one JSON text),
 * or whatever `act` does. All others are forwarded. What it was given is kept in `statements`.
 */
export function markedDispatcher(act: Act = actByWord): Dispatcher & { readonly statements: string[] } {
  const statements: string[] = [];
  return {
    statements,
    classify: (head, complete) => {
      const start = head.trimStart().slice(0, 6).toUpperCase();
      if (start === 'MARKED') return 'whole';
      return !complete && 'MARKED'.startsWith(start) ? 'more' : 'forward';
    },
    dispatch: async (statement, session) => {
      statements.push(statement);
      return act(statement, session);
    },
  };
}

async function actByWord(statement: string, session: ClientSession): Promise<Action> {
  const [, word = '', rest = ''] = /^\s*MARKED (\w+)\s*([^]*)$/i.exec(statement) ?? [];
  if (word === 'RUN') return { kind: 'run', sql: rest };
  if (word !== 'ASK') return { kind: 'refuse', exception: clickhouseError('BAD_ARGUMENTS', "It's refused\\here") };
  try {
    return { kind: 'run', sql: `SELECT $json$${JSON.stringify(await session.query(rest))}$json$` };
  } catch (error) {
    return { kind: 'refuse', exception: error as ReturnType<typeof clickhouseError> };
  }
}

export interface ScriptedServer {
  readonly port: number;
  /** Its connections so far. */
  readonly connections: Socket[];
  /** The next connection. */
  readonly accept: () => Promise<Socket>;
}

/** A server that does what the test tells it, in the place of ClickHouse. */
export async function useScriptedServer(
  t: ExecutionContext,
  onConnection: (socket: Socket) => unknown = () => undefined,
): Promise<ScriptedServer> {
  const connections: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    connections.push(socket);
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of connections) socket.destroy();
  });
  const accept = async (): Promise<Socket> => ((await once(server, 'connection')) as [Socket])[0];
  return { port: (server.address() as AddressInfo).port, connections, accept };
}

/** A server's Hello at revision 54488, with this framing in both directions. */
export function serverHello(framing = 'notchunked'): Buffer {
  const head = new ByteWriter().u8(SERVER_PACKETS.Hello).string('ClickHouse').varuint(26).varuint(7).varuint(54488).varuint(8);
  head.string('UTC').string('scripted').varuint(2).string(framing).string(framing);
  // No password rules, a nonce, no settings, versions of query plans and cluster functions.
  return head.varuint(0).raw(Buffer.alloc(8)).string('').varuint(3).varuint(8).bytes();
}
