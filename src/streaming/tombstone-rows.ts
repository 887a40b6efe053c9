import type { ManagedTable } from '../catalog/index.ts';
import type { RecordCursor } from '../formats/index.ts';
import type { TopicPartition } from '../kafka/index.ts';
import { MESSAGE_KEY, rowsOfMessages, type MessageRows } from './message-rows.ts';
import { isStillRead } from './still-read.ts';
import { keyColumnValue, keyConditions, splitColumns } from './key-columns.ts';

/**
 * The INSERT of one row for each tombstone (`kafka_tombstones = 1`): `_tombstone` is 1, the key's columns come from the key, all others have their
 * defaults. `check`: nothing is inserted, but it fails where an insert would.
 */
export function tombstoneRows(
  table: ManagedTable,
  partition: TopicPartition,
  messages: readonly RecordCursor[],
  purpose: 'insert' | 'check' = 'insert',
): MessageRows {
  const ofKey = splitColumns(table).ofKey.map((column) => [column.name, keyColumnValue(column, table, MESSAGE_KEY)] as const);
  const columns = { ...Object.fromEntries(ofKey), ...(table.virtualColumns.includes('_tombstone') ? { _tombstone: '1' } : {}) };
  const conditions = [...keyConditions(table, MESSAGE_KEY), purpose === 'check' ? 'materialize(0)' : isStillRead(table)];
  return rowsOfMessages(table, partition, messages, [], columns, conditions);
}
