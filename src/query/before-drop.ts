import type { TableName } from '../sql/index.ts';
import { findManaged, printedName, type StatementContext, type TableId } from './context.ts';

/**
 * To be called before tables of these names go away, if there are such tables: what is not in Kafka yet goes with them. Throws the exception that the client must be
 * answered with. `find`: what the names stand for.
 */
export async function beforeDrop(names: readonly TableName[], context: StatementContext, find = findManaged): Promise<void> {
  for (const name of names) {
    const table = await find(name, context);
    if (table !== undefined) await beforeDropOf(table, context);
  }
}

/** The same for all tables of a database. */
export async function beforeDropOfDatabase(database: string, context: StatementContext): Promise<void> {
  for (const table of context.options.catalog.tables()) if (table.database === database) await beforeDropOf(table, context);
}

/** Whoever may not drop the table is told so by the server, without waiting for Kafka. */
async function beforeDropOf({ database, table }: TableId, { session, options }: StatementContext): Promise<void> {
  if (options.outboxes === undefined) return;
  const [[isGranted] = []] = await session.query(`CHECK GRANT DROP TABLE ON ${printedName({ database, table })}`);
  if (isGranted === '1') await options.outboxes.beforeDrop({ database, table });
}
