import { clickhouseError, ClickHouseException } from '../../errors.ts';
import { withoutQuery } from './errors.ts';
import { emptyDocumentQuery, outputSettings, withSecretSettings } from './outbox-query.ts';
import { readAll } from './read-all.ts';
import type { OutboxReader, RenderedTable } from './types.ts';

const TIMEOUT_MS = 60_000;

/** Virtual columns of the outbox by which its rows are read. */
const READ_BY_US: ReadonlySet<string> = new Set(['_part', '_part_uuid', '_part_offset']);

/** Throws what the server's own engine says when the table's format cannot be written, whatever the rows are. Reads no row; an AvroConfluent schema is registered. */
export async function checkFormat(client: Pick<OutboxReader, 'stream'>, table: RenderedTable): Promise<void> {
  if (table.options.write.maxRowsPerMessage === 0)
    throw clickhouseError('BAD_ARGUMENTS', 'A message has at least one row: kafka_max_rows_per_message is 0');
  const hiding = table.columns.find(({ name }) => READ_BY_US.has(name));
  if (hiding !== undefined) {
    throw clickhouseError(
      'NOT_IMPLEMENTED',
      `A table with a column ${hiding.name} cannot be written to: rows are told apart by the server's column of that name`,
    );
  }
  try {
    await readAll(
      client.stream(withSecretSettings(table, emptyDocumentQuery(table)), outputSettings(table), AbortSignal.timeout(TIMEOUT_MS)),
    );
  } catch (error) {
    throw error instanceof ClickHouseException ? withoutQuery(error) : error;
  }
}
