// `npm run bench:isolation`: what one table's trouble costs another table of the same gateway.
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { startOwnClickHouse, type ClickHousePart } from '../parts/clickhouse.ts';
import type { GatewayPart } from '../parts/gateway.ts';
import { startOwnKafka, type KafkaPart } from '../parts/kafka.ts';
import { freePort } from '../parts/ports.ts';
import { waitFor } from '../parts/wait-for.ts';
import { sendThrough, startBenchGateway } from './gateway.ts';
import { checkEachOnce, produceBacklog } from './backlog.ts';
import { runAsProgram } from './program.ts';
import { alignColumns, medianOf } from './report.ts';

const TROUBLES = ['throws', 'no-broker', 'hangs', 'broken', 'healthy'] as const;
/** Table A alone is measured twice a round: what the two differ in is the machine's noise. */
const CASES = ['alone', ...TROUBLES, 'alone-again'] as const;
type Case = (typeof CASES)[number];

const HELP = `npm run bench:isolation -- [options]

Throughput of a backlog into table A, alone and beside a table B of the same gateway that is in trouble: its view throws all the time; its broker is not there;
its INSERTs hang for 12 s; one in ten of its messages is broken. Last a healthy B with a backlog as large as A's, for comparison: two tables share two cores.
Always starts its own Kafka and ClickHouse.

  --messages N   of each backlog, 2000000 when absent
  --rounds N     each with all cases once and A alone twice; medians count; 3 when absent
  --only A,B     some of: ${TROUBLES.join(', ')}
  --help         show this
`;

const DATABASE = 'bench';
const COLUMNS = 'n UInt64, k String';
const DEADLINE_MS = 600_000;
/** Slept by each row's block: an expression of its own each, since one may sleep for 3 s at most. */
const HANG = 'sleep(2.96) + sleep(2.97) + sleep(2.98) + sleep(2.99)';

interface IsolationOptions {
  readonly messages: number;
  readonly rounds: number;
  readonly cases: readonly Case[];
}

interface World {
  readonly kafka: KafkaPart;
  readonly clickHouse: ClickHousePart;
  readonly messages: number;
}

