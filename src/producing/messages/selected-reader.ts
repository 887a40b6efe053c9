import { secretSettingsClause } from '../../engine/index.ts';
import { BinaryRows } from './binary-rows.ts';
import { CONCATENATED } from './framing.ts';
import { JoinedRows, oneRowEach } from './joined-rows.ts';
import { jsonRow } from './json-rows.ts';
import { documentOf, outputSettings, selectedRowsQuery } from './outbox-query.ts';
import { RenderedRows } from './rendered-rows.ts';
import type { MessageSink, OutboxReader, RenderedTable } from './types.ts';

/** Rows that a client selects, with the client's own rights and settings. */
export interface RowsSelect {
  /** Its columns are called like the table's, or like those that say something of a message, and have their types. */
  readonly sql: string;
  /** Their names. */
  readonly columns: ReadonlySet<string>;
  readonly stream: OutboxReader['stream'];
}

/** Of formats whose messages are rows one behind the other, whatever the rows are. A table's secrets must not stand in a client's query. */
export function canReadSelected(table: RenderedTable): boolean {
  return rowOf(table) !== undefined && secretSettingsClause(table.options.formatSettings) === '';
}

function rowOf(table: RenderedTable): string | undefined {
  const { format } = table.options;
  return jsonRow(table, format, documentOf(table, format));
}

/** What the client's own settings must not change: the rows are no result, they are inserted. */
const AS_FOR_INSERT = { max_result_rows: 0, max_result_bytes: 0, use_query_cache: 0, output_format_parallel_formatting: 1 } as const;

/** Renders the selected rows as messages; answers how many rows there were. Throws as `readMessages` does. */
export async function readSelected(table: RenderedTable, select: RowsSelect, sink: MessageSink, signal: AbortSignal): Promise<number> {
  const selected = { ...table, added: new Set([...table.added].filter((name) => select.columns.has(name))) };
  const value = rowOf(selected);
  if (value === undefined) throw new Error(`rows of format ${table.options.format} are not read from a SELECT`);
  const { maxRowsPerMessage } = table.options.write;
  const joined = maxRowsPerMessage === 1 ? undefined : new JoinedRows(sink, CONCATENATED, maxRowsPerMessage);
  const rows = new RenderedRows(new BinaryRows(), undefined, joined ?? oneRowEach(sink));
  const sql = selectedRowsQuery(selected, select.sql, value);
  for await (const piece of select.stream(sql, { ...outputSettings(table), ...AS_FOR_INSERT }, signal)) {
    rows.take(piece);
    await sink.drained();
  }
  rows.end();
  joined?.end();
  return rows.rows;
}
