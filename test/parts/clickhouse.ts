import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installOnce } from './cache.ts';
import { makeFolder, removeFolder } from './folder.ts';
import { freePort } from './ports.ts';
import { startProcess, type RunningProcess } from './process.ts';

const FATAL_LINE = /^[\d.]+ [\d:.]+ \[ \d+ \] \{[^}]*\} <Fatal> /m;

const HERE = fileURLToPath(new URL('./clickhouse/', import.meta.url));

// The library is a command line client: it listens for as long as its last query runs. HTTP comes last: whoever gets an answer there finds the native port open.
const SERVE_FOREVER = `SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; SELECT sleepEachRow(3) FROM numbers(1000000000)
  SETTINGS function_sleep_max_microseconds_per_block = 0, max_block_size = 1 FORMAT Null`;

export interface ClickHouseOptions {
  /** Free ports when absent. */
  readonly httpPort?: number;
  readonly nativePort?: number;
  /** Elements inside `<users>`, beside `default` (no password, access management); the only way to make users: `CREATE USER` has no storage here. */
  readonly usersXml?: string;
  /** Elements inside `<profiles>`, beside `default`. */
  readonly profilesXml?: string;
  /** Elements inside `<quotas>`, beside `default`. */
  readonly quotasXml?: string;
  /** Elements inside `<roles>`. */
  readonly rolesXml?: string;
  /** Elements inside `<clickhouse>`: `<kafka>…`, `<dead_letter_queue>…`, `<query_log>…`. No system log is kept without one. */
  readonly configXml?: string;
  /** Of the server's own log, which `text_log` follows; warning when absent. */
  readonly logLevel?: 'warning' | 'trace';
  /** Elements inside `<logger>`, beside level and file. */
  readonly loggerXml?: string;
  /** Bytes; 6 GiB when absent. */
  readonly maxMemoryBytes?: number;
}

/** A ClickHouse server of the test's own, or the user's own one (`CLICKHOUSE_URL`). */
export interface ClickHousePart {
  /** `http://127.0.0.1:<httpPort>`, without slash at the end; with `user:password@` if the user's own URL has them. */
  readonly url: string;
  readonly httpPort: number;
  readonly nativePort: number;
  /** Process id of the server; 0 for a server that is not ours. Changes with `restart`. */
  readonly pid: number;
  /** Sends one statement as the default user and answers the body without the newline at its end; an error of the server is thrown with its text, and with its last words if it died. */
  query(sql: string, parameters?: Record<string, string>): Promise<string>;
  /** The rows of a SELECT that names no FORMAT, as objects. 64-bit integers are strings. */
  rows<T = Record<string, unknown>>(sql: string, parameters?: Record<string, string>): Promise<T[]>;
  /** What the server printed, errors mostly. */
  output(): string;
  /** Ends the server and removes its data; then rejects with its last words if it had died by itself. Does nothing to a server that is not ours. */
  stop(): Promise<void>;
  /** SIGKILL; data stay. `restart` brings it back. */
  kill(): Promise<void>;
  /** Ends the server if it runs and starts it again on the same ports and data. */
  restart(): Promise<void>;
}

/** Starts ClickHouse 26.7 with the native Kafka engine (libchdb, installed on first use), or answers the one that `CLICKHOUSE_URL` names. */
export async function startClickHouse(options: ClickHouseOptions = {}): Promise<ClickHousePart> {
  const own = process.env['CLICKHOUSE_URL'];
  if (own !== undefined && own !== '') return reachableClickHouse(own);
  return startOwnClickHouse(options);
}

async function reachableClickHouse(url: string): Promise<ClickHousePart> {
  const part = existingClickHouse(url, Number(process.env['CLICKHOUSE_NATIVE_PORT'] ?? 9000));
  try {
    await part.query('SELECT 1');
  } catch (error) {
    throw new Error(`CLICKHOUSE_URL names ${new URL(url).host}, which does not answer: ${(error as Error).message}`, { cause: error });
  }
  return part;
}

/** The same interface over a server that somebody else started and will stop. */
export function existingClickHouse(url: string, nativePort: number): ClickHousePart {
  const refuse = (what: string) => async (): Promise<void> =>
    Promise.reject(new Error(`cannot ${what} ClickHouse at ${url}: it was not started by this test`));
  const httpPort = Number(new URL(url).port || 80);
  return {
    url: url.replace(/\/$/, ''),
    httpPort,
    nativePort,
    pid: 0,
    ...queries(url),
    output: () => '',
    stop: async () => Promise.resolve(),
    kill: refuse('kill'),
    restart: refuse('restart'),
  };
}

