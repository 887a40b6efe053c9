import type { ManagedTable } from '../catalog/index.ts';
import type { RecordCursor } from '../formats/index.ts';
import type { TopicPartition } from '../kafka/index.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import { timestamp, timestampMs } from './carried-columns.ts';
import type { InsertRequest } from './insert-plan.ts';
import { ONE_BLOCK, tableSettings } from './insert-settings.ts';
import { RowBinaryRows } from './row-binary.ts';

/** An INSERT and its body. */
export interface MessageRows {
  readonly request: InsertRequest;
  readonly body: readonly Buffer[];
}

const STRUCTURE =
  'message_offset Int64, timestamp_ms Int64, message_key String, header_names Array(String), header_values Array(String), text_1 String, text_2 String';

/** One row for each message, of its metadata and `columns` (SQL, by column; over the two `texts` of each message and the metadata); all else has its default. */
export function rowsOfMessages(
  managed: ManagedTable,
  partition: TopicPartition,
  messages: readonly RecordCursor[],
  texts: readonly (readonly [Buffer, Buffer])[],
  columns: Readonly<Record<string, string>>,
  conditions: readonly string[],
): MessageRows {
  const { database, table, virtualColumns } = managed;
  const metadata: Readonly<Record<string, string>> = {
    _topic: quoteString(partition.topic),
    _partition: String(partition.partition),
    _offset: 'message_offset',
    _timestamp: timestamp('timestamp_ms'),
    _timestamp_ms: timestampMs('timestamp_ms'),
    _key: MESSAGE_KEY,
    '_headers.name': 'header_names',
    '_headers.value': 'header_values',
  };
  const values = Object.entries({ ...metadata, ...columns }).filter(([name]) => !(name in metadata) || virtualColumns.includes(name));
  const rows = new RowBinaryRows();
  for (const [i, message] of messages.entries()) {
    const headers = headersOf(message);
    const [first, second] = texts[i] ?? [NOTHING, NOTHING];
    rows
      .int64(message.offset)
      .int64(message.timestampMs)
      .string(keyOf(message))
      .strings(headers.map(({ name }) => name))
      .strings(headers.map(({ value }) => value))
      .string(first)
      .string(second);
  }
  const sql =
    `INSERT INTO ${quoteIdentifier(database)}.${quoteIdentifier(table)} (${values.map(([name]) => quoteIdentifier(name)).join(', ')}) ` +
    `SELECT ${values.map(([, value]) => value).join(', ')} FROM input(${quoteString(STRUCTURE)}) ` +
    `WHERE ${conditions.join(' AND ')} FORMAT RowBinary`;
  return { request: { sql, settings: { ...tableSettings(managed), ...ONE_BLOCK } }, body: rows.chunks };
}

/** The key in `rowsOfMessages`. */
export const MESSAGE_KEY = 'message_key';

const NOTHING = Buffer.alloc(0);

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
