import { tableNameText } from '../../catalog/index.ts';
import { quoteIdentifier, quoteString } from '../../sql/index.ts';
import { bodyColumns, messageColumns } from './message-columns.ts';
import type { OutboxPart, RenderedTable } from './types.ts';

/** What the real engine takes from the table when it writes; everything else is the service account's profile. */
export function outputSettings({ options }: Pick<RenderedTable, 'options'>): Record<string, string> {
  return { ...(options.schema === '' ? {} : { format_schema: options.schema }), ...options.formatSettings };
}

/** One thread reads one part after the other, each from its beginning; nothing but a dead connection ends it. */
export const IN_ORDER = {
  max_threads: 1,
  output_format_parallel_formatting: 0,
  max_execution_time: 0,
  max_result_rows: 0,
  max_result_bytes: 0,
  max_query_size: 100_000_000,
} as const;

function bodyNames(table: RenderedTable): string[] {
  return bodyColumns(table).map(({ name }) => quoteIdentifier(name));
}

/** SQL for a row as a complete document of `format` (prefix, row, suffix): names of arguments are the names that JSON and others write. */
export function documentOf(table: RenderedTable, format: string, ...more: readonly string[]): string {
  return `formatRow(${[quoteString(format), ...bodyNames(table), ...more].join(', ')})`;
}

/** The rows of parts as `RenderedRows` reads them; `value` is SQL for what the row is in its message. */
export function rowsQuery(table: RenderedTable, parts: readonly OutboxPart[], value: string): string {
  const names = parts.map(({ name }) => quoteString(name)).join(', ');
  const { key, traits } = messageColumns(table);
  const part = parts.length === 1 ? 'toUInt32(0)' : `toUInt32(indexOf([${names}], _part) - 1)`;
  const columns = [part, 'toUInt32(_part_offset)', traits, key, value];
  return `SELECT ${columns.join(', ')} FROM ${tableNameText(table.outbox)} WHERE _part IN (${names}) FORMAT RowBinary`;
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
