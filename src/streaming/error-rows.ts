import type { ManagedTable } from '../catalog/index.ts';
import type { RecordCursor } from '../formats/index.ts';
import type { TopicPartition } from '../kafka/index.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import { timestamp, timestampMs } from './carried-columns.ts';
import type { InsertRequest } from './insert-plan.ts';
import { ONE_BLOCK } from './insert-settings.ts';
import { RowBinaryRows } from './row-binary.ts';
import type { BrokenMessage } from './sorter.ts';

const STRUCTURE =
  'message_offset Int64, timestamp_ms Int64, message_key String, header_names Array(String), header_values Array(String), error String, raw String';

/**
 * The INSERT of one row for each broken message, as the real engine makes them with `kafka_handle_error_mode = 'stream'`: its virtual columns, `_error` and
 * `_raw_message` among them; all other columns have their defaults.
 */
export function errorRows(
  { database, table, virtualColumns }: ManagedTable,
  partition: TopicPartition,
  broken: readonly BrokenMessage[],
): { readonly request: InsertRequest; readonly body: readonly Buffer[] } {
  const values: Readonly<Record<string, string>> = {
    _topic: quoteString(partition.topic),
    _partition: String(partition.partition),
    _offset: 'message_offset',
    _timestamp: timestamp('timestamp_ms'),
    _timestamp_ms: timestampMs('timestamp_ms'),
    _key: 'message_key',
    '_headers.name': 'header_names',
    '_headers.value': 'header_values',
    _error: 'error',
    _raw_message: 'raw',
  };
  const columns = virtualColumns.filter((column) => column in values);
  const rows = new RowBinaryRows();
  for (const { message, error } of broken) {
    const headers = headersOf(message);
    rows
      .int64(message.offset)
      .int64(message.timestampMs)
      .string(keyOf(message))
      .strings(headers.map(({ name }) => name))
      .strings(headers.map(({ value }) => value))
      .string(Buffer.from(error))
      .string(wholeValueOf(message));
  }
  const sql =
    `INSERT INTO ${quoteIdentifier(database)}.${quoteIdentifier(table)} (${columns.map(quoteIdentifier).join(', ')}) ` +
    `SELECT ${columns.map((column) => values[column]).join(', ')} FROM input(${quoteString(STRUCTURE)}) FORMAT RowBinary`;
  return { request: { sql, settings: ONE_BLOCK }, body: rows.chunks };
}

/** The message's key; empty when it has none. */
export function keyOf({ bytes, keyStart, keyEnd }: RecordCursor): Buffer {
  return bytes.subarray(keyStart, Math.max(keyStart, keyEnd));
}

/** The message's value, what is skipped of it included; empty when it has none. */
export function wholeValueOf({ bytes, wholeStart, valueEnd }: RecordCursor): Buffer {
  return bytes.subarray(wholeStart, Math.max(wholeStart, valueEnd));
}

/** What the format reads of the message. */
export function payloadOf({ bytes, valueStart, valueEnd }: RecordCursor): Buffer {
  return bytes.subarray(valueStart, Math.max(valueStart, valueEnd));
}

/** The message's headers in their order; a header without value has an empty one. */
export function headersOf(message: RecordCursor): { readonly name: Buffer; readonly value: Buffer }[] {
  const headers: { name: Buffer; value: Buffer }[] = [];
  const { bytes } = message;
  message.forEachHeader((nameStart, nameEnd, valueStart, valueEnd) => {
    headers.push({ name: bytes.subarray(nameStart, nameEnd), value: bytes.subarray(valueStart, Math.max(valueStart, valueEnd)) });
  });
  return headers;
}
