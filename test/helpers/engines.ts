import type { ExecutionContext } from 'ava';
import kafkajs, { type Message } from 'kafkajs';
import type { KafkaPart } from '../parts/kafka.ts';
import { waitFor } from '../parts/wait-for.ts';
import { Places } from './places.ts';
import { useClickHouse } from './servers.ts';
import { useStream, type Stream } from './stream.ts';

const { ConfigResourceTypes } = kafkajs;
const COMMIT_TIMEOUT_MS = 150_000;
/** Topics read at a time. ava starts all tests of a file at once; if they all shared the processors, each would take as long as the file. */
const AT_A_TIME = 12;
const places = new Places(AT_A_TIME);
const MAX_QUERY_SHOWN = 500;
const MAX_LOG_LINE = 1500;

/** What a topic holds and the Kafka table that reads it. */
export interface Feed {
  /** As in CREATE TABLE. */
  readonly columns: string;
  readonly format: string;
  /** More settings of the table, as SQL. */
  readonly settings?: string;
  /** In the order they are sent; `partition` 0 when absent. */
  readonly messages: readonly Message[];
  /** 1 when absent. */
  readonly partitions?: number;
  /** The topic's `max.message.bytes`; the broker's when absent. Each message is then sent in a record batch of its own. */
  readonly maxMessageBytes?: number;
}

/** The rows of one topic, by the server's own engine and by the gateway. */
export interface BothRows {
  readonly native: readonly string[];
  readonly gateway: readonly string[];
}

const VIRTUAL_COLUMNS = ['_partition', '_offset', '_topic', '_key', '_timestamp', '_timestamp_ms', '_headers.name', '_headers.value'];
/** Fields of a row in front of the table's columns. */
export const VIRTUAL_COLUMN_COUNT = VIRTUAL_COLUMNS.length;

/** Fields of a row that `readByBoth` answers; `rawMessage` and `error` of tables in stream mode. */
export const ROW = { partition: 0, offset: 1, topic: 2, key: 3, rawMessage: 8, error: 9 } as const;
const ERROR_COLUMNS = ['_raw_message', '_error'];

/**
 * Both engines read the feed from a topic of this test's own; answered when both have committed its end. A row is a line of TSV with the virtual
 * columns in front, its bytes as Latin-1; rows stand by partition and offset, those of one message in the order they were inserted in. Tables in
 * `kafka_handle_error_mode` stream have `_raw_message` and `_error` behind the other virtual columns.
 */
export async function readByBoth(t: ExecutionContext, feed: Feed): Promise<BothRows> {
  return places.run(async () => readNow(t, feed));
}

async function readNow(t: ExecutionContext, feed: Feed): Promise<BothRows> {
  const tables = await createBoth(t, feed);
  const ends = (await tables.stream.kafka.endOffsets(tables.stream.topic)).map(({ high }) => high);
  await Promise.all(tables.groups.map(async (group) => committed(tables.stream.kafka, group, ends))).catch(async (error: unknown) => {
    throw new Error(
      `${String(error)}; the server's own engine says: ${await tables.nativeException()}; the gateway: ${lastLogs(tables.stream)}`,
      {
        cause: error,
      },
    );
  });
  const rows = { native: await tables.rows('native'), gateway: await tables.rows('gateway') };
  // The server's own engine holds on to its consumers while the database is dropped.
  await tables.stream.direct('DROP TABLE native');
  return rows;
}

async function produceLarge({ kafka, topic }: Stream, messages: readonly Message[], maxMessageBytes: number): Promise<void> {
  const configEntries = [{ name: 'max.message.bytes', value: String(maxMessageBytes) }];
  await kafka.withAdmin(async (admin) => {
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }] });
  });
  for (const message of messages) await kafka.produce(topic, [message]);
}

function lastLogs({ gateway, database }: Stream): string {
  const lines = gateway
    .logs()
    .split('\n')
    .filter((line) => line.includes(database));
  return lines
    .slice(-3)
    .map((line) => line.slice(0, MAX_LOG_LINE))
    .join('\n');
}

export interface BothTables {
  readonly stream: Stream;
  readonly groups: readonly string[];
  rows(table: 'native' | 'gateway'): Promise<string[]>;
  /** What the server's own engine said last; empty when all is well. */
  nativeException(): Promise<string>;
}

