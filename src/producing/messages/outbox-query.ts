import { tableNameText } from '../../catalog/index.ts';
import { secretSettingsClause, withoutSecretSettings } from '../../engine/index.ts';
import { quoteIdentifier, quoteString } from '../../sql/index.ts';
import { headColumn } from './line-rows.ts';
import { bodyColumns, messageColumns } from './message-columns.ts';
import type { OutboxPart, RenderedTable } from './types.ts';

/** What the real engine takes from the table when it writes; everything else is the service account's profile. Goes with a statement that `withSecretSettings` made. */
export function outputSettings({ options }: Pick<RenderedTable, 'options'>): Record<string, string> {
  return { ...(options.schema === '' ? {} : { format_schema: options.schema }), ...withoutSecretSettings(options.formatSettings) };
}

/** A statement that ends with its FORMAT, with the secrets among the table's settings. */
export function withSecretSettings({ options }: Pick<RenderedTable, 'options'>, sql: string): string {
  return `${sql}${secretSettingsClause(options.formatSettings)}`;
}

const UNLIMITED = { max_execution_time: 0, max_result_rows: 0, max_result_bytes: 0, max_query_size: 100_000_000 } as const;

/** One thread reads one part after the other, each from its beginning; nothing but a dead connection ends it. */
export const IN_ORDER = { max_threads: 1, output_format_parallel_formatting: 0, ...UNLIMITED } as const;

function bodyNames(table: RenderedTable): string[] {
  return bodyColumns(table).map(({ name }) => quoteIdentifier(name));
}

/** SQL for a row as a complete document of `format` (prefix, row, suffix): names of arguments are the names that JSON and others write. */
export function documentOf(table: RenderedTable, format: string, ...more: readonly string[]): string {
  return `formatRow(${[quoteString(format), ...bodyNames(table), ...more].join(', ')})`;
}

/** The rows of parts as `BinaryRows` reads them; `value` is SQL for what the row is in its message. */
export function rowsQuery(table: RenderedTable, parts: readonly OutboxPart[], value: string): string {
  const { key, traits } = messageColumns(table);
  const columns = [`toUInt32(${partIndex(parts)})`, 'toUInt32(_part_offset)', traits, key, value];
  return `SELECT ${columns.join(', ')} FROM ${rowsOf(table, parts)} FORMAT RowBinary`;
}

/** What a SELECT gives, in the same form, each as the first row of one part. `select`: its columns have the names of the table's. */
export function selectedRowsQuery(table: RenderedTable, select: string, value: string): string {
  const { key, traits } = messageColumns(table);
  return `SELECT toUInt32(0), toUInt32(0), ${traits}, ${key}, ${value} FROM (${select}) FORMAT RowBinary`;
}

/** The rows of parts as `LineRows` reads them. */
export function linesQuery(table: RenderedTable, parts: readonly OutboxPart[], format: string): string {
  const { key, traits } = messageColumns(table);
  const columns = [headColumn(partIndex(parts), traits, key), ...bodyNames(table)];
  return `SELECT ${columns.join(', ')} FROM ${rowsOf(table, parts)} FORMAT ${quoteIdentifier(format)}`;
}

/** More than a part has. */
const ALL = 1_000_000_000_000_000;

/**
 * One thread reads a part, and others write: they keep the order of what is read. Of several parts each could get a thread. Each block is written as one piece: smaller
 * ones than usual let the first bytes come sooner and take less of the server's memory.
 */
const ONE_PART_IN_ORDER = {
  output_format_parallel_formatting: 1,
  max_block_size: 16_384,
  merge_tree_min_rows_for_concurrent_read: ALL,
  merge_tree_min_bytes_for_concurrent_read: ALL,
  merge_tree_min_rows_for_concurrent_read_for_remote_filesystem: ALL,
  merge_tree_min_bytes_for_concurrent_read_for_remote_filesystem: ALL,
  ...UNLIMITED,
} as const;

/** For `rowsQuery` and `linesQuery`: rows come in the order of the parts, and of each part's rows. */
export function rowsInOrder(parts: readonly OutboxPart[]): Record<string, number> {
  return parts.length === 1 ? ONE_PART_IN_ORDER : IN_ORDER;
}

/** For `linesQuery`: one row is one line, and nothing stands around them, whatever a profile says. */
export const LINES_ALONE = { output_format_json_array_of_rows: 0, extremes: 0 } as const;

function partIndex(parts: readonly OutboxPart[]): string {
  return parts.length === 1 ? '0' : `indexOf([${namesOf(parts)}], _part) - 1`;
}

/** None, when another outbox has got the name of this one meanwhile. */
function rowsOf(table: RenderedTable, parts: readonly OutboxPart[]): string {
  const uuids = parts.map(({ uuid }) => quoteString(uuid)).join(', ');
  return `${tableNameText(table.outbox)} WHERE _part IN (${namesOf(parts)}) AND _part_uuid IN (${uuids})`;
}

function namesOf(parts: readonly OutboxPart[]): string {
  return parts.map(({ name }) => quoteString(name)).join(', ');
}

/** Rows `[from, to)` of a part as one document in the table's format, one block. */
export function documentQuery(table: RenderedTable, part: OutboxPart, from: number, to: number): string {
  const rows = `_part = ${quoteString(part.name)} AND _part_offset >= ${from} AND _part_offset < ${to} ORDER BY _part_offset`;
  return `${selectBody(table)} WHERE ${rows} FORMAT ${quoteIdentifier(table.options.format)}`;
}

/** A document without rows. */
export function emptyDocumentQuery(table: RenderedTable): string {
  return `${selectBody(table)} LIMIT 0 FORMAT ${quoteIdentifier(table.options.format)}`;
}

function selectBody(table: RenderedTable): string {
  return `SELECT ${bodyNames(table).join(', ')} FROM ${tableNameText(table.outbox)}`;
}

/** Blocks of as many rows as a document may have, so that it is written as one. */
export function oneBlock(rows: number): Record<string, number> {
  return { max_block_size: Math.max(rows, 1) + 65_536, preferred_block_size_bytes: 0 };
}
