import type { LogLevel } from '../logger.ts';
import type { KafkaSection, MeaninglessProperty, NamedCollection } from '../librdkafka/index.ts';
import type { HostRules } from '../reach/index.ts';
import {
  byteSize,
  count,
  durationMs,
  FILE,
  FOLDER,
  HOST_PORT,
  HOST_RULES,
  KEY,
  LISTEN_HOST,
  LISTEN_PORT,
  LOG_LEVEL,
  OPTIONAL_LISTEN_PORT,
  PASSWORD,
  SERVER_URL,
  SWITCH,
  TABLE_NAME,
  TEXT,
  type HostPort,
  type Off,
  type QualifiedName,
  type SettingType,
} from './setting-types.ts';

/** The gateway's settings, checked and complete. */
export interface Config extends Settings, KafkaSources {
  /** What `tls_certificate` and `tls_key` hold, in PEM. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** What `clickhouse_ca` holds, in PEM. */
  readonly clickhouseCaPem: string | undefined;
}

/** Where connections of Kafka tables get their settings from, beside statements and the server's named collections. */
export interface KafkaSources {
  /** What holds for every table. */
  readonly kafka: KafkaSection;
  readonly namedCollections: ReadonlyMap<string, NamedCollection>;
  /** Properties that were given and mean nothing here, each once. */
  readonly meaninglessProperties: readonly MeaninglessProperty[];
}

/** One value for each setting. */
export interface Settings {
  readonly host: string;
  readonly httpPort: number | Off;
  readonly nativePort: number | Off;
  readonly httpsPort: number | Off;
  readonly nativePortSecure: number | Off;
  readonly tlsCertificate: string | undefined;
  readonly tlsKey: string | undefined;
  readonly adminPort: number;
  /** An origin: scheme, host and port, without a trailing slash. */
  readonly clickhouseUrl: string;
  readonly clickhouseNative: HostPort;
  readonly clickhouseNativeSecure: boolean;
  readonly clickhouseCa: string | undefined;
  readonly clickhouseVerify: boolean;
  readonly clickhouseUser: string;
  readonly clickhousePassword: string;
  readonly secretKey: string | undefined;
  readonly oldSecretKey: string | undefined;
  readonly kafkaSslFolder: string | undefined;
  readonly kafkaConfigFile: string | undefined;
  readonly memoryBudgetBytes: number;
  readonly maxBatchBytes: number;
  readonly deadLetterTable: QualifiedName;
  readonly kafkaCheckOnCreate: boolean;
  readonly kafkaCheckTimeoutMs: number;
  readonly catalogIntervalMs: number;
  readonly allowedBrokers: HostRules | undefined;
  readonly allowedHttpHosts: HostRules | undefined;
  readonly maxConnections: number;
  readonly receiveTimeoutMs: number;
  readonly maxRequestHeadBytes: number;
  readonly maxStatementBytes: number;
  readonly statementMemoryBytes: number;
  readonly shutdownGraceMs: number;
  readonly logLevel: LogLevel;
}

export const GROUPS = ['Listening', 'ClickHouse', 'Kafka', 'Streaming', 'Limits', 'Process'] as const;

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

const KIB = 1024;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const DAY_MS = 24 * 3_600_000;

/**
 * Every setting once: flags, environment, file, checks, `--help` and the README's table all derive from here.
 * (`config` is not among them: it says where to read settings, see sources.ts.)
 */
