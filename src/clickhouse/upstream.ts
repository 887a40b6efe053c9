import { Agent as HttpAgent, type AgentOptions, type ClientRequestArgs, type ClientRequest, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { readOnAfterBrokenWrites } from './broken-writes.ts';
import { PROBE_DELAY_MS } from '../sockets/index.ts';
import { addressOf, ConnectionPool, type ServerTls } from './connections.ts';

/** Where the server's HTTP interface is. */
export interface UpstreamOptions {
  /** `http://host:port` or `https://host:port`; user, password and path in it are not used. */
  readonly url: string;
  /** For `https`; the defaults when absent. */
  readonly tls?: ServerTls;
  /**
   * How long an unused connection is kept, in milliseconds, unless the server names a shorter time in its `Keep-Alive` header.
   * Must be below the server's `keep_alive_timeout` (3 s before 23.11, 10 s, then 30 s): 2,500 when absent.
   */
  readonly idleMs?: number;
}

/** Opens requests to one ClickHouse server over kept connections. `end` cuts all of them. */
export interface Upstream {
  /** `http://host:port`, for messages. */
  readonly name: string;
  request(options: Pick<ClientRequestArgs, 'method' | 'path' | 'headers'>): ClientRequest;
  /** The same connections without Node's HTTP around them; absent for `https`. */
  readonly connections?: ConnectionPool;
  /** The same for long answers (`answerBytes`), also for `https`. */
  readonly streams: ConnectionPool;
  /** Calls `listener` when the server promises another time than before for which it keeps idle connections, in milliseconds. */
  onKeepAlive(listener: (promisedMs: number) => void): void;
  /** To be called with what each answer promises (`promisedIdleMs`). */
  heardKeepAlive(promisedMs: number | undefined): void;
  end(): void;
}

const DEFAULT_IDLE_MS = 2_500;
// A URL may be 1 MiB long (`http_max_uri_size`), and progress headers of a long query are many: Node's default of 16 KiB is a limit of ours, not the server's.
export const MAX_HEADER_BYTES = 4 * 1024 * 1024;
// Hours of progress headers: as much as a client takes of its server.
const MAX_ANSWER_HEAD_BYTES = 64 * 1024 * 1024;

export function createUpstream(options: UpstreamOptions): Upstream {
  const url = new URL(options.url);
  const isTls = url.protocol === 'https:';
  const agentOptions: AgentOptions = {
    keepAlive: true,
    keepAliveMsecs: PROBE_DELAY_MS,
    maxSockets: Infinity,
    maxFreeSockets: 1024,
    scheduling: 'lifo',
  };
  const idleMs = options.idleMs ?? DEFAULT_IDLE_MS;
  const address = addressOf(url);
  const { host, port } = address;
  // The name is said here, since Node would take it from the client's `Host` header, which names the gateway.
  const agent = isTls ? new HttpsAgent({ ...agentOptions, ...options.tls, servername: address.servername }) : new HttpAgent(agentOptions);
  closeBeforeTheServerDoes(agent, idleMs);
  readOnInAgent(agent);
  const connections = isTls ? undefined : new ConnectionPool(address, idleMs);
  const streams = connections ?? new ConnectionPool(address, idleMs, options.tls ?? {});
  const base: ClientRequestArgs = {
    host,
    port,
    agent,
    maxHeaderSize: MAX_ANSWER_HEAD_BYTES,
  };
  const open = isTls ? httpsRequest : httpRequest;
  let keepAliveListener: (promisedMs: number) => void = () => undefined;
  let lastPromisedMs: number | undefined;
  return {
    name: `${url.protocol}//${url.host}`,
    request: (wanted) => {
      const opened = open({ ...base, ...wanted });
      opened.maxHeadersCount = 0;
      return opened;
    },
    onKeepAlive: (listener) => {
      keepAliveListener = listener;
    },
    heardKeepAlive: (promisedMs) => {
      if (promisedMs === undefined || promisedMs === lastPromisedMs) return;
      lastPromisedMs = promisedMs;
      keepAliveListener(promisedMs);
    },
    ...(connections === undefined ? {} : { connections }),
    streams,
    end: () => {
      streams.end();
      agent.destroy();
    },
  };
}

/**
 * A request sent at the moment when the server closes an idle connection is lost, and a POST must not be repeated. So we close first:
 * the agent's own timer waits exactly as long as the server says.
 */
function closeBeforeTheServerDoes(agent: HttpAgent, idleMs: number): void {
  const keepSocketAlive = agent.keepSocketAlive.bind(agent);
  agent.keepSocketAlive = (socket) => {
    // Documented to answer whether the socket is kept, typed as void.
    const isKept = keepSocketAlive(socket) as unknown as boolean;
    // The agent itself destroys a free socket when its timer fires.
    if (isKept && socket instanceof Socket) socket.setTimeout(idleMs);
    return isKept;
  };
}

function readOnInAgent(agent: HttpAgent): void {
  const internal = agent as unknown as { createConnection(...args: readonly unknown[]): Duplex };
  const createConnection = internal.createConnection.bind(agent);
  internal.createConnection = (...args) => {
    const socket = createConnection(...args);
    readOnAfterBrokenWrites(socket);
    return socket;
  };
}
