import type { ServiceClient } from '../clickhouse/index.ts';
import type { Logger } from '../logger.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import type { TableId } from './store.ts';
import { tableNameText } from './table-name.ts';

/** Columns of `system.dead_letter_queue` of 26.7, in its order and with its types (`src/Interpreters/DeadLetterQueue.cpp`). */
const COLUMNS: readonly (readonly [name: string, type: string])[] = [
  ['table_engine', "Enum8('Kafka' = 1, 'RabbitMQ' = 2)"],
  ['event_date', 'Date'],
  ['event_time', 'DateTime'],
  ['event_time_microseconds', 'DateTime64(6)'],
  ['database', 'LowCardinality(String)'],
  ['table', 'LowCardinality(String)'],
  ['error', 'String'],
  ['raw_message', 'String'],
  ['kafka_topic_name', 'String'],
  ['kafka_partition', 'UInt64'],
  ['kafka_offset', 'UInt64'],
  ['kafka_key', 'String'],
  ['rabbitmq_exchange_name', 'String'],
  ['rabbitmq_message_id', 'String'],
  ['rabbitmq_message_timestamp', 'DateTime'],
  ['rabbitmq_message_redelivered', 'UInt8'],
  ['rabbitmq_message_delivery_tag', 'UInt64'],
  ['rabbitmq_channel_id', 'String'],
];

const SERVERS_OWN = tableNameText({ database: 'system', name: 'dead_letter_queue' });

/**
 * Whether there is a table for dead letters, which is made if there is none. The server's own (`<dead_letter_queue>` of its configuration) is taken as it is; ours
 * holds each letter once however often it is written, a crash included (ReplacingMergeTree: doubles may be seen until they are merged, or without FINAL).
 * False when there is none and none can be made; the reason is logged. Throws when the server does not answer.
 */
export async function ensureDeadLetterTable(
  client: Pick<ServiceClient, 'rows' | 'command'>,
  id: TableId,
  logger: Logger,
): Promise<boolean> {
  // The server makes its own one when it first writes to it; asked to write now, it does.
  if (tableNameText(id) === SERVERS_OWN) await client.command('SYSTEM FLUSH LOGS dead_letter_queue').catch(() => undefined);
  const missing = await missingColumns(client, id);
  if (missing.length === COLUMNS.length) return create(client, id, logger);
  if (missing.length > 0) logger.error({ table: `${id.database}.${id.name}`, missing }, 'the table for dead letters lacks columns');
  return missing.length === 0;
}

async function missingColumns(client: Pick<ServiceClient, 'rows'>, { database, name }: TableId): Promise<string[]> {
  const found = await client.rows<{ name: string }>(
    `SELECT name FROM system.columns WHERE database = ${quoteString(database)} AND table = ${quoteString(name)}`,
  );
  const names = new Set(found.map((column) => column.name));
  return COLUMNS.map(([column]) => column).filter((column) => !names.has(column));
}

async function create(client: Pick<ServiceClient, 'command'>, id: TableId, logger: Logger): Promise<boolean> {
  const columns = COLUMNS.map(([name, type]) => `${quoteIdentifier(name)} ${type}`).join(', ');
  const key = 'database, table, kafka_topic_name, kafka_partition, kafka_offset';
  const comment = 'Messages that Kafka tables of the gateway could not read. It is safe to truncate or drop this table at any time.';
  try {
    await client.command(
      `CREATE TABLE IF NOT EXISTS ${tableNameText(id)} (${columns}) ENGINE = ReplacingMergeTree(event_time_microseconds) ` +
        `ORDER BY (${key}) SETTINGS non_replicated_deduplication_window = 1000 COMMENT ${quoteString(comment)}`,
    );
    return true;
  } catch (error) {
    if (!(error instanceof Error && error.name === 'ClickHouseException')) throw error;
    logger.error({ err: error, table: `${id.database}.${id.name}` }, 'the table for dead letters cannot be made');
    return false;
  }
}

/** Removes letters of the Kafka table `of`; resolves when they are gone. */
export async function removeDeadLetters(
  client: Pick<ServiceClient, 'command'>,
  id: TableId,
  of: { readonly database: string; readonly table: string },
  letters: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[],
): Promise<void> {
  const positions = letters.map(({ topic, partition, offset }) => `(${quoteString(topic)}, ${partition}, ${offset})`).join(', ');
  await client.command(
    `DELETE FROM ${tableNameText(id)} WHERE database = ${quoteString(of.database)} AND table = ${quoteString(of.table)} ` +
      `AND (kafka_topic_name, kafka_partition, kafka_offset) IN (${positions})`,
    { lightweight_deletes_sync: 2 },
  );
}
