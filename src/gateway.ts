import { randomUUID } from 'node:crypto';
import { startAdminServer } from './admin/index.ts';
import { ChunkPool, MemoryBudget } from './batching/index.ts';
import {
  createCatalog,
  ensureDeadLetterTable,
  NamedCollections,
  readComment,
  removeDeadLetters,
  renewDefinitions,
  tableNameText,
  type Catalog,
  type RenewDefinitionsOptions,
} from './catalog/index.ts';
import { createServiceClient, type ServerTls, type ServiceClient } from './clickhouse/index.ts';
import type { Config } from './config/index.ts';
import type { SecretKeys } from './engine/index.ts';
import { createHttpFrontEnd, type HttpFrontEnd } from './frontend/http/index.ts';
import { createNativeFrontEnd, type NativeFrontEnd } from './frontend/native/index.ts';
import { limitUnfoldedBatches } from './kafka/index.ts';
import type { Logger } from './logger.ts';
import { within } from './pauses.ts';
import { Producers } from './producing/index.ts';
import { createDispatcher, type Dispatcher } from './query/index.ts';
import { brokerReach, httpReach } from './reach/index.ts';
import type { OwnCertificate } from './sockets/index.ts';
import { checkConnection, sampleTopics, serverDefaultsReader, stillReadAsker, Supervisor } from './streaming/index.ts';

export interface Gateway extends Ports {
  readonly adminPort: number;
  /** Whether requests can be served and tables can stream now; `reason` says why not. */
  ready(): Promise<{ readonly ok: boolean; readonly reason?: string }>;
  /** Whoever connects over TLS from now on sees this certificate. Throws when it cannot be used; without TLS ports it does nothing. */
  renewCertificate(tls: OwnCertificate): void;
  /** What has not ended yet, in words for a log line; empty when nothing runs. */
  running(): readonly string[];
  /**
   * Takes no more requests, inserts and commits the batches that run, leaves the consumer groups. Resolves when all of it is done,
   * rejects when something could not be ended properly. `graceMs` is the time the caller will wait.
   */
  close(graceMs: number): Promise<void>;
}

/** Where clients are served; undefined for a port that is off. */
export interface Ports {
  readonly httpPort: number | undefined;
  readonly nativePort: number | undefined;
  readonly httpsPort: number | undefined;
  readonly nativePortSecure: number | undefined;
}

/**
 * Builds the rooms from the settings and starts them. Rejects with the system's error when a port cannot be listened on (whatever
 * was started is closed again); a ClickHouse that cannot be reached does not stop the start, `ready` tells of it.
 */
export async function startGateway(config: Config, logger: Logger): Promise<Gateway> {
  const closing: Closing[] = [];
  try {
    return await openRooms(config, logger, closing);
  } catch (error) {
    await closeAll(closing, START_FAILED_GRACE_MS);
    throw error;
  }
}

/** What was opened, in the order of opening; closed the other way round. */
interface Closing {
  readonly what: string;
  close(graceMs: number): Promise<void>;
}

const UNSIGNED = {
  detail:
    'there is no secret_key: whoever may create a Null table or change its comment can make it a Kafka table that the service account reads, and have the credentials of ' +
    'the configuration and of every named collection sent to a broker of his choice. ' +
    'Give every gateway the same SLUICE_SECRET_KEY (`openssl rand -base64 32`), and sign what is there with `sluice rotate-secret-key --sign-unsigned`',
};

const START_FAILED_GRACE_MS = 1_000;
const FIRST_READING_MS = 5_000;

