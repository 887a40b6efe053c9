import type { ManagedTable } from '../catalog/index.ts';
import type { ServiceClient } from '../clickhouse/index.ts';
import { quoteString } from '../sql/index.ts';

/** How the server's text begins when nothing reads the table any more. */
export const NOT_READ = 'sluice: no materialized view reads the table';

/**
 * SQL that throws unless a materialized view reads the table when the INSERT begins. A view may be dropped at any moment, past the gateway, too; an INSERT would
 * succeed then, and its rows would be nowhere.
 */
export function isStillRead(table: TableId): string {
  return `throwIf((${isReadQuery(table)}) = 0, ${quoteString(NOT_READ)}) = 0`;
}

/** The same, asked before: for INSERTs that have no place for a condition, those into tables with carriers. */
export function stillReadAsker(client: Pick<ServiceClient, 'rows'>): (table: TableId) => Promise<void> {
  return async (table) => {
    const [row] = await client.rows<{ readonly is_read: number }>(`SELECT (${isReadQuery(table)}) > 0 AS is_read`);
    if (row?.is_read !== 1) throw new Error(NOT_READ);
  };
}

type TableId = Pick<ManagedTable, 'database' | 'table'>;

function isReadQuery({ database, table }: TableId): string {
  return `SELECT count() FROM system.tables WHERE database = ${quoteString(database)} AND name = ${quoteString(table)} AND notEmpty(dependencies_table)`;
}
