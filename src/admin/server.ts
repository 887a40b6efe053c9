import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../logger.ts';
import { surviveAcceptFaults } from '../sockets/index.ts';

export interface AdminOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly logger: Logger;
  /** Why the gateway cannot do its work now, one sentence each; empty when it can. A throw counts as a reason. */
  notReadyReasons(): Promise<readonly string[]>;
  /** What `/status` answers, as JSON. */
  status(): object;
}

export interface AdminServer {
  readonly port: number;
  /** Stops listening and ends open connections. */
  close(): Promise<void>;
}

const MOST_CONNECTIONS = 256;
const MOST_MS = 10_000;
const MOST_HEAD_BYTES = 16 * 1024;
const MOST_BODY_BYTES = 1024;

const PAGES = {
  '/health': 'answers 200 as long as the process lives',
  '/ready': 'answers 200 when the gateway can serve, else 503 with the reasons',
  '/status': 'answers each Kafka table in JSON: what it does, what it promises and what prevents more',
} as const;

/** Serves the pages for operators and their tools, without login. Rejects with the system's error when the port cannot be had. */
export async function startAdminServer(options: AdminOptions): Promise<AdminServer> {
  const server = Fastify({
    forceCloseConnections: true,
    // Nobody logs in here: whoever knocks gets little memory and little time.
    bodyLimit: MOST_BODY_BYTES,
    connectionTimeout: MOST_MS,
    requestTimeout: MOST_MS,
    keepAliveTimeout: MOST_MS,
    http: { maxHeaderSize: MOST_HEAD_BYTES, headersTimeout: MOST_MS, connectionsCheckingInterval: MOST_MS / 2 },
  });
  server.server.maxConnections = MOST_CONNECTIONS;
  addPages(server, options);
  addRefusals(server);
  await server.listen({ host: options.host, port: options.port });
  surviveAcceptFaults(server.server, options.logger);
  return { port: (server.server.address() as AddressInfo).port, close: () => server.close() };
}

function addPages(server: FastifyInstance, options: AdminOptions): void {
  server.get('/', (_request, reply) => {
    const lines = Object.entries(PAGES).map(([path, sentence]) => `${path}  ${sentence}`);
    return plain(reply, 200, lines.join('\n'));
  });
  server.get('/health', (_request, reply) => plain(reply, 200, 'ok'));
  // However many ask at a time, the server is asked once.
  let asking: Promise<readonly string[]> | undefined;
  server.get('/ready', async (_request, reply) => {
    asking ??= collectReasons(options).finally(() => {
      asking = undefined;
    });
    const reasons = await asking;
    return reply.code(reasons.length === 0 ? 200 : 503).send({ ready: reasons.length === 0, reasons });
  });
  server.get('/status', (_request, reply) => reply.send(options.status()));
}

async function collectReasons(options: AdminOptions): Promise<readonly string[]> {
  try {
    return await options.notReadyReasons();
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

function addRefusals(server: FastifyInstance): void {
  server.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const isPage = path === '/' || Object.hasOwn(PAGES, path);
    return isPage
      ? plain(reply.header('allow', 'GET, HEAD'), 405, `${path} answers GET and HEAD only`)
      : plain(reply, 404, 'no such page, / lists what is there');
  });
  // What is wrong with a request itself: a path that cannot be decoded, a body that cannot be read.
  server.setErrorHandler<Error & { statusCode?: number }>((error, _request, reply) => plain(reply, error.statusCode ?? 500, error.message));
}

function plain(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).type('text/plain; charset=utf-8').send(`${text}\n`);
}