async function openRooms(config: Config, logger: Logger, closing: Closing[]): Promise<Gateway> {
  brokerReach.limitTo(config.allowedBrokers ?? []);
  httpReach.limitTo(config.allowedHttpHosts ?? []);
  limitUnfoldedBatches(config.memoryBudgetBytes);
  const client = serviceClientOf(config);
  closing.push({ what: 'connections to ClickHouse', close: () => client.close() });

  const secretKeys = secretKeysOf(config);
  if (config.secretKey === undefined) logger.warn(UNSIGNED, 'definitions are not signed');
  const { kafka, kafkaSslFolder: filesFolder } = config;
  const collections = new NamedCollections({ client, configured: config.namedCollections, filesFolder, logger });
  const catalog = createCatalog({ client, secretKeys, kafka, collections, filesFolder, intervalMs: config.catalogIntervalMs, logger });
  const supervisor = createSupervisor(config, client, logger);
  closing.push({ what: 'streams', close: (graceMs) => supervisor.close(graceMs) });
  const producers = new Producers({ client, catalog, logger });
  closing.push({ what: 'outboxes', close: (graceMs) => producers.close(graceMs) });

  const follow = async (): Promise<void> => {
    await Promise.all([supervisor.reconcile(catalog.tables()), producers.reconcile()]);
  };
  const reconcile = async (): Promise<void> => {
    await catalog.refresh();
    await follow();
  };
  const ready = () => readiness(client, catalog);
  const beforeServing = closing.length;

  const dispatcher = createDispatcher({
    catalog,
    reconcile,
    prepareForViewChange: (names) => supervisor.prepareForViewChange(names),
    deadLetters: {
      table: tableNameText(config.deadLetterTable),
      replay: (table, letters) => supervisor.replay(table, letters),
      remove: (table, letters) => removeDeadLetters(client, config.deadLetterTable, table, letters),
    },
    deadLetterTable: () => ensureDeadLetterTable(client, config.deadLetterTable, logger),
    outboxes: producers,
    sampleTopics: (table) => sampleTopics(table, logger),
    asServiceAccount: async (sql, settings) => client.command(sql, settings),
    commentOf: async (table) => readComment(client, table),
    secretKeys,
    sources: { kafka, filesFolder, findCollection: async (name) => (await collections.find([name])).get(name) },
    ...(config.kafkaCheckOnCreate && {
      checkConnection: (table, gone) => checkConnection(table, config.kafkaCheckTimeoutMs, gone, logger),
    }),
    logger,
  });

  // Before anybody is served: a gateway that does not know the tables would send their statements on. A server that does not answer is not waited for.
  await within(FIRST_READING_MS, catalog.start());
  closing.push({ what: 'catalog', close: () => Promise.resolve(catalog.stop()) });
  const { ports, renewCertificate } = await openFrontEnds(config, dispatcher, logger, closing);
  // Whoever asks it takes an answer for a sign that the ports are open; at the end it answers while they are being closed.
  const admin = await startAdminServer({
    host: config.host,
    port: config.adminPort,
    logger,
    notReadyReasons: async () => {
      const { ok, reason } = await ready();
      return ok ? [] : [reason ?? 'not ready'];
    },
    status: () => ({
      problem: catalog.problem() ?? null,
      tables: [
        ...supervisor.status().map((table) => ({ ...table, outbox: producers.report(table) ?? null })),
        ...catalog.unreadable().map((table) => ({ ...table, state: 'unreadable' })),
      ],
    }),
  });
  closing.splice(beforeServing, 0, { what: 'admin server', close: () => admin.close() });
  catalog.onChange(() => void follow());
  void follow();
  producers.start();

  return {
    ...ports,
    adminPort: admin.port,
    ready,
    renewCertificate,
    running: () => closing.map(({ what }) => what),
    close: (graceMs) => closeAll(closing, graceMs),
  };
}

type FrontEnd = HttpFrontEnd | NativeFrontEnd;

interface FrontEnds extends Pick<Gateway, 'renewCertificate'> {
  readonly ports: Ports;
}

