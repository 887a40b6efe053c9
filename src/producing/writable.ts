import type { ManagedTable } from '../catalog/index.ts';
import type { ServiceClient } from '../clickhouse/index.ts';
import { FORMAT_SETTINGS_COLUMN, storedOutboxColumns } from '../engine/index.ts';
import { ClickHouseException, clickhouseError } from '../errors.ts';
import { COMPRESSION_NAMES } from '../kafka/index.ts';
import { checkFormat, type RenderedTable } from './messages/index.ts';
import { outboxOf } from './outbox-table.ts';
import { isCodec } from './producer-options.ts';

/** What the messages of a table are rendered from. */
export function renderedTable(table: ManagedTable): RenderedTable {
  const { written, options } = table;
  const added = new Set([...storedOutboxColumns(new Set(written.names)), FORMAT_SETTINGS_COLUMN]);
  return { outbox: outboxOf(table), columns: written.columns, options, added };
}

/** Throws what an INSERT into the table is answered with, before it has cost anything: in the words of the server's own engine, where it has some. */
export async function checkWritable(client: ServiceClient, table: ManagedTable): Promise<void> {
  if (table.sourceProblem !== undefined) throw clickhouseError('SUPPORT_IS_DISABLED', table.sourceProblem);
  const { topics, write } = table.options;
  if (topics.length > 1) throw clickhouseError('NOT_IMPLEMENTED', "Can't write to Kafka table with multiple topics!");
  if (write.compressionCodec !== '' && !isCodec(write.compressionCodec)) {
    const text = `Invalid value "${write.compressionCodec}" for configuration property "compression.codec"`;
    throw new ClickHouseException(
      1001,
      'STD_EXCEPTION',
      `Failed to set compression.codec: ${text}, allowed: ${COMPRESSION_NAMES.join(', ')}`,
    );
  }
  // There may be no outbox yet; the landing table has the same columns.
  await checkFormat(client, { ...renderedTable(table), outbox: { database: table.database, name: table.table } });
}