export const SETTINGS: { readonly [Key in keyof Settings]: Setting<NonNullable<Settings[Key]>> } = {
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
    type: OPTIONAL_LISTEN_PORT,
    default: '8124',
    sentence: "Port of ClickHouse's HTTP interface without TLS; off for none.",
  },
  nativePort: {
    name: 'native_port',
    group: 'Listening',
    type: OPTIONAL_LISTEN_PORT,
    default: '9001',
    sentence: "Port of ClickHouse's native interface without TLS; off for none.",
  },
  httpsPort: {
    name: 'https_port',
    group: 'Listening',
    type: OPTIONAL_LISTEN_PORT,
    default: 'off',
    sentence: "Port of ClickHouse's HTTP interface over TLS, 8443 by custom; needs tls_certificate and tls_key.",
  },
  nativePortSecure: {
    name: 'native_port_secure',
    group: 'Listening',
    type: OPTIONAL_LISTEN_PORT,
    default: 'off',
    sentence: "Port of ClickHouse's native interface over TLS, 9440 by custom; needs tls_certificate and tls_key.",
  },
  tlsCertificate: {
    name: 'tls_certificate',
    group: 'Listening',
    type: FILE,
    default: undefined,
    sentence: "File with the gateway's certificate in PEM, followed by the intermediate ones; read at the start, and again at SIGHUP.",
  },
  tlsKey: {
    name: 'tls_key',
    group: 'Listening',
    type: FILE,
    default: undefined,
    sentence: "File with the certificate's private key in PEM, without passphrase.",
  },
  adminPort: {
    name: 'admin_port',
    group: 'Listening',
    type: LISTEN_PORT,
    default: '9364',
    sentence: 'Port of /health, /ready and /status.',
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
    defaultSentence: 'host of clickhouse_url, port 9000 or 9440 (secure)',
    sentence: 'Native address of the same server.',
  },
  clickhouseNativeSecure: {
    name: 'clickhouse_native_secure',
    group: 'ClickHouse',
    type: SWITCH,
    default: undefined,
    defaultSentence: 'on when clickhouse_url is https',
    sentence: 'Whether the native address speaks TLS.',
  },
  clickhouseCa: {
    name: 'clickhouse_ca',
    group: 'ClickHouse',
    type: FILE,
    default: undefined,
    defaultSentence: 'the authorities that Node.js knows',
    sentence: "File with the authorities, in PEM, that the server's certificate must come from, over https and native TLS.",
  },
  clickhouseVerify: {
    name: 'clickhouse_verify',
    group: 'ClickHouse',
    type: SWITCH,
    default: 'on',
    sentence:
      "Whether the server's certificate is checked; off lets anybody between the gateway and the server read and change everything.",
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
    type: KEY,
    default: undefined,
    defaultSentence: 'none: statements that hold secrets are refused, and nobody checks who wrote a definition',
    sentence:
      'Key that signs the definitions of Kafka tables and seals the secrets in them; the same on every gateway, 32 random characters or more.',
    isSecret: true,
  },
  oldSecretKey: {
    name: 'old_secret_key',
    group: 'ClickHouse',
    type: KEY,
    default: undefined,
    sentence: 'The key before secret_key, while it is changed: definitions that it signed are still read.',
    isSecret: true,
  },
  kafkaSslFolder: {
    name: 'kafka_ssl_folder',
    group: 'Kafka',
    type: FOLDER,
    default: undefined,
    defaultSentence: 'none: SQL names no files',
    sentence:
      'Folder of certificates and keys for connections to Kafka: only files below it may be named by settings of tables (kafka_ssl_ca_location and its kin).',
  },
  kafkaConfigFile: {
    name: 'kafka_config_file',
    group: 'Kafka',
    type: FILE,
    default: undefined,
    sentence: "A ClickHouse server's own configuration file, XML or YAML, of which kafka and named_collections are read as they are.",
  },
  memoryBudgetBytes: {
    name: 'memory_budget',
    group: 'Streaming',
    type: byteSize(16 * MIB, 1024 * GIB),
    default: '208MiB',
    sentence: 'Message bytes held in memory for all tables together; over it partitions pause, nothing is dropped.',
  },
  maxBatchBytes: {
    name: 'max_batch_size',
    group: 'Streaming',
    type: byteSize(64 * 1024, 4 * GIB),
    default: '64MiB',
    sentence: 'Bytes of one INSERT at most, not more than memory_budget.',
  },
  deadLetterTable: {
    name: 'dead_letter_table',
    group: 'Streaming',
    type: TABLE_NAME,
    default: 'system.dead_letter_queue',
    sentence: "Where tables with kafka_handle_error_mode = 'dead_letter_queue' put broken messages; made when it does not exist.",
  },
  kafkaCheckOnCreate: {
    name: 'kafka_check_on_create',
    group: 'Streaming',
    type: SWITCH,
    default: 'on',
    sentence:
      'Whether CREATE TABLE … ENGINE = Kafka fails when brokers, credentials, topics, group or schema cannot be used; off: it does not look.',
  },
  kafkaCheckTimeoutMs: {
    name: 'kafka_check_timeout_ms',
    group: 'Streaming',
    type: durationMs(100, 10 * 60_000),
    default: '10s',
    sentence: 'How long that may take; then the statement fails.',
  },
  catalogIntervalMs: {
    name: 'catalog_interval_ms',
    group: 'Streaming',
    type: durationMs(50, DAY_MS),
    default: '1000',
    sentence: 'How often the catalog is read for changes that did not pass through this gateway.',
  },
  allowedBrokers: {
    name: 'allowed_brokers',
    group: 'Limits',
    type: HOST_RULES,
    default: undefined,
    defaultSentence: 'all but link-local addresses',
    sentence: 'Kafka brokers that tables may name and brokers may refer to; see What may be connected to.',
  },
  allowedHttpHosts: {
    name: 'allowed_http_hosts',
    group: 'Limits',
    type: HOST_RULES,
    default: undefined,
    defaultSentence: 'all but link-local addresses',
    sentence: 'The same for schema registries and the endpoints that hand out OAuth tokens.',
  },
  maxConnections: {
    name: 'max_connections',
    group: 'Limits',
    type: count(1, 1_000_000),
    // As the server's.
    default: '4096',
    sentence: 'Connections of clients to one port; who comes when there are so many is told so.',
  },
  receiveTimeoutMs: {
    name: 'receive_timeout_ms',
    group: 'Limits',
    type: durationMs(100, DAY_MS),
    default: '30s',
    sentence: "Time for a request's head and for a login, and longest silence of a client within a statement.",
  },
  maxRequestHeadBytes: {
    name: 'max_request_head_size',
    group: 'Limits',
    type: byteSize(8 * KIB, 64 * MIB),
    default: '4MiB',
    sentence: "Bytes of an HTTP request's first line and headers.",
  },
  maxStatementBytes: {
    name: 'max_statement_size',
    group: 'Limits',
    type: byteSize(64 * KIB, 256 * MIB),
    default: '64MiB',
    sentence:
      'Bytes of a statement that the gateway reads to see what it is, where the client sets max_query_size so high; longer ones are not its own.',
  },
  statementMemoryBytes: {
    name: 'statement_memory',
    group: 'Limits',
    type: byteSize(1 * MIB, 64 * GIB),
    default: '256MiB',
    sentence: 'Bytes of all statements of one port that are being read; over it one more is refused with MEMORY_LIMIT_EXCEEDED.',
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

/** A part of the YAML file with names of its own below it; neither flag nor environment variable. */
export interface Section {
  readonly name: string;
  readonly group: (typeof GROUPS)[number];
  readonly sentence: string;
}

export const SECTIONS: Readonly<Record<'kafka' | 'namedCollections', Section>> = {
  kafka: {
    name: 'kafka',
    group: 'Kafka',
    sentence: 'How brokers are reached, in the names of librdkafka, for all tables; see Where connection settings come from.',
  },
  namedCollections: {
    name: 'named_collections',
    group: 'Kafka',
    sentence: "Settings of tables under a name, for ENGINE = Kafka(name), where the server's own named collections cannot be read.",
  },
};

export type ConfigKey = keyof Settings;

export const CONFIG_KEYS = Object.keys(SETTINGS) as readonly ConfigKey[];

/** `http_port` → `--http-port` */
export function flagOf(name: string): string {
  return `--${name.replaceAll('_', '-')}`;
}

/** `http_port` → `SLUICE_HTTP_PORT` */
export function environmentVariableOf(name: string): string {
  return `SLUICE_${name.toUpperCase()}`;
}
