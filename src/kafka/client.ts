import net from 'node:net';
import tls from 'node:tls';
import kafkajs, { type ISocketFactory, type logCreator } from 'kafkajs';
import type { Logger } from '../logger.ts';
import { brokerReach } from '../reach/index.ts';
import { withPort, type Address } from './address.ts';
import { checkKafkajsVersion } from './raw-fetch.ts';
import { stopIdlePolling } from './request-queue.ts';
import { securityOf, type Security } from './security.ts';
import type { ConsumerOptions } from './types.ts';

export type ClientOptions = Pick<ConsumerOptions, 'brokers' | 'clientId' | 'security' | 'connection'>;

/** A kafkajs client whose sockets can be cut. */
export interface KafkaClient {
  readonly kafka: kafkajs.Kafka;
  readonly readsUncommitted: boolean;
  /** A socket whose `data` are views into a buffer that is overwritten by the next: for receivers that copy. */
  readonly openFetchSocket: ISocketFactory;
  /** From now on failures are expected, and logged at debug level only. */
  expectFailures(): void;
  /** Ends every connection at once, and no new one is made: whatever still waits for a broker fails. */
  cut(): void;
}

// Three tries over about a second for a connection: whoever needs it tries again later, and says meanwhile what is wrong.
const RETRY = { retries: 3, initialRetryTime: 200, multiplier: 2, maxRetryTime: 2000 };
const CONNECTION_TIMEOUT_MS = 3000;

/**
 * A broker may end sessions (`connections.max.reauth.ms`, or when a token expires). A request that would be sent later than this before the end authenticates anew
 * first. kafkajs' own ten seconds would make every request do so where sessions are that short, and brokers take it once a second only.
 */
const REAUTHENTICATION_MARGIN_MS = 1500;

/**
 * Does not connect yet. Throws when the installed kafkajs is not the one we know; what is wrong with `security` is thrown whenever a connection is to be made, none
 * is made then.
 */
export function createKafkaClient(options: ClientOptions, logger: Logger): KafkaClient {
  checkKafkajsVersion();
  stopIdlePolling();
  const { brokers, clientId, connection = {} } = options;
  const { tls, sasl, problem } = openSecurity(options);
  const sockets = new Sockets(tls, connection.keepsAlive !== false);
  let failsAsExpected = false;
  const kafka = new kafkajs.Kafka({
    brokers: () => {
      if (problem !== undefined) throw problem;
      tls?.();
      return brokers.map(withPort);
    },
    clientId,
    ...(tls !== undefined && { ssl: true }),
    ...(sasl !== undefined && { sasl }),
    connectionTimeout: connection.setupTimeoutMs ?? CONNECTION_TIMEOUT_MS,
    ...(connection.requestTimeoutMs !== undefined && { requestTimeout: connection.requestTimeoutMs }),
    reauthenticationThreshold: REAUTHENTICATION_MARGIN_MS,
    retry: RETRY,
    socketFactory: sockets.open,
    logLevel: logger.isLevelEnabled('debug') ? kafkajs.logLevel.DEBUG : kafkajs.logLevel.ERROR,
    logCreator: logTo(logger, () => !failsAsExpected),
  });
  const expectFailures = (): void => {
    failsAsExpected = true;
  };
  const cut = (): void => {
    expectFailures();
    sockets.cut();
  };
  const readsUncommitted = connection.readsUncommitted === true;
  return { kafka, readsUncommitted, openFetchSocket: sockets.openReusing, expectFailures, cut };
}

function openSecurity({ security, brokers }: ClientOptions): Security & { readonly problem?: Error } {
  try {
    return securityOf(security, brokers);
  } catch (problem) {
    return { problem: problem as Error };
  }
}

const KEEP_ALIVE_DELAY_MS = 60_000;

const RECEIVE_CHUNK_BYTES = 256 << 10;