async function openFrontEnds(config: Config, dispatcher: Dispatcher, logger: Logger, closing: Closing[]): Promise<FrontEnds> {
  const { maxConnections, maxStatementBytes, statementMemoryBytes, receiveTimeoutMs, maxRequestHeadBytes } = config;
  const limits = { maxConnections, maxStatementBytes, statementMemoryBytes };
  const shared = { host: config.host, dispatcher, logger, graceMs: config.shutdownGraceMs, ...limits };
  const withTls: FrontEnd[] = [];
  const open = async (what: string, port: number | 'off', create: (port: number) => FrontEnd): Promise<number | undefined> => {
    if (port === 'off') return undefined;
    const frontEnd = create(port);
    const listening = await frontEnd.listen();
    closing.push({ what, close: () => frontEnd.close() });
    return listening;
  };
  const openTls: typeof open = async (what, port, create) =>
    open(what, port, (listening) => {
      const frontEnd = create(listening);
      withTls.push(frontEnd);
      return frontEnd;
    });
  const tls = config.tls === undefined ? {} : { tls: config.tls };
  const http = { ...shared, receiveTimeoutMs, maxRequestHeadBytes, upstream: { url: config.clickhouseUrl, tls: serverTls(config) } };
  const httpPort = await open('HTTP requests', config.httpPort, (port) => createHttpFrontEnd({ ...http, port }));
  const httpsPort = await openTls('HTTPS requests', config.httpsPort, (port) => createHttpFrontEnd({ ...http, port, ...tls }));

  const native = {
    ...shared,
    loginTimeoutMs: receiveTimeoutMs,
    receiveTimeoutMs,
    upstream: { ...config.clickhouseNative, ...(config.clickhouseNativeSecure && { tls: serverTls(config) }) },
    ...(httpPort !== undefined && { httpPort }),
  };
  const nativePort = await open('native connections', config.nativePort, (port) => createNativeFrontEnd({ ...native, port }));
  const nativePortSecure = await openTls('native connections over TLS', config.nativePortSecure, (port) =>
    createNativeFrontEnd({ ...native, port, ...tls }),
  );
  return {
    ports: { httpPort, nativePort, httpsPort, nativePortSecure },
    renewCertificate: (renewed) => {
      for (const frontEnd of withTls) frontEnd.renewCertificate(renewed);
    },
  };
}

function serviceClientOf(config: Config): ServiceClient {
  return createServiceClient({
    url: config.clickhouseUrl,
    user: config.clickhouseUser,
    password: config.clickhousePassword,
    tls: serverTls(config),
  });
}

function secretKeysOf(config: Config): SecretKeys {
  return { current: config.secretKey, old: config.oldSecretKey };
}

/** `sluice rotate-secret-key`, which needs no running gateway and disturbs none: see `renewDefinitions`. */
export async function rotateSecretKey(
  config: Config,
  consents: Pick<RenewDefinitionsOptions, 'signUnsigned' | 'signMoved'>,
  tell: (line: string) => void,
): Promise<boolean> {
  const client = serviceClientOf(config);
  try {
    return await renewDefinitions({ client, secretKeys: secretKeysOf(config), ...consents, tell });
  } finally {
    await client.close();
  }
}

function serverTls(config: Config): ServerTls {
  return { rejectUnauthorized: config.clickhouseVerify, ...(config.clickhouseCaPem !== undefined && { ca: config.clickhouseCaPem }) };
}

function createSupervisor(config: Config, client: ServiceClient, logger: Logger): Supervisor {
  const budget = new MemoryBudget(config.memoryBudgetBytes);
  return new Supervisor({
    ownerId: randomUUID(),
    send: async ({ sql, settings, head }, body, mayEnd, signal) => {
      const { readRows } = await client.insert(sql, head === undefined ? body : [head, ...body], settings, { mayEnd, signal });
      return readRows;
    },
    budget,
    pool: new ChunkPool(budget),
    maxBatchBytes: config.maxBatchBytes,
    deadLetterTable: tableNameText(config.deadLetterTable),
    ensureDeadLetterTable: () => ensureDeadLetterTable(client, config.deadLetterTable, logger),
    assertStillRead: stillReadAsker(client),
    serverDefaults: serverDefaultsReader(client),
    logger,
  });
}

async function readiness(client: ServiceClient, catalog: Catalog): ReturnType<Gateway['ready']> {
  const problem = catalog.problem();
  if (problem !== undefined) return { ok: false, reason: problem };
  try {
    await client.ping();
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Closes in reverse order, each within what is left of the grace period; what fails does not keep the others open. */
async function closeAll(closing: Closing[], graceMs: number): Promise<void> {
  const deadlineMs = Date.now() + graceMs;
  const failures: unknown[] = [];
  for (let open = closing.at(-1); open !== undefined; open = closing.at(-1)) {
    await open.close(Math.max(0, deadlineMs - Date.now())).catch((error: unknown) => failures.push(error));
    closing.pop();
  }
  if (failures.length > 0) throw new AggregateError(failures, 'some parts could not be closed');
}