/** The same tables for messages that no engine can read: nothing is waited for. */
export async function createBoth(t: ExecutionContext, feed: Feed): Promise<BothTables> {
  const stream = await useStream(t, { partitions: feed.partitions ?? 1 });
  const clickHouse = await useClickHouse(t);
  if (feed.maxMessageBytes === undefined) await stream.kafka.produce(stream.topic, feed.messages);
  else await produceLarge(stream, feed.messages, feed.maxMessageBytes);
  const { format, settings } = feed;
  const groups = [`${stream.group}_native`, stream.group] as const;
  const isStreamMode = /kafka_handle_error_mode\s*=\s*'stream'/.test(settings ?? '');
  const columns = isStreamMode ? [...VIRTUAL_COLUMNS, ...ERROR_COLUMNS] : VIRTUAL_COLUMNS;
  const selected = columns.map((column) => `${column} AS \`virtual${column}\``).join(', ');
  const create = (table: string, group: string): string =>
    `CREATE TABLE ${table} (${feed.columns}) ${stream.engine({ format, group, ...(settings === undefined ? {} : { settings }) })}`;
  const view = (table: string): string =>
    `CREATE MATERIALIZED VIEW ${table}_view ENGINE = MergeTree ORDER BY tuple() AS SELECT ${selected}, * FROM ${table}`;
  await stream.direct(create('native', groups[0]));
  await stream.direct(view('native'));
  await stream.sql(create('gateway', groups[1]), view('gateway'));
  const rows = async (table: string): Promise<string[]> =>
    inOrder(await ask(clickHouse.url, `SELECT * FROM ${stream.database}.${table}_view SETTINGS max_threads = 1 FORMAT TSV`));
  const exceptions = `SELECT exceptions.text[-1] FROM system.kafka_consumers WHERE database = '${stream.database}' AND table = 'native'`;
  return { stream, groups, rows, nativeException: async () => (await stream.direct(exceptions)).split(', Stack trace', 1)[0] ?? '' };
}

/** One thread reads part after part in the order of insertion, and a message's rows are in one part: a stable sort keeps their order. */
function inOrder(tsv: string): string[] {
  const keyed = tsv
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [partition, offset] = line.split('\t', 2).map(Number) as [number, number];
      return { partition, offset, line };
    });
  return keyed.sort((a, b) => a.partition - b.partition || a.offset - b.offset).map(({ line }) => line);
}

/** Answers the bytes of a query's result as Latin-1: strings need not be UTF-8. */
export async function ask(url: string, query: string | Buffer): Promise<string> {
  const response = await fetch(url, { method: 'POST', body: query as string });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (!response.ok) throw new Error(`${bytes.toString()} (for ${query.toString().slice(0, MAX_QUERY_SHOWN)})`);
  return bytes.toString('latin1');
}

// ── many groups at once: one admin asks for all that are waited for ──

interface Waiting {
  readonly group: string;
  readonly ends: readonly bigint[];
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const waiting = new Set<Waiting>();
let isWatching = false;

/** Settled when the group has committed `ends[partition]` for each partition that holds messages. */
async function committed(kafka: KafkaPart, group: string, ends: readonly bigint[]): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    waiting.add({ group, ends, deadlineMs: Date.now() + COMMIT_TIMEOUT_MS, resolve, reject });
  });
  if (!isWatching) void watch(kafka);
  await done;
}

async function watch(kafka: KafkaPart): Promise<void> {
  isWatching = true;
  await kafka.withAdmin(async (admin) =>
    waitFor(
      async () => {
        for (const one of [...waiting]) {
          const topics = await admin.fetchOffsets({ groupId: one.group }).catch(() => []);
          const offsets = new Map(
            topics.flatMap(({ partitions }) => partitions.map(({ partition, offset }) => [partition, BigInt(offset)])),
          );
          if (one.ends.every((end, partition) => end === 0n || offsets.get(partition) === end)) one.resolve();
          else if (Date.now() > one.deadlineMs)
            one.reject(new Error(`group ${one.group} committed ${describe(offsets)}, not ${one.ends.join()}`));
          else continue;
          waiting.delete(one);
        }
        isWatching = waiting.size > 0;
        return !isWatching;
      },
      { timeoutMs: 10 * COMMIT_TIMEOUT_MS, message: 'every group to commit' },
    ),
  );
}

function describe(offsets: ReadonlyMap<number, bigint>): string {
  return [...offsets].map(([partition, offset]) => `${partition}: ${offset}`).join(', ') || 'nothing';
}
