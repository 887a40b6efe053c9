import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { clickhouseError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Dispatcher } from '../../query/index.ts';
import {
  ConnectionLimit,
  HANDSHAKE_TIMEOUT_MS,
  MAX_CONNECTIONS,
  renewCertificate,
  rereadAccepted,
  SEND_TIMEOUT_MS,
  surviveAcceptFaults,
  type OwnCertificate,
} from '../../sockets/index.ts';
import { MAX_STATEMENT_BYTES, STATEMENT_MEMORY_BYTES, StatementMemory } from '../statement-memory.ts';
import { NativeConnection, type ConnectionContext } from './connection.ts';
import { sendException } from './respond.ts';
import { openUpstream, prepareSocket, SOCKET_BUFFER_BYTES, type NativeUpstream } from './sockets.ts';

export interface NativeFrontEndOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly upstream: NativeUpstream;
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
  /** Certificate chain and key in PEM: the port speaks TLS only. */
  readonly tls?: OwnCertificate;
  /** The gateway's HTTP port, for the sentence that tells an HTTP client of its mistake. */
  readonly httpPort?: number;
  /** How long `close` waits for running queries, in milliseconds; 10,000 when absent. */
  readonly graceMs?: number;
  /** In milliseconds, whoever has not finished its TLS handshake by then is cut off; 10,000 when absent. */
  readonly handshakeTimeoutMs?: number;
  /** In milliseconds, whoever has not logged in by then is cut off; 30,000 when absent. */
  readonly loginTimeoutMs?: number;
  /** How long a statement that is read may pause, in milliseconds; 60,000 when absent. */
  readonly receiveTimeoutMs?: number;
  /** How long a client may take nothing of what waits for it, in milliseconds; 3,600,000 when absent. */
  readonly sendTimeoutMs?: number;
  /** What statements may take together while they are read, in bytes; 256 MiB when absent. */
  readonly statementMemoryBytes?: number;
  /** Longest statement that is read, in bytes, where the client's settings allow for so much; 64 MiB when absent. */
  readonly maxStatementBytes?: number;
  /** Connections of clients at a time; 4,096 when absent. */
  readonly maxConnections?: number;
  /** How long a client that waits for Kafka is left without a sign of life, in milliseconds; 10,000 when absent. */
  readonly signOfLifeMs?: number;
}

export interface NativeFrontEnd {
  /** Starts listening and answers the port. Rejects when the address cannot be had. */
  listen(): Promise<number>;
  /** Whoever connects from now on sees this certificate. Throws when it cannot be used: the one before goes on. For a port that speaks TLS. */
  renewCertificate(tls: OwnCertificate): void;
  /** Stops accepting, closes idle connections, lets running queries end within the grace period, then cuts what is left. */
  close(): Promise<void>;
}

const DEFAULT_GRACE_MS = 10_000;
const LOGIN_TIMEOUT_MS = 30_000;
const RECEIVE_TIMEOUT_MS = 60_000;
// Clients give up after 300 s of silence, some of them after less.
const SIGN_OF_LIFE_MS = 10_000;
const IDLE_CHECK_MS = 20;

/** ClickHouse's native protocol on a TCP port: every client has a connection of its own to the server, and meets the dispatcher with each query. */
export function createNativeFrontEnd(options: NativeFrontEndOptions): NativeFrontEnd {
  const connections = new Set<NativeConnection>();
  const context: ConnectionContext = {
    openUpstream: async () => openUpstream(options.upstream),
    dispatcher: options.dispatcher,
    logger: options.logger,
    loginTimeoutMs: options.loginTimeoutMs ?? LOGIN_TIMEOUT_MS,
    sendTimeoutMs: options.sendTimeoutMs ?? SEND_TIMEOUT_MS,
    signOfLifeMs: options.signOfLifeMs ?? SIGN_OF_LIFE_MS,
    limits: {
      memory: new StatementMemory(options.statementMemoryBytes ?? STATEMENT_MEMORY_BYTES),
      maxStatementBytes: options.maxStatementBytes ?? MAX_STATEMENT_BYTES,
      receiveTimeoutMs: options.receiveTimeoutMs ?? RECEIVE_TIMEOUT_MS,
    },
    ...(options.httpPort === undefined ? {} : { httpPort: options.httpPort }),
  };
  const server = listenFor(options, (socket) => {
    prepareSocket(socket);
    if (!limit.admits(socket)) {
      sendException(socket, clickhouseError('TOO_MANY_SIMULTANEOUS_QUERIES', limit.refusal));
      return;
    }
    const connection = new NativeConnection(context, socket);
    connections.add(connection);
    socket.once('close', () => connections.delete(connection));
    void connection.run();
  });
  const limit = new ConnectionLimit(server, options.maxConnections ?? MAX_CONNECTIONS, options.logger);
  return {
    listen: async () => listen(server, options),
    renewCertificate: (tls) => renewCertificate(server, tls),
    close: async () => close(server, connections, options.graceMs ?? DEFAULT_GRACE_MS),
  };
}

function listenFor(options: NativeFrontEndOptions, onClient: (socket: Socket) => void): Server {
  if (options.tls === undefined) {
    return createServer({ pauseOnConnect: true, allowHalfOpen: true }, (accepted) => {
      onClient(rereadAccepted(accepted));
    });
  }
  const handshakeTimeout = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  const server = createTlsServer({ highWaterMark: SOCKET_BUFFER_BYTES, allowHalfOpen: true, handshakeTimeout, ...options.tls }, onClient);
  server.on('tlsClientError', (error, socket) => {
    // After its time-out Node leaves that to us.
    socket.destroy();
    options.logger.debug({ err: error }, 'TLS handshake failed');
  });
  return server;
}

async function listen(server: Server, { host, port, logger }: NativeFrontEndOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  surviveAcceptFaults(server, logger);
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

async function close(server: Server, connections: ReadonlySet<NativeConnection>, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  const cut = (isDue: (connection: NativeConnection) => boolean): void => {
    for (const connection of connections) if (isDue(connection)) connection.destroy();
  };
  cut((connection) => connection.isIdle());
  const idle = setInterval(() => cut((connection) => connection.isIdle()), IDLE_CHECK_MS);
  const grace = setTimeout(() => cut(() => true), graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(grace);
}
