import type { ManagedTable } from '../catalog/index.ts';
import { quoteString } from '../sql/index.ts';

/** How the server's text begins when nothing reads the table any more. */
export const NOT_READ = 'sluice: no materialized view reads the table';

/**
 * SQL that throws unless a materialized view reads the table when the INSERT begins. A view may be dropped at any moment, past the gateway, too; an INSERT would
 * succeed then, and its rows would be nowhere.
 */
export function isStillRead({ database, table }: Pick<ManagedTable, 'database' | 'table'>): string {
  const views = `SELECT count() FROM system.tables WHERE database = ${quoteString(database)} AND name = ${quoteString(table)} AND notEmpty(dependencies_table)`;
  return `throwIf((${views}) = 0, ${quoteString(NOT_READ)}) = 0`;
}
