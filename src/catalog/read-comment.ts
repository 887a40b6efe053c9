import type { ServiceClient } from '../clickhouse/index.ts';

/** The comment of a table, as the service account sees it; undefined when there is no such table. */
export async function readComment(
  client: Pick<ServiceClient, 'rows'>,
  { database, table }: { readonly database: string; readonly table: string },
): Promise<string | undefined> {
  const condition = 'database = {database:String} AND name = {table:String}';
  const [found] = await client.rows<{ comment: string }>(`SELECT comment FROM system.tables WHERE ${condition}`, { database, table });
  return found?.comment;
}
