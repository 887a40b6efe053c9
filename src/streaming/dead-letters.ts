import type { ManagedTable } from '../catalog/index.ts';
import type { TopicPartition } from '../kafka/index.ts';
import { quoteString } from '../sql/index.ts';
import { keyOf, wholeValueOf } from './message-rows.ts';
import type { InsertRequest } from './insert-plan.ts';
import { ONE_BLOCK } from './insert-settings.ts';
import { RowBinaryRows } from './row-binary.ts';
import type { BrokenMessage } from './broken-message.ts';

const STRUCTURE = 'at_us Int64, error String, raw String, message_offset Int64, message_key String';

/**
 * The INSERT of one row for each broken message into the dead-letter table, as the real engine writes them to `system.dead_letter_queue`
 * (`src/Interpreters/DeadLetterQueue.cpp`). `deadLetterTable`: its name as SQL.
 */
export function deadLetterRows(
  deadLetterTable: string,
  { database, table }: ManagedTable,
  { topic, partition }: TopicPartition,
  broken: readonly BrokenMessage[],
  nowMs: number,
): { readonly request: InsertRequest; readonly body: readonly Buffer[] } {
  const values: readonly (readonly [string, string])[] = [
    ['table_engine', "'Kafka'"],
    ['event_date', 'toDate(fromUnixTimestamp64Micro(at_us))'],
    ['event_time', 'toDateTime(fromUnixTimestamp64Micro(at_us))'],
    ['event_time_microseconds', 'fromUnixTimestamp64Micro(at_us)'],
    ['database', quoteString(database)],
    ['table', quoteString(table)],
    ['error', 'error'],
    ['raw_message', 'raw'],
    ['kafka_topic_name', quoteString(topic)],
    ['kafka_partition', String(partition)],
    ['kafka_offset', 'message_offset'],
    ['kafka_key', 'message_key'],
  ];
  const rows = new RowBinaryRows();
  for (const [index, { message, error }] of broken.entries()) {
    // Letters of one moment keep their order.
    rows
      .int64(nowMs * 1000 + index)
      .string(Buffer.from(error))
      .string(wholeValueOf(message))
      .int64(message.offset)
      .string(keyOf(message));
  }
  const columns = values.map(([name]) => `\`${name}\``).join(', ');
  const sql =
    `INSERT INTO ${deadLetterTable} (${columns}) SELECT ${values.map(([, value]) => value).join(', ')} ` +
    `FROM input(${quoteString(STRUCTURE)}) FORMAT RowBinary`;
  return { request: { sql, settings: ONE_BLOCK }, body: rows.chunks };
}
