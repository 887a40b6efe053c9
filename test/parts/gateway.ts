import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder } from './folder.ts';
import { freePort } from './ports.ts';
import { startProcess } from './process.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface GatewayOptions {
  /** The server behind the gateway: `http://127.0.0.1:8123`. */
  readonly clickHouseUrl: string;
  /** Its native port, for `SLUICE_CLICKHOUSE_NATIVE`. */
  readonly clickHouseNativePort?: number;
  /** More settings as environment variables (`SLUICE_LOG_LEVEL`); they win over ours. */
  readonly env?: Readonly<Record<string, string>>;
  /** Runs `dist/main.js` (made by `npm run build`) instead of the sources through tsx. */
  readonly built?: boolean;
  /** False: answers as soon as the process listens on its admin port, with a server behind it or not. True when absent. */
  readonly waitUntilReady?: boolean;
}

/** A gateway that makes Kafka tables without going to their brokers: for tests of statements, whose brokers are nowhere. */
export const UNCHECKED: Pick<GatewayOptions, 'env'> = { env: { SLUICE_KAFKA_CHECK_ON_CREATE: 'off' } };

/** The gateway as a process of its own, on ports of its own. */
export interface GatewayPart {
  /** `http://127.0.0.1:<port>`: speaks as ClickHouse's HTTP interface. */
  readonly url: string;
  readonly httpPort: number;
  readonly nativePort: number;
  /** `http://127.0.0.1:<port>`: `/health`, `/ready`. */
  readonly adminUrl: string;
  readonly pid: number;
  /** Everything it has printed so far. */
  logs(): string;
  isRunning(): boolean;
  /** SIGTERM; answers its exit code, or null when it had to be killed after 30 s. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Starts the gateway from this checkout. It has no state, so that another start against the same server is a restart. */
export async function startGateway(options: GatewayOptions): Promise<GatewayPart> {
  const httpPort = await freePort();
  const nativePort = await freePort();
  const adminPort = await freePort();
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  // Logs can be read after the gateway has ended; the file goes with the process that started it.
  const folder = makeFolder('gateway');
  const upstream = new URL(options.clickHouseUrl);
  const probe = `${adminUrl}${options.waitUntilReady === false ? '/health' : '/ready'}`;
  const gateway = await startProcess({
    name: 'the gateway',
    command: process.execPath,
    args: options.built === true ? [join(ROOT, 'dist/main.js')] : ['--import', 'tsx', join(ROOT, 'src/main.ts')],
    cwd: ROOT,
    env: {
      ...withoutSettings(process.env),
      SLUICE_HOST: '127.0.0.1',
      SLUICE_HTTP_PORT: String(httpPort),
      SLUICE_NATIVE_PORT: String(nativePort),
      SLUICE_ADMIN_PORT: String(adminPort),
      SLUICE_CLICKHOUSE_URL: `${upstream.protocol}//${upstream.host}`,
      SLUICE_CLICKHOUSE_NATIVE: `${upstream.hostname}:${options.clickHouseNativePort ?? 9000}`,
      SLUICE_CLICKHOUSE_USER: decodeURIComponent(upstream.username) || 'default',
      SLUICE_CLICKHOUSE_PASSWORD: decodeURIComponent(upstream.password),
      SLUICE_SECRET_KEY: 'the secret key of demo, tests and bench',
      ...options.env,
    },
    logFile: join(folder, 'output.log'),
    isReady: async () => (await fetch(probe)).ok,
  });
  return {
    url: `http://127.0.0.1:${httpPort}`,
    httpPort,
    nativePort,
    adminUrl,
    pid: gateway.pid,
    logs: () => gateway.output(),
    isRunning: () => gateway.isRunning(),
    stop: async () => gateway.stop(30_000),
    kill: async () => gateway.kill(),
  };
}

/** The environment without the caller's own gateway settings and the tests' variables: the gateway refuses what it does not know. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('SLUICE_')));
}