function readOptions(): IsolationOptions | undefined {
  const { values } = parseArgs({
    options: {
      messages: { type: 'string', default: '2000000' },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const only = values.only.split(',').filter(Boolean);
  const unknown = only.filter((name) => !TROUBLES.some((known) => known === name));
  if (unknown.length > 0) throw new Error(`--only does not know ${unknown.join(', ')}`);
  const cases = CASES.filter((name) => only.length === 0 || name.startsWith('alone') || only.includes(name));
  return { messages: positive('messages', values.messages), rounds: positive('rounds', values.rounds), cases };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1, not '${text}'`);
  return value;
}

async function runBench({ messages, rounds, cases }: IsolationOptions): Promise<void> {
  const kafka = await startOwnKafka();
  try {
    const clickHouse = await startOwnClickHouse();
    try {
      const world = { kafka, clickHouse, messages };
      await fill(world);
      const measured = new Map<Case, number[]>(cases.map((name) => [name, []]));
      for (let round = 1; round <= rounds; round++) {
        for (const [name, rates] of measured) {
          rates.push(await measure(world, name));
          console.error(`round ${round}, ${name}: ${Math.round(rates.at(-1) ?? 0).toLocaleString('en-US')} rows/s`);
        }
      }
      print(measured);
    } finally {
      await clickHouse.stop();
    }
  } finally {
    await kafka.stop();
  }
}

async function fill({ kafka, clickHouse, messages }: World): Promise<void> {
  const row = (k: string): string => `number AS n, ${k} AS k`;
  const good = `SELECT ${row(`'key' || toString(number % 1000)`)} FROM numbers(${messages})`;
  for (const topic of ['a', 'b']) {
    await kafka.createTopic(topic, 4);
    await produceBacklog(kafka, clickHouse, { topic, partitions: 4, sql: good, columns: COLUMNS, format: 'JSONEachRow', codec: 'lz4' });
  }
  await kafka.createTopic('b-broken', 4);
  // Lines as they are, so that one in ten is no JSON.
  const lines = `SELECT if(number % 10 = 0, '{"n": not a number}', '{"n":' || toString(number) || ',"k":"k"}') FROM numbers(${messages})`;
  await produceBacklog(kafka, clickHouse, {
    topic: 'b-broken',
    partitions: 4,
    sql: lines,
    columns: 'line String',
    format: 'RawBLOB',
    codec: 'lz4',
  });
}

/** Rows of A a second, from its view's creation until its target has all of them, beside B in the given trouble. */
async function measure(world: World, name: Case): Promise<number> {
  const { clickHouse, kafka, messages } = world;
  await clickHouse.query(`DROP DATABASE IF EXISTS ${DATABASE} SYNC`);
  await clickHouse.query(`CREATE DATABASE ${DATABASE}`);
  const gateway = await startBenchGateway(clickHouse);
  try {
    if (!name.startsWith('alone')) await makeTrouble(world, gateway, name);
    await createTable(world, gateway, { table: 'a', topic: 'a', brokers: kafka.brokers, settings: '' });
    const startedMs = performance.now();
    await createView(gateway, 'a', 'n, k');
    const rows = async (): Promise<number> => Number(await clickHouse.query(`SELECT count() FROM ${DATABASE}.a_target`));
    await waitFor(async () => (await rows()) >= messages, { timeoutMs: DEADLINE_MS, message: `${messages} rows of table A` });
    const rate = (messages / (performance.now() - startedMs)) * 1000;
    await checkEachOnce(kafka, clickHouse, `${DATABASE}.a_target`, 'a');
    return rate;
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}\n${gateway.logs()}`, { cause: error });
  } finally {
    await gateway.stop();
  }
}

/** Creates table B and waits until it is in its trouble. */
async function makeTrouble(world: World, gateway: GatewayPart, name: Case): Promise<void> {
  const { clickHouse, kafka } = world;
  const isBroken = name === 'broken';
  const brokers = name === 'no-broker' ? `127.0.0.1:${await freePort()}` : kafka.brokers;
  const settings = isBroken ? ", kafka_handle_error_mode = 'stream'" : name === 'no-broker' ? ', kafka_check_on_create = 0' : '';
  await createTable(world, gateway, { table: 'b', topic: isBroken ? 'b-broken' : 'b', brokers, settings });
  const k = { throws: `toString(throwIf(n >= 0, 'trouble'))`, hangs: `toString(${HANG})` }[name as string] ?? 'k';
  await createView(gateway, 'b', `n, ${k} AS k`);
  if (name === 'throws' || name === 'no-broker') {
    // The gateway logs nothing but warnings and errors.
    const isTold = (): boolean => gateway.logs().includes(`"table":"${DATABASE}.b"`);
    await waitFor(isTold, { timeoutMs: 60_000, message: `table B to be in trouble (${name})` });
  } else if (name === 'hangs') {
    const hanging = `SELECT count() > 0 FROM system.processes WHERE query LIKE 'INSERT INTO%' AND elapsed > 1`;
    await waitFor(async () => (await clickHouse.query(hanging)) === '1', { timeoutMs: 60_000, message: 'an INSERT of table B to hang' });
  } else {
    const begun = `SELECT count() > 0 FROM ${DATABASE}.b_target`;
    await waitFor(async () => (await clickHouse.query(begun)) === '1', { timeoutMs: DEADLINE_MS, message: 'the first rows of table B' });
  }
}

interface TableToMake {
  readonly table: string;
  readonly topic: string;
  readonly brokers: string;
  readonly settings: string;
}

async function createTable({ clickHouse }: World, gateway: GatewayPart, { table, topic, brokers, settings }: TableToMake): Promise<void> {
  const group = `bench-${randomBytes(4).toString('hex')}`;
  await clickHouse.query(
    `CREATE TABLE ${DATABASE}.${table}_target (${COLUMNS}, partition UInt32, offset UInt64) ENGINE = MergeTree ORDER BY n
      SETTINGS non_replicated_deduplication_window = 1000`,
  );
  await sendThrough(
    gateway,
    `CREATE TABLE ${DATABASE}.${table} (${COLUMNS}) ENGINE = Kafka SETTINGS kafka_broker_list = '${brokers}', kafka_topic_list = '${topic}',
      kafka_group_name = '${group}', kafka_format = 'JSONEachRow', kafka_flush_interval_ms = 500${settings}`,
  );
}

async function createView(gateway: GatewayPart, table: string, fields: string): Promise<void> {
  await sendThrough(
    gateway,
    `CREATE MATERIALIZED VIEW ${DATABASE}.${table}_view TO ${DATABASE}.${table}_target AS
      SELECT ${fields}, _partition AS partition, _offset AS offset FROM ${DATABASE}.${table}`,
  );
}

function print(measured: ReadonlyMap<Case, readonly number[]>): void {
  const alone = measured.get('alone') ?? [];
  const again = measured.get('alone-again') ?? [];
  const results = [...measured].map(([name, rates]) => {
    const ratios = rates.map((rate, round) => rate / (((alone[round] ?? 0) + (again[round] ?? 0)) / 2));
    return {
      case: name,
      rowsPerSecond: medianOf(rates),
      ratio: medianOf(ratios),
      lowest: Math.min(...ratios),
      highest: Math.max(...ratios),
    };
  });
  const rows = results.map(({ case: name, rowsPerSecond, ratio, lowest, highest }) => [
    name,
    Math.round(rowsPerSecond).toLocaleString('en-US'),
    ratio.toFixed(2),
    lowest.toFixed(2),
    highest.toFixed(2),
  ]);
  console.log(
    `\n${alignColumns([['table B', 'rows/s of A', 'ratio to alone', 'lowest', 'highest'], ...rows])}\n\n${JSON.stringify(results)}`,
  );
}

await runAsProgram(HELP, readOptions, runBench);