/** Starts a server of our own even when `CLICKHOUSE_URL` is set: for tests that kill it or need their own users. */
export async function startOwnClickHouse(options: ClickHouseOptions = {}): Promise<ClickHousePart> {
  const library = await installOnce({
    name: 'clickhouse',
    files: [join(HERE, 'package.json'), join(HERE, 'package-lock.json')],
    command: 'npm',
    args: ['ci', '--no-audit', '--no-fund'],
  });
  const httpPort = options.httpPort ?? (await freePort());
  const nativePort = options.nativePort ?? (await freePort());
  const folder = makeFolder('clickhouse');
  writeConfig(folder, options);
  const url = `http://127.0.0.1:${httpPort}`;
  const start = async (): Promise<RunningProcess> =>
    startProcess({
      name: 'ClickHouse',
      command: process.execPath,
      args: [join(HERE, 'server.mjs'), library, ...serverArguments(folder, httpPort, nativePort, options)],
      // Schemas given as text are kept in files below the working directory.
      cwd: folder,
      logFile: join(folder, 'output.log'),
      fatalLine: FATAL_LINE,
      isReady: async () => (await fetch(`${url}/ping`)).ok,
    });
  let server = await start().catch((error: unknown) => {
    removeFolder(folder);
    throw error;
  });
  return {
    url,
    httpPort,
    nativePort,
    get pid() {
      return server.pid;
    },
    ...queries(url, () => server.crash()),
    output: () => server.output(),
    stop: async () => {
      await server.stop();
      const crash = server.crash();
      removeFolder(folder);
      if (crash !== undefined) throw new Error(crash);
    },
    kill: async () => server.kill(),
    restart: async () => {
      await server.stop();
      server = await start();
    },
  };
}

function queries(url: string, crash: () => string | undefined = () => undefined): Pick<ClickHousePart, 'query' | 'rows'> {
  const send = async (sql: string, parameters: Record<string, string> = {}): Promise<string> => {
    const target = new URL(url);
    const headers = { 'X-ClickHouse-User': target.username || 'default', 'X-ClickHouse-Key': decodeURIComponent(target.password) };
    target.username = '';
    target.password = '';
    for (const [name, value] of Object.entries(parameters)) target.searchParams.set(name, value);
    const response = await fetch(target, { method: 'POST', body: sql, headers });
    const text = (await response.text()).replace(/\n$/, '');
    if (!response.ok) throw new Error(text);
    return text;
  };
  const query: typeof send = async (sql, parameters) => {
    try {
      return await send(sql, parameters);
    } catch (error) {
      const reason = crash();
      throw reason === undefined ? error : new Error(`${(error as Error).message}\n${reason}`, { cause: error });
    }
  };
  return {
    query,
    rows: async <T>(sql: string, parameters: Record<string, string> = {}): Promise<T[]> => {
      const text = await query(sql, { default_format: 'JSONEachRow', output_format_json_quote_64bit_integers: '1', ...parameters });
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as T);
    },
  };
}

function serverArguments(folder: string, httpPort: number, nativePort: number, options: ClickHouseOptions): string[] {
  return [
    '--path',
    join(folder, 'data'),
    `--config-file=${join(folder, 'config.xml')}`,
    `--log-level=${options.logLevel ?? 'warning'}`,
    '--query',
    SERVE_FOREVER,
    '--',
    `--http_port=${httpPort}`,
    `--tcp_port=${nativePort}`,
    '--listen_host=127.0.0.1',
  ];
}

function writeConfig(folder: string, options: ClickHouseOptions): void {
  mkdirSync(join(folder, 'data'));
  writeFileSync(
    join(folder, 'config.xml'),
    `<clickhouse>
  <logger><level>${options.logLevel ?? 'warning'}</level><log>${join(folder, 'output.log')}</log>${options.loggerXml ?? ''}</logger>
  <users_config>${join(folder, 'users.xml')}</users_config>
  <max_server_memory_usage>${options.maxMemoryBytes ?? 6 * 1024 ** 3}</max_server_memory_usage>
  <mark_cache_size>268435456</mark_cache_size>
  <index_mark_cache_size>268435456</index_mark_cache_size>
  ${options.configXml ?? ''}
</clickhouse>`,
  );
  writeFileSync(
    join(folder, 'users.xml'),
    `<clickhouse>
  <profiles><default></default>${options.profilesXml ?? ''}</profiles>
  <quotas><default></default>${options.quotasXml ?? ''}</quotas>
  <roles>${options.rolesXml ?? ''}</roles>
  <users>
    <default>
      <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
      <access_management>1</access_management><named_collection_control>1</named_collection_control>
      <show_named_collections_secrets>1</show_named_collections_secrets>
    </default>
    ${options.usersXml ?? ''}
  </users>
</clickhouse>`,
  );
}
