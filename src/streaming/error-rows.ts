import type { ManagedTable } from '../catalog/index.ts';
import type { TopicPartition } from '../kafka/index.ts';
import type { BrokenMessage } from './broken-message.ts';
import { rowsOfMessages, wholeValueOf, type MessageRows } from './message-rows.ts';
import { isStillRead } from './still-read.ts';

/**
 * The INSERT of one row for each broken message, as the real engine makes them with `kafka_handle_error_mode = 'stream'`: its virtual columns, `_error` and
 * `_raw_message` among them; all other columns have their defaults.
 */
export function errorRows(table: ManagedTable, partition: TopicPartition, broken: readonly BrokenMessage[]): MessageRows {
  const messages = broken.map(({ message }) => message);
  const texts = broken.map(({ message, error }) => [Buffer.from(error), wholeValueOf(message)] as const);
  const columns = Object.entries({ _error: 'text_1', _raw_message: 'text_2' }).filter(([name]) => table.virtualColumns.includes(name));
  return rowsOfMessages(table, partition, messages, texts, Object.fromEntries(columns), [isStillRead(table)]);
}
