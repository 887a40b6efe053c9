import net from 'node:net';
import tls from 'node:tls';
import kafkajs, { type ISocketFactory, type logCreator, type SASLOptions } from 'kafkajs';
import type { Logger } from '../logger.ts';
import { checkKafkajsVersion } from './raw-fetch.ts';
import { stopIdlePolling } from './request-queue.ts';
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

/** Does not connect yet. Throws when the installed kafkajs is not the one we know. */
export function createKafkaClient({ brokers, clientId, security, connection = {} }: ClientOptions, logger: Logger): KafkaClient {
  checkKafkajsVersion();
  stopIdlePolling();
  const sockets = new Sockets(connection.keepsAlive !== false);
  let failsAsExpected = false;
  const kafka = new kafkajs.Kafka({
    brokers: [...brokers],
    clientId,
    ...(security.ssl === undefined ? {} : { ssl: security.ssl }),
    ...(security.sasl === undefined ? {} : { sasl: security.sasl as SASLOptions }),
    connectionTimeout: connection.setupTimeoutMs ?? CONNECTION_TIMEOUT_MS,
    ...(connection.requestTimeoutMs !== undefined && { requestTimeout: connection.requestTimeoutMs }),
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

const KEEP_ALIVE_DELAY_MS = 60_000;

const RECEIVE_CHUNK_BYTES = 256 << 10;

class Sockets {
  readonly #sockets = new Set<net.Socket>();
  readonly #keepsAlive: boolean;
  #isCut = false;

  constructor(keepsAlive: boolean) {
    this.#keepsAlive = keepsAlive;
  }

  readonly open: ISocketFactory = ({ host, port, ssl, onConnect }) =>
    this.#keep(() => (isTls(ssl) ? openTls(host, port, ssl, onConnect) : net.connect({ host, port }, onConnect)));

  /** TLS decrypts into buffers of its own in any case. */
  readonly openReusing: ISocketFactory = (options) => (isTls(options.ssl) ? this.open(options) : this.#keep(() => openReusing(options)));

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

function openTls(host: string, port: number, ssl: unknown, onConnect: () => void): net.Socket {
  const server = net.isIP(host) === 0 ? { host, port, servername: host } : { host, port };
  return tls.connect({ ...server, ...tlsOptions(ssl) }, onConnect);
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
  const socket = net.connect({ host, port, onread: { buffer: Buffer.allocUnsafeSlow(RECEIVE_CHUNK_BYTES), callback } }, onConnect);
  return socket;
}

function isTls(ssl: unknown): boolean {
  return ssl !== undefined && ssl !== null && ssl !== false;
}

function tlsOptions(ssl: unknown): tls.ConnectionOptions {
  return typeof ssl === 'object' ? (ssl as tls.ConnectionOptions) : {};
}

/** kafkajs logs each refused request and each retried failure as an error; the former is thrown to the caller as well, so it is not told twice. */
function logTo(logger: Logger, isWorthTelling: () => boolean): logCreator {
  return () =>
    ({ namespace, level, log: { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...fields } }) => {
      const isFailure = level <= kafkajs.logLevel.ERROR && !message.startsWith('Response ') && isWorthTelling();
      const write = isFailure ? logger.warn.bind(logger) : logger.debug.bind(logger);
      write({ kafkajs: namespace, ...fields, detail: message }, 'kafka client');
    };
}
