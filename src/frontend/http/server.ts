import { METHODS, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import Fastify, { type FastifyHttpOptions, type FastifyInstance } from 'fastify';
import { createUpstream, DRAIN_MS, MAX_HEADER_BYTES, type UpstreamOptions } from '../../clickhouse/index.ts';
import {
  ConnectionLimit,
  HANDSHAKE_TIMEOUT_MS,
  keepFreedMemory,
  MAX_CONNECTIONS,
  PROBE_DELAY_MS,
  renewCertificate,
  SEND_TIMEOUT_MS,
  surviveAcceptFaults,
  type OwnCertificate,
} from '../../sockets/index.ts';
import { clickhouseError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Dispatcher } from '../../query/index.ts';
import { ClientConnection, type ConnectionContext } from './client-connection.ts';
import { handleRequest, type RequestContext } from './handle-request.ts';
import { MAX_STATEMENT_BYTES, STATEMENT_MEMORY_BYTES, StatementMemory } from '../statement-memory.ts';

export interface HttpFrontEndOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly upstream: UpstreamOptions;
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
  /** The port speaks TLS only. */
  readonly tls?: OwnCertificate;
  /** Longest silence of a client in the middle of a head or of a statement, in milliseconds; 30,000 when absent. */
  readonly receiveTimeoutMs?: number;
  /** Longest time that a client may take nothing of its answer, in milliseconds; 3,600,000 when absent. */
  readonly sendTimeoutMs?: number;
  /** Longest time of a TLS handshake, in milliseconds; 10,000 when absent. */
  readonly handshakeTimeoutMs?: number;
  /** What statements that do not come in one piece may take together while they are read, in bytes; 256 MiB when absent. */
  readonly statementMemoryBytes?: number;
  /** Longest statement that is read, in bytes, where the client's settings allow for so much; 64 MiB when absent. */
  readonly maxStatementBytes?: number;
  /** Bytes of a request's first line and headers; 4 MiB when absent. */
  readonly maxRequestHeadBytes?: number;
  /** Connections of clients at a time; 4,096 when absent. */
  readonly maxConnections?: number;
  /** How long `close` waits for running requests, in milliseconds; 10,000 when absent. */
  readonly graceMs?: number;
}

export interface HttpFrontEnd {
  /** Starts listening and answers the port. Rejects when the address cannot be had. */
  listen(): Promise<number>;
  /** Whoever connects from now on sees this certificate. Throws when it cannot be used: the one before goes on. For a port that speaks TLS. */
  renewCertificate(tls: OwnCertificate): void;
  /** Stops accepting, lets running requests end within the grace period, cuts what is left, then closes the connections to the server. */
  close(): Promise<void>;
}

const DEFAULT_GRACE_MS = 10_000;
// As the server's `http_receive_timeout`. Data on their way to the server are under its own timeout, which is not doubled here.
const RECEIVE_TIMEOUT_MS = 30_000;
// The server's own time until its first answer names it. A client that trusts the promised time must not meet a closed connection, so a little is added.
const KEEP_ALIVE_MS = 30_000;
const KEEP_ALIVE_SLACK_MS = 1_000;
// A peer that vanished without a word is noticed by the kernel's probes: an answer may take hours, so silence alone says nothing.
const IDLE_CHECK_MS = 20;

export function createHttpFrontEnd(options: HttpFrontEndOptions): HttpFrontEnd {
  keepFreedMemory();
  const upstream = createUpstream(options.upstream);
  const { dispatcher, logger } = options;
  const memory = new StatementMemory(options.statementMemoryBytes ?? STATEMENT_MEMORY_BYTES);
  const limits = {
    timeoutMs: options.receiveTimeoutMs ?? RECEIVE_TIMEOUT_MS,
    memory,
    maxStatementBytes: options.maxStatementBytes ?? MAX_STATEMENT_BYTES,
  };
  const handshakeTimeout = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  const maxHeaderSize = options.maxRequestHeadBytes ?? MAX_HEADER_BYTES;
  const app = createApp({ upstream, dispatcher, logger, limits }, maxHeaderSize, options.tls && { ...options.tls, handshakeTimeout });
  const sockets = watchSockets(app.server);
  const limit = new ConnectionLimit(app.server, options.maxConnections ?? MAX_CONNECTIONS, logger);
  const connections = passConnections(app.server, limit, {
    upstream,
    dispatcher,
    receiveTimeoutMs: limits.timeoutMs,
    sendTimeoutMs: options.sendTimeoutMs ?? SEND_TIMEOUT_MS,
    keepAliveMs: () => app.server.keepAliveTimeout,
  });
  upstream.onKeepAlive((promisedMs) => {
    app.server.keepAliveTimeout = promisedMs + KEEP_ALIVE_SLACK_MS;
  });
  return {
    listen: async () => {
      await app.listen({ host: options.host, port: options.port });
      surviveAcceptFaults(app.server, logger);
      const address = app.server.address();
      return typeof address === 'object' && address !== null ? address.port : options.port;
    },
    renewCertificate: (tls) => renewCertificate(app.server, tls),
    close: async () => {
      await closeGracefully(app, connections, sockets, options.graceMs ?? DEFAULT_GRACE_MS);
      upstream.end();
    },
  };
}

