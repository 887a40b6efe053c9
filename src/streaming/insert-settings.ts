import type { ManagedTable } from '../catalog/index.ts';
import { withoutSecretSettings } from '../engine/index.ts';

/**
 * An INSERT is one block, so that it is applied whole or not at all and an error names the row. No limit the server knows may cut it:
 * the batch's own limits are the only ones.
 */
export const ONE_BLOCK: Readonly<Record<string, string>> = {
  insert_allow_materialized_columns: '1',
  input_format_parallel_parsing: '0',
  max_block_size: '100000000',
  max_insert_block_size: '100000000',
  max_insert_block_size_bytes: '0',
  min_insert_block_size_rows: '100000000',
  min_insert_block_size_bytes: '0',
  input_format_max_block_size_bytes: '0',
  max_insert_threads: '1',
  max_threads: '1',
  async_insert: '0',
  wait_end_of_query: '0',
  materialized_views_ignore_errors: '0',
  // The body streams as fast as the server reads it; only a dead connection may end it.
  max_execution_time: '0',
};

/** What the real engine takes from the table for each message (kafka-engine, "parsing"); its secrets stand in the statement. */
export function tableSettings(table: ManagedTable): Record<string, string> {
  return {
    input_format_skip_unknown_fields: '1',
    // Whoever inserts into a table with carriers says what they stand for, or that nothing is carried (`InsertComment`).
    ...(table.carriers === undefined ? {} : { log_comment: '{"alone":true}' }),
    ...(table.options.schema === '' ? {} : { format_schema: table.options.schema }),
    ...table.options.insertSettings,
    ...withoutSecretSettings(table.options.formatSettings),
  };
}

export function withoutTableSettings(settings: Readonly<Record<string, string>>, table: ManagedTable): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !(name in table.options.formatSettings)));
}
