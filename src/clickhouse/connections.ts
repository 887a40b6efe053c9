import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { addressOfUrl } from '../url-address.ts';
import { PROBE_DELAY_MS, receivePieces, withReusedReads } from '../sockets/index.ts';
import { readOnAfterBrokenWrites } from './broken-writes.ts';

/** Who uses a connection for one request and its answer. */
export interface ConnectionUser {
  /** As `Receive` of the socket's reads. */
  take(piece: Buffer): boolean;
  /** Nothing more comes: the server closed in order, or the connection broke for a reason. */
  ended(reason?: Error): void;
}

/** A connection to the server. */
export class Connection {
  readonly socket: Socket;
  /** Whether another request went over it before. */
  isReused = false;
  /** `performance.now()` at which the server may begin to close it. */
  freeUntilMs = 0;
  #user: ConnectionUser | undefined;

  constructor(socket: Socket, onClose: () => void) {
    this.socket = socket;
    let reason: Error | undefined;
    receivePieces(socket, (piece) => this.#take(piece));
    socket.on('error', (error) => {
      reason = error;
    });
    socket.on('end', () => {
      this.#end();
    });
    socket.on('close', () => {
      onClose();
      this.#end(reason);
    });
  }

  use(user: ConnectionUser): void {
    this.#user = user;
  }

  /** Its user hears no more of it. */
  leave(): void {
    this.#user = undefined;
  }

  destroy(): void {
    this.leave();
    this.socket.destroy();
  }

  #take(piece: Buffer): boolean {
    if (this.#user !== undefined) return this.#user.take(piece);
    // Nobody asked for anything.
    this.socket.destroy();
    return false;
  }

  #end(reason?: Error): void {
    const user = this.#user;
    this.leave();
    user?.ended(reason);
  }
}

/** For how long a `Keep-Alive` header says that the server keeps an idle connection, in milliseconds. */
export function promisedIdleMs(header: string | string[] | undefined): number | undefined {
  const seconds = /timeout=(\d+)/i.exec(String(header))?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

const MAX_FREE_CONNECTIONS = 1024;
/** How much earlier than the server said a connection is given up. */
const KEEP_ALIVE_MARGIN_MS = 500;

/** How the server's certificate is checked. */
export interface ServerTls {
  /** Certificate authorities in PEM, instead of Node's. */
  readonly ca?: string | Buffer;
  /** False accepts any certificate; true when absent. */
  readonly rejectUnauthorized?: boolean;
}

export interface Address {
  readonly host: string;
  readonly port: number;
  /** The name that the certificate must be for; '' for an address by number. */
  readonly servername: string;
}

/** Of an HTTP origin. */
export function addressOf(url: URL): Address {
  const { host, port } = addressOfUrl(url);
  return { host, port, servername: isIP(host) === 0 ? host : '' };
}

/**
 * Kept connections to one address, the last used first. A request sent at the moment when the server closes an idle connection is lost, and a POST
 * must not be repeated: so none is used that has been idle for `idleMs`, or as long as the server said.
 */
export class ConnectionPool {
  readonly #address: Address;
  readonly #tls: ServerTls | undefined;
  readonly #idleMs: number;
  readonly #all = new Set<Connection>();
  #free: Connection[] = [];
  #sweep: NodeJS.Timeout | undefined;

  /** `tls`: the connections speak it. */
  constructor(address: Address, idleMs: number, tls?: ServerTls) {
    this.#address = address;
    this.#idleMs = idleMs;
    this.#tls = tls;
  }

  take(): Connection {
    for (let connection = this.#free.pop(); connection !== undefined; connection = this.#free.pop()) {
      if (!connection.socket.destroyed && performance.now() < connection.freeUntilMs) {
        connection.isReused = true;
        return connection;
      }
      connection.destroy();
    }
    return this.#open();
  }

  /** Takes a connection back whose answer is over to the last byte; `promisedMs` is what the server said of how long it stays. */
  give(connection: Connection, promisedMs: number | undefined): void {
    connection.leave();
    const idleMs = Math.min(this.#idleMs, (promisedMs ?? Infinity) - KEEP_ALIVE_MARGIN_MS);
    if (idleMs <= 0 || this.#free.length >= MAX_FREE_CONNECTIONS || !connection.socket.writable) {
      connection.destroy();
      return;
    }
    connection.freeUntilMs = performance.now() + idleMs;
    this.#free.push(connection);
    this.#sweepLater();
  }

  end(): void {
    clearTimeout(this.#sweep);
    for (const connection of this.#all) connection.socket.destroy();
  }

  #open(): Connection {
    const { servername, ...address } = this.#address;
    const wanted = { ...address, keepAlive: true, keepAliveInitialDelay: PROBE_DELAY_MS, noDelay: true };
    // TLS decrypts into memory of its own.
    const socket =
      this.#tls === undefined
        ? withReusedReads((onread) => connect({ ...wanted, onread }))
        : connectTls({ ...wanted, ...this.#tls, servername }).setNoDelay(true);
    readOnAfterBrokenWrites(socket);
    const connection: Connection = new Connection(socket, () => this.#all.delete(connection));
    this.#all.add(connection);
    return connection;
  }

  #sweepLater(): void {
    if (this.#sweep !== undefined) return;
    this.#sweep = setTimeout(() => {
      this.#sweep = undefined;
      const now = performance.now();
      for (const connection of this.#free) if (connection.freeUntilMs <= now) connection.destroy();
      this.#free = this.#free.filter(({ socket }) => !socket.destroyed);
      if (this.#free.length > 0) this.#sweepLater();
    }, this.#idleMs);
    this.#sweep.unref();
  }
}
