import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { request } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import type { ClickHousePart } from '../parts/clickhouse.ts';
import type { KafkaPart } from '../parts/kafka.ts';
import { sendThrough, startBenchGateway } from './gateway.ts';
import { cpuSeconds, peakResidentBytes } from './process-usage.ts';
import { CONSTANT_METADATA, METADATA, METADATA_COLUMNS, type Shape } from './shapes.ts';

const DATABASE = 'bench';
const POLL_INTERVAL_MS = 50;
const STALL_MS = 120_000;
const READ_CHUNK_BYTES = 1024 * 1024;

/** In the order of measuring: what is compared most closely stands together, for these machines change their speed within a minute. */
export const VARIANTS = ['insert', 'gateway', 'native-1', 'native-2'] as const;
export type Variant = (typeof VARIANTS)[number];

/** A topic that is full, and its bytes as a file. */
export interface Source {
  readonly shape: Pick<Shape, 'columns' | 'orderBy'>;
  /** JSONEachRow when absent. */
  readonly format?: string;
  /** More settings of the Kafka table, as SQL. */
  readonly settings?: string;
  readonly topic: string;
  /** The values of all messages, each with a newline: what the plain INSERT sends. */
  readonly file?: string;
  readonly rows: number;
}

export interface Bench {
  readonly kafka: KafkaPart;
  readonly clickHouse: ClickHousePart;
  readonly gatewayConsumers: number;
  /** `kafka_flush_interval_ms` of native and gateway tables alike. */
  readonly flushIntervalMs: number;
}

export interface Measurement {
  readonly rowsPerSecond: number;
  /** The same until 95 % of the rows are there: without the wait for the flush of a last, partial block. Equal for a plain INSERT. */
  readonly rowsPerSecondTo95: number;
  readonly serverCpuSecondsPerMillion: number;
  /** 0 where there is no gateway. */
  readonly gatewayCpuSecondsPerMillion: number;
  readonly brokerCpuSecondsPerMillion: number;
  /** 0 where there is no gateway. */
  readonly gatewayPeakBytes: number;
}

/**
 * One run into a fresh target, from a fresh group. The clock runs from the moment the view is sent (the INSERT, for the plain one) until the
 * target counts every row. CPU is that of the whole processes in the same time. Afterwards every message must be there exactly once.
 */
export async function measure(bench: Bench, source: Source, variant: Variant): Promise<Measurement> {
  await createTarget(bench.clickHouse, source.shape);
  if (variant === 'insert') return measureInsert(bench, source);
  if (variant === 'gateway') return measureGateway(bench, source);
  const consumers = variant === 'native-1' ? 1 : 2;
  return measureKafkaTable(bench, source, async (sql) => bench.clickHouse.query(sql, NATIVE_SETTINGS), consumers);
}

// The server counts two hardware threads as one core, and would refuse the second consumer.
const NATIVE_SETTINGS = { kafka_disable_num_consumers_limit: '1' };

async function createTarget(clickHouse: ClickHousePart, shape: Source['shape']): Promise<void> {
  await clickHouse.query(`DROP DATABASE IF EXISTS ${DATABASE} SYNC`);
  await clickHouse.query(`CREATE DATABASE ${DATABASE}`);
  await clickHouse.query(
    `CREATE TABLE ${DATABASE}.target (${shape.columns}, ${METADATA_COLUMNS}) ENGINE = MergeTree ORDER BY (${shape.orderBy})`,
  );
}

async function measureInsert(bench: Bench, source: Source): Promise<Measurement> {
  const { clickHouse } = bench;
  await clickHouse.query(`CREATE TABLE ${DATABASE}.source (${source.shape.columns}) ENGINE = Null`);
  await clickHouse.query(
    `CREATE MATERIALIZED VIEW ${DATABASE}.view TO ${DATABASE}.target AS SELECT *, ${CONSTANT_METADATA} FROM ${DATABASE}.source`,
  );
  return clocked(bench, source, undefined, async () => {
    await insertFile(clickHouse, source.file ?? '');
    return undefined;
  });
}

/** One INSERT with the server's defaults, which parse in parallel, its body streamed in pieces of 1 MiB. */
async function insertFile(clickHouse: ClickHousePart, file: string): Promise<void> {
  const query = new URLSearchParams({ query: `INSERT INTO ${DATABASE}.source FORMAT JSONEachRow` });
  const insert = request(`${clickHouse.url}/?${query.toString()}`, { method: 'POST' });
  const answer = new Promise<IncomingMessage>((resolve, reject) => insert.once('response', resolve).once('error', reject));
  await pipeline(createReadStream(file, { highWaterMark: READ_CHUNK_BYTES }), insert);
  const response = await answer;
  const body = await text(response);
  if (response.statusCode !== 200) throw new Error(body);
}

