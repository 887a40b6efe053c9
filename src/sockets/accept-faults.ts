import type { Server } from 'node:net';
import type { Logger } from '../logger.ts';

/** Call when the server listens: from then on a connection that cannot be accepted, as when there are no more file descriptors, ends nothing else. */
export function surviveAcceptFaults(server: Server, logger: Logger): void {
  server.on('error', (error) => logger.warn({ err: error }, 'a connection cannot be accepted'));
}
