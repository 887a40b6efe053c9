import type { ExecutionContext } from 'ava';
import kafkajs, { type KafkaMessage } from 'kafkajs';
import { createServiceClient } from '../../../src/clickhouse/index.ts';
import { FORMAT_SETTINGS_COLUMN, outboxColumns } from '../../../src/engine/index.ts';
import { ClickHouseException } from '../../../src/errors.ts';
import {
  checkFormat,
  formatSettingsColumn,
  readMessages,
  type MessageSink,
  type OutboxPart,
  type RenderedTable,
} from '../../../src/producing/messages/index.ts';
import { quoteIdentifier } from '../../../src/sql/index.ts';
import { uniqueName, useClickHouse, useDatabase, useKafka, useTopic } from '../../helpers/index.ts';
import type { KafkaPart } from '../../parts/kafka.ts';

/** Rows that are inserted into a Kafka table of the server's own engine, and into an outbox of the same columns. */
export interface WrittenCase {
  readonly format: string;
  /** As in CREATE TABLE. */
  readonly columns: string;
  /** One INSERT each: a SELECT of all columns. */
  readonly inserts: readonly string[];
  /** Format settings of the table, and `format_schema`, which is its `kafka_schema`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly maxRowsPerMessage?: number;
  readonly mapsVirtualColumns?: boolean;
  /** Of the INSERT statements, as SQL. */
  readonly insertSettings?: string;
}

/** Bytes as Latin-1. */
export interface WrittenMessage {
  readonly value: string | null;
  readonly key: string | null;
  /** Undefined when it is the time of sending. */
  readonly timestampMs: number | undefined;
  readonly headers: readonly (readonly [string, string])[];
}

export interface Written {
  readonly messages: readonly WrittenMessage[];
  /** `code name: text` of the refusal. */
  readonly error?: string;
}

/** What both write; `native` by INSERTs into the server's own engine. */
export async function writeByBoth(t: ExecutionContext, one: WrittenCase): Promise<{ readonly native: Written; readonly ours: Written }> {
  const kafka = await useKafka(t);
  const server = await useClickHouse(t);
  const database = await useDatabase(t);
  const topic = await useTopic(t);
  const query = async (sql: string): Promise<string> => server.query(sql, { database });
  await query(
    `CREATE TABLE native (${one.columns}) ENGINE = Kafka SETTINGS ${nativeSettings(one, kafka.brokers, topic, uniqueName(t, 'group'))}`,
  );
  const outbox = await useOutbox(t, one, database);
  const beganMs = Date.now();
  const [nativeError, insertError] = await Promise.all([
    firstError(one.inserts, async (select) => query(`INSERT INTO native${statementSettings(one)} ${select}`)),
    firstError(one.inserts, async (select) => outbox.insert(select)),
  ]);
  const rendered = insertError === undefined ? await outbox.render() : { messages: [], error: insertError };
  const count = (await kafka.endOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0);
  const read = count === 0 ? [] : await readAll(t, kafka, topic, count);
  const native = read.map((message) => asWritten(message, beganMs));
  return { native: { messages: native, ...(nativeError === undefined ? {} : { error: nativeError }) }, ours: rendered };
}

/** The first `count` messages of a topic with one partition. */
async function readAll(t: ExecutionContext, { brokers }: KafkaPart, topic: string, count: number): Promise<KafkaMessage[]> {
  const kafka = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING });
  // A fetch that is under way holds up the consumer's end.
  const consumer = kafka.consumer({ groupId: uniqueName(t, 'reader'), maxWaitTimeInMs: 50 });
  const messages: KafkaMessage[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: { readonly message: KafkaMessage }): Promise<void> => {
      messages.push(message);
      if (messages.length === count) resolve();
      return Promise.resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  return messages;
}

export interface TestOutbox {
  readonly table: RenderedTable;
  insert(select: string, columns?: string): Promise<string>;
  parts(): Promise<OutboxPart[]>;
  render(): Promise<Written>;
}

/** A table as the gateway makes it. */
export async function useOutbox(t: ExecutionContext, one: WrittenCase, database: string): Promise<TestOutbox> {
  const server = await useClickHouse(t);
  const client = createServiceClient({ url: server.url, user: 'default', password: '' });
  t.teardown(async () => client.close());
  const query = async (sql: string): Promise<string> => server.query(sql, { database });
  await query(`CREATE TABLE columns (${one.columns}) ENGINE = Null`);
  const columns = (await server.rows<{ name: string; type: string }>(`DESCRIBE TABLE ${database}.columns`)).map(({ name, type }) => ({
    name,
    type,
  }));
  const added = [...outboxColumns(new Set(columns.map(({ name }) => name))), await formatSettingsColumn(client, one.format)];
  await query(
    `CREATE TABLE outbox (${[one.columns, ...added.map(({ declaration }) => declaration)].join(', ')}) ENGINE = MergeTree ORDER BY tuple() ` +
      `SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1`,
  );
  const { format_schema: schema = '', ...formatSettings } = one.settings ?? {};
  const table: RenderedTable = {
    outbox: { database, name: 'outbox' },
    columns,
    added: new Set([...added.map(({ name }) => name).filter((name) => name !== '_headers'), FORMAT_SETTINGS_COLUMN]),
    options: { format: one.format, schema, formatSettings, write: writeOptions(one) },
  };
  const parts = async (): Promise<OutboxPart[]> => {
    const rows = await server.rows<{ name: string; uuid: string; rows: string }>(
      `SELECT name, toString(uuid) AS uuid, rows FROM system.parts WHERE database = '${database}' AND table = 'outbox' AND active AND rows > 0 ORDER BY min_block_number`,
    );
    return rows.map((row) => ({ name: row.name, uuid: row.uuid, rows: Number(row.rows) }));
  };
  return {
    table,
    parts,
    insert: async (select, names = columns.map(({ name }) => quoteIdentifier(name)).join(', ')) =>
      query(`INSERT INTO outbox (${names})${statementSettings(one)} ${select}`),
    render: async () => {
      const { sink, messages } = gatheringSink();
      try {
        await checkFormat(client, table);
        await readMessages(client, table, await parts(), sink, new AbortController().signal);
        return { messages };
      } catch (error) {
        return { messages, error: refusal(error) };
      }
    },
  };
}

