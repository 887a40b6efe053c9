import { randomBytes } from 'node:crypto';
import type { ClickHousePart } from '../parts/clickhouse.ts';
import type { GatewayPart } from '../parts/gateway.ts';
import type { KafkaPart } from '../parts/kafka.ts';
import { waitFor } from '../parts/wait-for.ts';
import { sendThrough, startBenchGateway } from './gateway.ts';
import { checkEachOnce } from './backlog.ts';
import { residentBytes } from './process-usage.ts';
import { ResidentSampler, type Resident } from './resident.ts';

const DATABASE = 'bench';
const DEADLINE_MS = 900_000;

export interface World {
  readonly kafka: KafkaPart;
  readonly clickHouse: ClickHousePart;
}

/** A Kafka table with a view into a target of partition, offset and a hash of the message. */
export interface Table {
  readonly name: string;
  readonly topic: string;
  readonly columns: string;
  readonly format: string;
  /** More settings of the Kafka table, as SQL. */
  readonly settings?: string;
}

export interface Running extends World {
  readonly gateway: GatewayPart;
  readonly sampler: ResidentSampler;
  /** Rows in a table's target. */
  readonly rows: (table: string) => Promise<number>;
}

export interface Scenario {
  readonly name: string;
  readonly brokerProperties?: Readonly<Record<string, string>>;
  readonly tables: readonly Table[];
  /** Makes and fills the topics, once for all budgets. */
  fill(world: World): Promise<void>;
  /** Happens while messages flow; answers figures to be told. What it produces must be there when it resolves. */
  meanwhile?(running: Running): Promise<Readonly<Record<string, number>>>;
}

export interface MemoryResult {
  readonly scenario: string;
  readonly budget: string;
  readonly messages: number;
  readonly seconds: number;
  /** Before the first view: what the process has resident without any message. */
  readonly startBytes: number;
  readonly resident: Resident;
  readonly remarks: Readonly<Record<string, number>>;
}

/** One run of a scenario by a fresh gateway, from fresh groups into fresh targets. Throws when a message is not there exactly once. */
export async function measureMemory(world: World, scenario: Scenario, budget: string): Promise<MemoryResult> {
  const { clickHouse, kafka } = world;
  await clickHouse.query(`DROP DATABASE IF EXISTS ${DATABASE} SYNC`);
  await clickHouse.query(`CREATE DATABASE ${DATABASE}`);
  const gateway = await startBenchGateway(clickHouse, { SLUICE_MEMORY_BUDGET: budget, SLUICE_MAX_BATCH_SIZE: smaller(budget) });
  const startBytes = residentBytes(gateway.pid);
  const sampler = new ResidentSampler(gateway.pid);
  try {
    const startedMs = performance.now();
    for (const table of scenario.tables) await createTable(world, gateway, table);
    const rows = async (table: string): Promise<number> =>
      Number(await clickHouse.query(`SELECT count() FROM ${DATABASE}.${table}_target`));
    const remarks = (await scenario.meanwhile?.({ ...world, gateway, sampler, rows })) ?? {};
    let messages = 0;
    for (const { name, topic } of scenario.tables) messages += await waitForAll(world, rows, name, topic);
    const seconds = (performance.now() - startedMs) / 1000;
    const resident = sampler.stop();
    for (const { name, topic } of scenario.tables) await checkEachOnce(kafka, clickHouse, `${DATABASE}.${name}_target`, topic);
    return { scenario: scenario.name, budget, messages, seconds, startBytes, resident, remarks };
  } catch (error) {
    throw new Error(`${scenario.name}, ${budget}: ${(error as Error).message}\n${gateway.logs()}`, { cause: error });
  } finally {
    sampler.cancel();
    await gateway.stop();
  }
}

/** An INSERT may not be larger than the budget; it need not be smaller, either. */
function smaller(budget: string): string {
  const mebibytes = /^(\d+)MiB$/.exec(budget)?.[1];
  return mebibytes !== undefined && Number(mebibytes) < 64 ? budget : '64MiB';
}

async function createTable({ kafka, clickHouse }: World, gateway: GatewayPart, table: Table): Promise<void> {
  const name = `${DATABASE}.${table.name}`;
  const group = `bench-${randomBytes(4).toString('hex')}`;
  await clickHouse.query(
    `CREATE TABLE ${name}_target (partition UInt32, offset UInt64, hash UInt64) ENGINE = MergeTree ORDER BY (partition, offset)
      SETTINGS non_replicated_deduplication_window = 1000`,
  );
  await sendThrough(
    gateway,
    `CREATE TABLE ${name} (${table.columns}) ENGINE = Kafka SETTINGS kafka_broker_list = '${kafka.brokers}', kafka_topic_list = '${table.topic}',
      kafka_group_name = '${group}', kafka_format = '${table.format}', kafka_flush_interval_ms = 500${table.settings ?? ''}`,
  );
  const columns = table.columns.split(', ').map((column) => column.split(' ')[0]);
  await sendThrough(
    gateway,
    `CREATE MATERIALIZED VIEW ${name}_view TO ${name}_target AS SELECT _partition AS partition, _offset AS offset, cityHash64(${columns.join(', ')}) AS hash FROM ${name}`,
  );
}

async function waitForAll({ kafka }: World, rows: Running['rows'], table: string, topic: string): Promise<number> {
  const partitions = await kafka.endOffsets(topic);
  const messages = partitions.reduce((sum, { low, high }) => sum + Number(high - low), 0);
  await waitFor(async () => (await rows(table)) >= messages, { timeoutMs: DEADLINE_MS, message: `${messages} rows of ${table}` });
  return messages;
}
