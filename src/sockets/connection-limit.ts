import type { Server, Socket } from 'node:net';
import type { Logger } from '../logger.ts';

/** How many connections of clients a port has, unless said otherwise: as the server's `max_connections`. */
export const MAX_CONNECTIONS = 4096;
/** So many more are let in to be told that there are too many; the rest are cut off at once. */
const TOLD_AT_A_TIME = 64;
/** The log is not filled by whoever tries. */
const LOG_PAUSE_MS = 10_000;

/** The connections that a port may have at a time. */
export class ConnectionLimit {
  readonly #most: number;
  readonly #logger: Logger;
  #admitted = 0;
  #loggedAtMs = -Infinity;

  constructor(server: Server, most: number, logger: Logger) {
    this.#most = most;
    this.#logger = logger;
    server.maxConnections = most + TOLD_AT_A_TIME;
    server.on('drop', () => this.#log());
  }

  /** What whoever is not admitted is told. */
  get refusal(): string {
    return `Too many connections to the gateway: ${this.#most} are open, as many as max_connections allows`;
  }

  /** False: there are as many as may be. */
  admits(socket: Socket): boolean {
    if (this.#admitted >= this.#most) {
      this.#log();
      return false;
    }
    this.#admitted += 1;
    socket.once('close', () => {
      this.#admitted -= 1;
    });
    return true;
  }

  #log(): void {
    const nowMs = performance.now();
    if (nowMs - this.#loggedAtMs < LOG_PAUSE_MS) return;
    this.#loggedAtMs = nowMs;
    this.#logger.warn({ max_connections: this.#most }, 'too many connections, some are refused');
  }
}