function writeOptions({ maxRowsPerMessage = 1, mapsVirtualColumns = false }: WrittenCase): RenderedTable['options']['write'] {
  return {
    maxRowsPerMessage,
    mapsVirtualColumns,
    compressionCodec: '',
    compressionLevel: -1,
    partitioner: 'consistent_random',
    waitsForDelivery: true,
    deliveryTimeoutMs: 20_000,
    outboxMaxRows: 0,
    outboxMaxBytes: 0,
    outboxMaxAgeMs: 0,
    onDrop: 'wait',
  };
}

function nativeSettings(one: WrittenCase, brokers: string, topic: string, group: string): string {
  const { format_schema: schema, ...formatSettings } = one.settings ?? {};
  const settings = {
    kafka_broker_list: brokers,
    kafka_topic_list: topic,
    kafka_group_name: group,
    kafka_format: one.format,
    kafka_max_rows_per_message: String(one.maxRowsPerMessage ?? 1),
    kafka_map_virtual_columns_on_write: one.mapsVirtualColumns === true ? '1' : '0',
    ...(schema === undefined ? {} : { kafka_schema: schema }),
    ...formatSettings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${value}'`)
    .join(', ');
}

function statementSettings({ insertSettings }: WrittenCase): string {
  return insertSettings === undefined ? '' : ` SETTINGS ${insertSettings}`;
}

function gatheringSink(): { readonly sink: MessageSink; readonly messages: WrittenMessage[] } {
  const messages: WrittenMessage[] = [];
  const text = (source: Buffer, start: number, end: number): string | null => (start === -1 ? null : source.toString('latin1', start, end));
  return {
    messages,
    sink: {
      message: (_partIndex, source, keyStart, keyEnd, valueStart, valueEnd, timestampMs, _partition, headers = []) => {
        messages.push({
          value: text(source, valueStart, valueEnd),
          key: text(source, keyStart, keyEnd),
          timestampMs: timestampMs === -1 ? undefined : timestampMs,
          headers: headers.map(({ name, value }) => [name.toString('latin1'), value.toString('latin1')] as const),
        });
      },
      drained: async () => Promise.resolve(),
    },
  };
}

/** Messages without a timestamp of their own have that of the moment. */
function asWritten({ value, key, timestamp, headers = {} }: KafkaMessage, beganMs: number): WrittenMessage {
  const timestampMs = Number(timestamp);
  return {
    value: value?.toString('latin1') ?? null,
    key: key?.toString('latin1') ?? null,
    timestampMs: timestampMs >= beganMs ? undefined : timestampMs,
    headers: Object.entries(headers).flatMap(([name, values]) =>
      [values ?? []].flat().map((one) => [Buffer.from(name).toString('latin1'), Buffer.from(one as string).toString('latin1')] as const),
    ),
  };
}

async function firstError(inserts: readonly string[], insert: (select: string) => Promise<unknown>): Promise<string | undefined> {
  for (const select of inserts) {
    try {
      await insert(select);
    } catch (error) {
      return refusal(error);
    }
  }
  return undefined;
}

/** The server's text without what it calls the place, its version, and names of files that it makes up. */
function refusal(error: unknown): string {
  const text = error instanceof ClickHouseException ? error.message : (error as Error).message;
  return text
    .replace(/ \(version [^()]*\)\s*$/, '')
    .replace(/: While executing KafkaSink/, '')
    .replace(/^std::exception\. Code: (\d+), type: ([^,]+), e\.what\(\) = ([\s\S]*)$/, 'Code: $1. DB::Exception: $2: $3. (STD_EXCEPTION)')
    .replace(/'tmp\w+\.proto'/, 'a file');
}

const ELAPSED = /("elapsed": |<elapsed>)[-\d.e]+/g;
const SYNC_MARKER_BYTES = 16;

/** A message's value without what is never the same: how long it took, and the marker between the blocks of an Avro file, which is random. */
export function comparable(value: string | null): string | null {
  if (value === null) return null;
  const marker = value.startsWith('Obj\x01') ? value.slice(-SYNC_MARKER_BYTES) : undefined;
  return (marker === undefined ? value : value.replaceAll(marker, '<marker>')).replace(ELAPSED, '$1');
}
