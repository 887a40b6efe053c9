import { connect, type Socket } from 'node:net';
import { writeClientHello } from '../../src/protocol/index.ts';

/** Connections that have had one answer each and ask for nothing more. */
export interface IdleConnections {
  /** How many the other side has not closed. */
  open(): number;
  /** Closes them; resolves when all are closed. */
  close(): Promise<void>;
}

/** What a client says first, and whether what came is the whole answer. */
interface Greeting {
  readonly bytes: Buffer;
  isAnswered(answer: string): boolean;
}

export const IDLE_PROTOCOLS = ['http', 'native'] as const;
export type IdleProtocol = (typeof IDLE_PROTOCOLS)[number];

// A revision whose login ends with the server's Hello.
const REVISION = 54_429;
const SERVER_HELLO = '\0';

const GREETINGS: Readonly<Record<IdleProtocol, Greeting>> = {
  http: {
    bytes: Buffer.from('GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    isAnswered: (answer) => answer.startsWith('HTTP/1.1 200') && answer.endsWith('0\r\n\r\n'),
  },
  native: {
    bytes: writeClientHello({
      name: Buffer.from('idle'),
      majorVersion: 20,
      minorVersion: 1,
      revision: REVISION,
      database: Buffer.alloc(0),
      user: Buffer.from('default'),
      password: Buffer.alloc(0),
    }),
    isAnswered: (answer) => answer.startsWith(SERVER_HELLO),
  },
};

const AT_ONCE = 100;

/** Opens `count` connections to this port of 127.0.0.1, each with a `GET /ping` or a login that is answered. Rejects when one of them is refused. */
export async function openIdleConnections(protocol: IdleProtocol, port: number, count: number): Promise<IdleConnections> {
  const sockets = new Set<Socket>();
  const open = async (): Promise<void> => {
    const socket = connect(port, '127.0.0.1');
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    await greet(socket, GREETINGS[protocol]);
  };
  let left = count;
  const openOneByOne = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await open();
    }
  };
  const close = async (): Promise<void> => {
    const closed = [...sockets].map(async (socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, openOneByOne));
  } catch (error) {
    await close();
    throw error;
  }
  return { open: () => sockets.size, close };
}

async function greet(socket: Socket, greeting: Greeting): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let answer = '';
    let reason: Error | undefined;
    socket.on('data', (piece: Buffer) => {
      answer += piece.toString('latin1');
      if (greeting.isAnswered(answer)) resolve();
    });
    socket.on('error', (error) => {
      reason = error;
    });
    socket.once('close', () => reject(reason ?? new Error(`closed after ${JSON.stringify(answer.slice(0, 200))}`)));
    socket.write(greeting.bytes);
  });
  socket.removeAllListeners('data').resume();
}
