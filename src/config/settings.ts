import type { LogLevel } from '../logger.ts';
import {
  byteSize,
  durationMs,
  HOST_PORT,
  LISTEN_HOST,
  LISTEN_PORT,
  LOG_LEVEL,
  PASSWORD,
  SERVER_URL,
  TEXT,
  type HostPort,
  type SettingType,
} from './setting-types.ts';

/** The gateway's settings, checked and complete. */
export interface Config {
  readonly host: string;
  readonly httpPort: number;
  readonly nativePort: number;
  readonly adminPort: number;
  /** An origin: scheme, host and port, without a trailing slash. */
  readonly clickhouseUrl: string;
  readonly clickhouseNative: HostPort;
  readonly clickhouseUser: string;
  readonly clickhousePassword: string;
  readonly secretKey: string | undefined;
  readonly memoryBudgetBytes: number;
  readonly maxBatchBytes: number;
  readonly catalogIntervalMs: number;
  readonly shutdownGraceMs: number;
  readonly logLevel: LogLevel;
}

export const GROUPS = ['Listening', 'ClickHouse', 'Streaming', 'Process'] as const;

export interface Setting<T> {
  /** Its name in the YAML file; `--` and dashes make it the flag, `SLUICE_` and capitals the environment variable. */
  readonly name: string;
  readonly group: (typeof GROUPS)[number];
  readonly type: SettingType<T>;
  /** As a user would write it; undefined: the value without it is explained by `defaultSentence`. */
  readonly default: string | undefined;
  readonly defaultSentence?: string;
  readonly sentence: string;
  /** Its value is never shown. */
  readonly isSecret?: true;
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const DAY_MS = 24 * 3_600_000;

/**
 * Every setting once: flags, environment, file, checks, `--help` and the README's table all derive from here.
 * (`config` is not among them: it says where to read settings, see sources.ts.)
 */
export const SETTINGS: { readonly [Key in keyof Config]: Setting<NonNullable<Config[Key]>> } = {
  host: {
    name: 'host',
    group: 'Listening',
    type: LISTEN_HOST,
    // Loopback: requests carry passwords in clear text and the admin port asks for none, so being reachable from elsewhere is a decision.
    default: '127.0.0.1',
    sentence: 'Address that all ports listen on; the default is reachable from this machine only, 0.0.0.0 from everywhere.',
  },
  httpPort: {
    name: 'http_port',
    group: 'Listening',
    type: LISTEN_PORT,
    default: '8124',
    sentence: "Port of ClickHouse's HTTP interface.",
  },
  nativePort: {
    name: 'native_port',
    group: 'Listening',
    type: LISTEN_PORT,
    default: '9001',
    sentence: "Port of ClickHouse's native interface.",
  },
  adminPort: {
    name: 'admin_port',
    group: 'Listening',
    type: LISTEN_PORT,
    default: '9364',
    sentence: 'Port of /health and /ready.',
  },
  clickhouseUrl: {
    name: 'clickhouse_url',
    group: 'ClickHouse',
    type: SERVER_URL,
    default: 'http://127.0.0.1:8123',
    sentence: 'HTTP address of the ClickHouse server behind the gateway.',
  },
  clickhouseNative: {
    name: 'clickhouse_native',
    group: 'ClickHouse',
    type: HOST_PORT,
    default: undefined,
    defaultSentence: 'host of clickhouse_url, port 9000',
    sentence: 'Native address of the same server.',
  },
  clickhouseUser: {
    name: 'clickhouse_user',
    group: 'ClickHouse',
    type: TEXT,
    default: 'default',
    sentence: 'Service account that reads the catalog and inserts what was consumed.',
  },
  clickhousePassword: {
    name: 'clickhouse_password',
    group: 'ClickHouse',
    type: PASSWORD,
    default: '',
    sentence: 'Its password; prefer the environment or the file, flags are visible in the process list.',
    isSecret: true,
  },
  secretKey: {
    name: 'secret_key',
    group: 'ClickHouse',
    type: TEXT,
    default: undefined,
    defaultSentence: 'none: statements that hold secrets are refused',
    sentence: 'Key that seals the secrets of Kafka tables (SASL passwords); the same on every gateway, 32 random characters or more.',
    isSecret: true,
  },
  memoryBudgetBytes: {
    name: 'memory_budget',
    group: 'Streaming',
    type: byteSize(16 * MIB, 1024 * GIB),
    default: '192MiB',
    sentence: 'Message bytes held in memory for all tables together; over it partitions pause, nothing is dropped.',
  },
  maxBatchBytes: {
    name: 'max_batch_size',
    group: 'Streaming',
    type: byteSize(64 * 1024, 4 * GIB),
    default: '64MiB',
    sentence: 'Bytes of one INSERT at most, not more than memory_budget.',
  },
  catalogIntervalMs: {
    name: 'catalog_interval_ms',
    group: 'Streaming',
    type: durationMs(50, DAY_MS),
    default: '1000',
    sentence: 'How often the catalog is read for changes that did not pass through this gateway.',
  },
  shutdownGraceMs: {
    name: 'shutdown_grace_ms',
    group: 'Process',
    type: durationMs(0, DAY_MS),
    default: '30s',
    sentence: 'Time that SIGTERM and SIGINT leave running batches to be inserted and committed.',
  },
  logLevel: {
    name: 'log_level',
    group: 'Process',
    type: LOG_LEVEL,
    default: 'info',
    sentence: `Least level that is logged: ${LOG_LEVEL.allowed}.`,
  },
};

export type ConfigKey = keyof Config;

export const CONFIG_KEYS = Object.keys(SETTINGS) as readonly ConfigKey[];

/** `http_port` → `--http-port` */
export function flagOf(name: string): string {
  return `--${name.replaceAll('_', '-')}`;
}

/** `http_port` → `SLUICE_HTTP_PORT` */
export function environmentVariableOf(name: string): string {
  return `SLUICE_${name.toUpperCase()}`;
}