async function measureGateway(bench: Bench, source: Source): Promise<Measurement> {
  const { clickHouse } = bench;
  const gateway = await startBenchGateway(clickHouse);
  try {
    const throughGateway = async (sql: string): Promise<string> => sendThrough(gateway, sql);
    return await measureKafkaTable(bench, source, throughGateway, bench.gatewayConsumers, gateway.pid);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${gateway.logs()}`, { cause: error });
  } finally {
    await gateway.stop();
  }
}

async function measureKafkaTable(
  bench: Bench,
  source: Source,
  send: (sql: string) => Promise<string>,
  consumers: number,
  gatewayPid?: number,
): Promise<Measurement> {
  const group = `bench-${randomBytes(4).toString('hex')}`;
  await send(
    `CREATE TABLE ${DATABASE}.queue (${source.shape.columns}) ENGINE = Kafka SETTINGS kafka_broker_list = '${bench.kafka.brokers}',
      kafka_topic_list = '${source.topic}', kafka_group_name = '${group}', kafka_format = '${source.format ?? 'JSONEachRow'}',
      kafka_num_consumers = ${consumers}, kafka_thread_per_consumer = ${gatewayPid === undefined ? 1 : 0}, kafka_flush_interval_ms = ${bench.flushIntervalMs}${source.settings === undefined ? '' : `, ${source.settings}`}`,
  );
  const measurement = await clocked(bench, source, gatewayPid, async () => {
    await send(`CREATE MATERIALIZED VIEW ${DATABASE}.view TO ${DATABASE}.target AS SELECT *, ${METADATA} FROM ${DATABASE}.queue`);
    return waitForRows(bench.clickHouse, source.rows);
  });
  await checkEachOnce(bench.clickHouse, source.rows);
  await send(`DROP TABLE ${DATABASE}.view SYNC`);
  await send(`DROP TABLE ${DATABASE}.queue SYNC`);
  return measurement;
}

interface Milestone {
  readonly rows: number;
  /** Of `performance.now()`. */
  readonly atMs: number;
}

/** Runs `work`, which may answer a milestone, and takes its time and the CPU that server, broker and gateway use meanwhile. */
async function clocked(
  bench: Bench,
  source: Source,
  gatewayPid: number | undefined,
  work: () => Promise<Milestone | undefined>,
): Promise<Measurement> {
  const pids = [bench.clickHouse.pid, bench.kafka.pid, ...(gatewayPid === undefined ? [] : [gatewayPid])];
  const before = pids.map(cpuSeconds);
  const startedMs = performance.now();
  const milestone = await work();
  const endedMs = performance.now();
  const rate = ({ rows, atMs }: Milestone): number => (rows / (atMs - startedMs)) * 1000;
  const all = { rows: source.rows, atMs: endedMs };
  const perMillion = (index: number): number => {
    const pid = pids[index];
    return pid === undefined ? 0 : ((cpuSeconds(pid) - (before[index] ?? 0)) / source.rows) * 1e6;
  };
  return {
    rowsPerSecond: rate(all),
    rowsPerSecondTo95: rate(milestone ?? all),
    serverCpuSecondsPerMillion: perMillion(0),
    brokerCpuSecondsPerMillion: perMillion(1),
    gatewayCpuSecondsPerMillion: perMillion(2),
    gatewayPeakBytes: gatewayPid === undefined ? 0 : peakResidentBytes(gatewayPid),
  };
}

/** Waits for all rows; answers when 95 % of them were there. */
async function waitForRows(clickHouse: ClickHousePart, rows: number): Promise<Milestone | undefined> {
  let seen = 0;
  let changedMs = performance.now();
  let milestone: Milestone | undefined;
  while (seen < rows) {
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
    const now = Number(await clickHouse.query(`SELECT count() FROM ${DATABASE}.target`));
    if (now !== seen) changedMs = performance.now();
    seen = now;
    if (seen >= rows * 0.95) milestone ??= { rows: seen, atMs: performance.now() };
    if (performance.now() - changedMs > STALL_MS) throw new Error(`no row arrived for ${STALL_MS / 1000} s: ${seen} of ${rows} are there`);
  }
  return milestone;
}

async function checkEachOnce(clickHouse: ClickHousePart, rows: number): Promise<void> {
  const [answer] = await clickHouse.rows<{ total: string; distinct: string }>(
    `SELECT count() AS total, uniqExact(partition, offset) AS distinct FROM ${DATABASE}.target`,
  );
  if (answer?.total !== String(rows) || answer.distinct !== String(rows)) {
    throw new Error(`${rows} messages became ${answer?.total} rows of ${answer?.distinct} messages`);
  }
}
