import type { Socket } from 'node:net';
import type { Broker } from 'kafkajs';

export interface RawRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  /** Body in pieces, which must stay as they are until the answer has come. */
  readonly body: readonly Buffer[];
}

/** kafkajs' connection, as far as it is used here. */
interface Connection {
  readonly clientId: string;
  readonly socket: Socket;
  readonly requestQueue: {
    push(request: {
      entry: Omit<RawRequest, 'body'> & {
        correlationId: number;
        resolve: (answer: { payload: Buffer }) => void;
        reject: (error: Error) => void;
      };
      expectResponse: boolean;
      requestTimeout: null;
      sendRequest: () => void;
    }): void;
    maybeThrottle(throttleTimeMs: number): void;
  };
  isConnected(): boolean;
  authenticate(): Promise<void>;
  failIfNotConnected(): void;
  nextCorrelationId(): number;
}

type Pooled = Omit<Broker, 'fetch'> & {
  readonly connectionPool: { getConnection(): Promise<Connection> };
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>> | null;
};

/** A broker's connection for all that is not a fetch, open and authenticated. */
export interface OpenConnection {
  /**
   * Writes a request, behind those before it; the payload of its answer. kafkajs itself would copy each request twice, into buffers of the next power of two that
   * are filled with zeros before. Rejects with kafkajs' errors when the connection ends.
   */
  send(request: RawRequest): Promise<Buffer>;
  /** Requests wait so long, as the broker asked for. */
  throttle(throttleTimeMs: number): void;
}

/** The newest version of a request that the connected broker knows; -1: none. */
export function newestVersion(broker: Omit<Broker, 'fetch'>, apiKey: number): number {
  return (broker as Pooled).versions?.[apiKey]?.maxVersion ?? -1;
}

/** Throws kafkajs' errors when the broker cannot be reached. */
export async function openConnection(broker: Omit<Broker, 'fetch'>): Promise<OpenConnection> {
  const connection = await (broker as Pooled).connectionPool.getConnection();
  // Does nothing when it is; an authentication has an end.
  await connection.authenticate();
  return {
    send: async (request) => sendOver(connection, request),
    throttle: (throttleTimeMs) => {
      connection.requestQueue.maybeThrottle(throttleTimeMs);
    },
  };
}

const noDelay = new WeakSet<Socket>();

async function sendOver(connection: Connection, { body, ...entry }: RawRequest): Promise<Buffer> {
  const { payload } = await new Promise<{ payload: Buffer }>((resolve, reject) => {
    connection.failIfNotConnected();
    const { socket } = connection;
    // The end of a request would wait until the broker's kernel has acknowledged what was before it.
    if (!noDelay.has(socket)) noDelay.add(socket.setNoDelay(true));
    const correlationId = connection.nextCorrelationId();
    const header = headerOf(entry, correlationId, connection.clientId, body);
    const sendRequest = (): void => {
      socket.cork();
      socket.write(header);
      for (const part of body) socket.write(part);
      socket.uncork();
    };
    connection.requestQueue.push({
      entry: { ...entry, correlationId, resolve, reject },
      expectResponse: true,
      requestTimeout: null,
      sendRequest,
    });
  });
  return payload;
}

const SIZE_BYTES = 4;
const FIXED_BYTES = 2 + 2 + 4 + 2;

function headerOf(
  { apiKey, apiVersion }: Omit<RawRequest, 'body'>,
  correlationId: number,
  clientId: string,
  body: readonly Buffer[],
): Buffer {
  const client = Buffer.from(clientId, 'utf8');
  const header = Buffer.alloc(SIZE_BYTES + FIXED_BYTES);
  header.writeInt32BE(
    body.reduce((bytes, { length }) => bytes + length, FIXED_BYTES + client.length),
    0,
  );
  header.writeInt16BE(apiKey, 4);
  header.writeInt16BE(apiVersion, 6);
  header.writeInt32BE(correlationId, 8);
  header.writeInt16BE(client.length, 12);
  return Buffer.concat([header, client]);
}
