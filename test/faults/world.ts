import { startOwnClickHouse, type ClickHousePart } from '../parts/clickhouse.ts';
import { startOwnKafka, type KafkaPart } from '../parts/kafka.ts';
import { freePort } from '../parts/ports.ts';
import { waitFor } from '../parts/wait-for.ts';
import { Gateways } from './gateways.ts';
import type { Journal } from './journal.ts';
import { OUT_PARTITIONS } from './out-schema.ts';
import { pauseMs } from './producers.ts';
import { startClickHouseProxy, type ClickHouseProxy } from './proxies/clickhouse-proxy.ts';
import { startKafkaProxy, type KafkaProxy } from './proxies/kafka-proxy.ts';
import { createSchema, DATABASE, SERVER_MEMORY_BYTES, type Schema } from './schema.ts';

export interface WorldOptions {
  /** The native Kafka engine reads instead of gateways. */
  readonly isPeer: boolean;
  readonly journal: Journal;
}

/** Everything that can be harmed, and the doors around the proxies that never are. */
export interface World {
  readonly isPeer: boolean;
  readonly journal: Journal;
  /** Its own address is the one that is never harmed. */
  readonly kafka: KafkaPart;
  readonly clickHouse: ClickHousePart;
  readonly kafkaProxy: KafkaProxy;
  readonly clickHouseProxy: ClickHouseProxy;
  /** None for the peer. */
  readonly gateways: Gateways;
  readonly schema: Schema;
  /** How often ClickHouse ended though nobody killed it: libchdb does that. */
  readonly serverDeaths: number;
  /** True while ClickHouse may be down because somebody killed it. */
  isClickHouseDown: boolean;
  /** Runs a statement as a user would, through a gateway if there are any; tried again until it succeeds or fails as `isDone` says. */
  readonly statement: (sql: string, isDone?: RegExp) => Promise<void>;
  /** The same, always at the server itself. */
  readonly atServer: (sql: string, isDone?: RegExp) => Promise<void>;
  /** Starts again what died by itself. */
  mend(): Promise<void>;
  stop(): Promise<void>;
}

/** A member that says nothing for so long is dropped from its group. kafkajs says something every 3 s. */
export const SESSION_TIMEOUT_MS = 7000;
const FLUSH_INTERVAL_MS = 300;
const STATEMENT_TIMEOUT_MS = 90_000;
const ATTEMPT_TIMEOUT_MS = 10_000;
const ATTEMPT_PAUSE_MS = 300;

/** Starts the servers, the proxies and two gateways (none for the peer), and makes topics and tables. */
export async function createWorld({ isPeer, journal }: WorldOptions): Promise<World> {
  const ports = await Promise.all(['direct', 'listener', 'controller', 'kafkaProxy', 'clickHouse', 'clickHouseProxy'].map(freePort));
  const [direct = 0, listener = 0, controller = 0, kafkaProxyPort = 0, clickHousePort = 0, clickHouseProxyPort = 0] = ports;
  const kafka = await startOwnKafka({ port: direct, properties: listeners(direct, listener, controller, kafkaProxyPort) });
  const clickHouse = await startOwnClickHouse({
    httpPort: clickHousePort,
    configXml: serverConfig(isPeer),
    maxMemoryBytes: SERVER_MEMORY_BYTES,
  });
  const kafkaProxy = await startKafkaProxy(kafkaProxyPort, listener, SESSION_TIMEOUT_MS, journal);
  const clickHouseProxy = await startClickHouseProxy(clickHouseProxyPort, clickHousePort, journal);
  const deadLetterTable = `${DATABASE}.dead_letters`;
  const gateways = new Gateways(clickHouseProxy.url, { SLUICE_DEAD_LETTER_TABLE: deadLetterTable }, journal);
  const schema = createSchema({
    brokers: `127.0.0.1:${kafkaProxyPort}`,
    withMoments: !isPeer,
    flushIntervalMs: FLUSH_INTERVAL_MS,
    withWriting: !isPeer,
    // The library cannot start again with the native engine's table of this mode: it loads tables before the log of dead letters is there.
    ...(isPeer ? {} : { deadLetterTable }),
  });
  let serverDeaths = 0;
  const atServer = async (sql: string, isDone?: RegExp): Promise<void> => untilDone(() => clickHouse.url, sql, isDone);
  const world: World = {
    isPeer,
    journal,
    kafka,
    clickHouse,
    kafkaProxy,
    clickHouseProxy,
    gateways,
    schema,
    get serverDeaths() {
      return serverDeaths;
    },
    isClickHouseDown: false,
    atServer,
    statement: async (sql, isDone) => {
      if (isPeer) await atServer(sql, isDone);
      else await untilDone(() => gateways.awake[0]?.part.url, sql, isDone);
    },
    mend: async () => {
      if (!world.isClickHouseDown && !isAlive(clickHouse.pid)) {
        serverDeaths += 1;
        journal.say('! ClickHouse (libchdb) died by itself and is started again');
        journal.keep(`clickhouse-death-${serverDeaths}.log`, clickHouse.output());
        await clickHouse.restart();
      }
      if (!isPeer && gateways.running.length === 0) await gateways.start();
    },
    stop: async () => {
      await gateways.stopAll();
      clickHouseProxy.close();
      kafkaProxy.close();
      await Promise.all([kafka.stop(), clickHouse.stop()]);
    },
  };
  for (const { name, partitions } of schema.topics) await kafka.createTopic(name, partitions);
  for (const { topic } of schema.outTables) await kafka.createTopic(topic, OUT_PARTITIONS);
  if (!isPeer) await Promise.all([gateways.start(), gateways.start()]);
  // Whether the first attempt did it, and only its answer was late, is seen by the second.
  for (const sql of schema.statements) await world.statement(sql, /already exists/);
  return world;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function untilDone(url: () => string | undefined, sql: string, isDone: RegExp | undefined): Promise<void> {
  await waitFor(
    async () => {
      const door = url();
      if (door === undefined) return false;
      const signal = AbortSignal.timeout(ATTEMPT_TIMEOUT_MS);
      const response = await fetch(door, { method: 'POST', body: sql, headers: { 'X-ClickHouse-User': 'default' }, signal });
      const text = await response.text();
      if (response.ok || isDone?.test(text) === true) return true;
      await pauseMs(ATTEMPT_PAUSE_MS);
      throw new Error(text);
    },
    { timeoutMs: STATEMENT_TIMEOUT_MS, message: sql },
  );
}

/** Two doors into the broker: one for the program itself, and one that is advertised as the proxy. */
export function listeners(direct: number, listener: number, controller: number, proxy: number): Record<string, string> {
  return {
    listeners: `PLAINTEXT://127.0.0.1:${direct},HARMED://127.0.0.1:${listener},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${direct},HARMED://127.0.0.1:${proxy}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,HARMED:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
  };
}

/** The peer's consumers get the same session time-out and see new partitions as soon; each of its tables may read at the same time. */
function serverConfig(isPeer: boolean): string {
  const ofPeer = `<background_message_broker_schedule_pool_size>8</background_message_broker_schedule_pool_size>
    <kafka><session_timeout_ms>${SESSION_TIMEOUT_MS}</session_timeout_ms><topic_metadata_refresh_interval_ms>10000</topic_metadata_refresh_interval_ms></kafka>`;
  return isPeer ? ofPeer : '';
}