/**
 * Fastify with everything off that would add, drop or read anything: one route for every path and method, and a request is taken from it (`hijack`)
 * before it looks at a body.
 */
function createApp(
  context: RequestContext,
  maxHeaderSize: number,
  tls: (OwnCertificate & { handshakeTimeout: number }) | undefined,
): FastifyInstance {
  const serverOptions = {
    maxHeaderSize,
    requireHostHeader: false,
    headersTimeout: context.limits.timeoutMs,
    connectionsCheckingInterval: context.limits.timeoutMs / 4,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_DELAY_MS,
  };
  const app = Fastify({
    logger: false,
    rewriteUrl: () => '/',
    forceCloseConnections: false,
    return503OnClosing: false,
    connectionTimeout: 0,
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS + KEEP_ALIVE_SLACK_MS,
    clientErrorHandler: answerBrokenRequest,
    ...(tls === undefined ? { http: serverOptions } : { https: { ...serverOptions, ...tls } }),
  } as FastifyHttpOptions<Server>);
  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  app.addHook('onRequest', (request, reply) => {
    const { raw } = request;
    reply.hijack();
    takeTurn(raw, reply.raw, () => {
      handleRequest(context, raw, reply.raw, request.originalUrl);
    });
  });
  app.all('/', (_request, reply) => reply);
  passExpectations(app.server);
  return app;
}

/** Puts `ClientConnection` before the server's HTTP, which gets the connections that need it. Answers those that do not. */
function passConnections(server: Server, limit: ConnectionLimit, context: Omit<ConnectionContext, 'serve'>): ReadonlySet<ClientConnection> {
  const event = server instanceof TlsServer ? 'secureConnection' : 'connection';
  const [serveHttp] = server.listeners(event);
  if (serveHttp === undefined) throw new Error("Node's HTTP server does not listen to its connections");
  server.off(event, serveHttp as () => void);
  const connections = new Set<ClientConnection>();
  const serve = (connection: ClientConnection, unread: Buffer): void => {
    connections.delete(connection);
    const { socket } = connection;
    socket.unshift(unread);
    serveHttp.call(server, socket);
    socket.resume();
  };
  const shared = { ...context, serve };
  server.on(event, (socket: Socket) => {
    if (!limit.admits(socket)) {
      refuseConnection(socket, limit.refusal);
      return;
    }
    const connection = new ClientConnection(socket, shared);
    connections.add(connection);
    socket.once('close', () => connections.delete(connection));
  });
  return connections;
}

const lastAnswers = new WeakMap<Socket, ServerResponse>();

/** Pipelined requests run one after the other, as on the server: the next may need the session that the one before it still holds. */
function takeTurn(client: IncomingMessage, answer: ServerResponse, run: () => void): void {
  const before = lastAnswers.get(client.socket);
  lastAnswers.set(client.socket, answer);
  if (before === undefined || before.closed || before.writableFinished) {
    run();
    return;
  }
  before.once('close', () => {
    if (!client.socket.destroyed) run();
  });
}

/** Node would answer `Expect` by itself; here it is the server's to say "continue" or not. */
function passExpectations(server: Server): void {
  server.maxHeadersCount = 0;
  for (const event of ['checkContinue', 'checkExpectation'] as const) {
    server.on(event, (client, answer) => server.emit('request', client, answer));
  }
}

const STATUS_OF_BROKEN: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** What is not HTTP, or no head in time, never reaches the server. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT' || !socket.writable) {
    socket.destroy();
    return;
  }
  endWith(socket, `HTTP/1.1 ${STATUS_OF_BROKEN[error.code ?? ''] ?? '400 Bad Request'}\r\nConnection: Close\r\n\r\n`);
}

function refuseConnection(socket: Socket, text: string): void {
  const { code, message } = clickhouseError('TOO_MANY_SIMULTANEOUS_QUERIES', text);
  const head = `HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=UTF-8\r\nX-ClickHouse-Exception-Code: ${code}\r\nConnection: Close`;
  socket.on('error', () => undefined);
  endWith(socket, `${head}\r\n\r\n${message}\n`);
}

function endWith(socket: Socket, answer: string): void {
  socket.end(answer);
  // At once, the client's unread bytes would reset the connection and take the answer along; without an end, it could stay open for ever.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), DRAIN_MS);
  socket.once('close', () => clearTimeout(timer));
}

/** All that are open, also those that nobody speaks HTTP with: during a TLS handshake, or after an error. */
function watchSockets(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}

async function closeGracefully(
  app: FastifyInstance,
  connections: ReadonlySet<ClientConnection>,
  sockets: ReadonlySet<Socket>,
  graceMs: number,
): Promise<void> {
  const closed = app.close();
  for (const connection of connections) connection.close();
  // Connections become idle one by one, as their answers end.
  const idle = setInterval(() => {
    app.server.closeIdleConnections();
  }, IDLE_CHECK_MS);
  const grace = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, graceMs);
  try {
    await closed;
  } finally {
    clearInterval(idle);
    clearTimeout(grace);
  }
}