class Sockets {
  readonly #sockets = new Set<net.Socket>();
  readonly #tls: Security['tls'];
  readonly #keepsAlive: boolean;
  #isCut = false;

  constructor(tls: Security['tls'], keepsAlive: boolean) {
    this.#tls = tls;
    this.#keepsAlive = keepsAlive;
  }

  readonly open: ISocketFactory = ({ host, port, onConnect }) => this.#keep(() => openSocket({ host, port }, this.#tls?.(), onConnect));

  /** TLS decrypts into buffers of its own in any case. */
  readonly openReusing: ISocketFactory = (options) =>
    this.#tls === undefined ? this.#keep(() => openReusing(options)) : this.open(options);

  #keep(open: () => net.Socket): net.Socket {
    if (this.#isCut) throw new Error('the client was closed');
    const socket = open();
    if (this.#keepsAlive) socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }

  cut(): void {
    this.#isCut = true;
    // Only an error makes kafkajs give up what waits for an answer; connections it has ended itself wait for none.
    for (const socket of this.#sockets) socket.destroy(socket.writableEnded ? undefined : new Error('the client was closed'));
  }
}

/** Brokers name others, and kafkajs follows: whatever it is told, no socket is opened to where the operator does not want one. Throws a `ReachError`. */
function reachable(host: string, port: number): Required<Pick<net.TcpNetConnectOpts, 'host' | 'port' | 'lookup'>> {
  brokerReach.assertHost(host, port);
  return { host, port, lookup: brokerReach.lookupFor(port) };
}

/** Opens a connection, over TLS when there are `options` for it; `onConnect` when it can be used. Throws a `ReachError`. */
export function openSocket({ host, port }: Address, options: tls.ConnectionOptions | undefined, onConnect: () => void): net.Socket {
  if (options === undefined) return net.connect(reachable(host, port), onConnect);
  return tls.connect({ ...reachable(host, port), ...(net.isIP(host) === 0 && { servername: host }), ...options }, onConnect);
}

function openReusing({ host, port, onConnect }: Parameters<ISocketFactory>[0]): net.Socket {
  const callback = (bytes: number, buffer: Uint8Array): boolean => {
    try {
      socket.emit('data', Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
    return true;
  };
  const socket = net.connect(
    { ...reachable(host, port), onread: { buffer: Buffer.allocUnsafeSlow(RECEIVE_CHUNK_BYTES), callback } },
    onConnect,
  );
  return socket;
}

/** How long the same complaint is not told again: while a broker is away there are several a second. */
const TOLD_AGAIN_MS = 60_000;
const MOST_REMEMBERED = 100;
/** What was told through each logger, whichever client told it, and when. */
const toldBy = new WeakMap<Logger, Map<string, number>>();

function isNews(logger: Logger, text: string): boolean {
  const told = toldBy.get(logger) ?? new Map<string, number>();
  toldBy.set(logger, told);
  const [nowMs, lastMs] = [performance.now(), told.get(text)];
  if (lastMs !== undefined && nowMs - lastMs < TOLD_AGAIN_MS) return false;
  if (told.size >= MOST_REMEMBERED) told.clear();
  told.set(text, nowMs);
  return true;
}

/** kafkajs logs each refused request and each retried failure as an error; the former is thrown to the caller as well, so it is not told twice. */
function logTo(logger: Logger, isWorthTelling: () => boolean): logCreator {
  return () =>
    ({ namespace, level, log: { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...fields } }) => {
      const isFailure = level <= kafkajs.logLevel.ERROR && !message.startsWith('Response ') && isWorthTelling();
      const write = isFailure && isNews(logger, `${namespace} ${message}`) ? logger.warn.bind(logger) : logger.debug.bind(logger);
      // What brokers answer to credentials is part of the exchange that proves them.
      const told = /\bSasl/i.test(message) ? { ...fields, data: '[HIDDEN]', payload: '[HIDDEN]' } : fields;
      write({ kafkajs: namespace, ...told, detail: message }, 'kafka client');
    };
}
