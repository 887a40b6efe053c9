import { tableNameText } from '../../catalog/index.ts';
import { documentOf, outputSettings } from './outbox-query.ts';
import type { OutboxReader, RenderedTable } from './types.ts';

/** Throws what the server says when the table's format cannot be written, whatever the rows are. Reads none; an AvroConfluent schema is registered. */
export async function checkFormat(client: Pick<OutboxReader, 'stream'>, table: RenderedTable): Promise<void> {
  const sql = `SELECT ${documentOf(table, table.options.format)} FROM ${tableNameText(table.outbox)} LIMIT 0 FORMAT Null`;
  for await (const piece of client.stream(sql, outputSettings(table), AbortSignal.timeout(60_000))) void piece;
}
