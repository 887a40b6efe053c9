import { quoteIdentifier, type InsertColumn, type InsertHead, type TableName } from '../sql/index.ts';
import type { TableId } from './context.ts';
import type { ClientSession } from './types.ts';

/** One element of an INSERT's column list. */
export interface WrittenColumn {
  /** What stands in front of the column or matcher and names the table: the part that is the table's own name. */
  readonly qualifier?: InsertColumn['path'][number];
  /** The column's name; undefined for a matcher. */
  readonly name?: string;
}

/** Tells a column's own dots from those that join a table's name to it. `own`: the names of the columns there are. */
export function readColumn({ path, matcher }: InsertColumn, table: TableId, own: readonly string[]): WrittenColumn {
  const names = path.map(({ name }) => name);
  const isQualified = matcher !== undefined || (names.length > 1 && !own.includes(names.join('.')));
  // The table's name in front of a column's, perhaps with its database.
  const at = names[0] === table.database && names[1] === table.table ? 1 : 0;
  const qualifier = isQualified && names[at] === table.table ? path[at] : undefined;
  const name = matcher === undefined ? names.slice(qualifier === undefined ? 0 : at + 1).join('.') : undefined;
  return { ...(qualifier && { qualifier }), ...(name !== undefined && { name }) };
}

/**
 * Names of the columns that an INSERT fills: those of its list, what a matcher in it stands for, or all of `own` (those that an INSERT without list fills). Throws
 * what the server has against a matcher.
 */
export async function filledColumns(
  { columns }: InsertHead & { readonly name: TableName },
  table: TableId,
  own: readonly string[],
  text: string,
  session: ClientSession,
): Promise<string[]> {
  if (columns === undefined) return [...own];
  const { items, span } = columns;
  const filled = new Set<string>();
  for (const [index, item] of items.entries()) {
    const { name } = readColumn(item, table, own);
    const names = item.matcher
      ? await matched(text.slice(item.matcher.start, startOf(items[index + 1]) ?? span.end - 1), own, session)
      : [name];
    for (const each of names) if (each !== undefined) filled.add(each);
  }
  return [...filled];
}

function startOf(item: InsertColumn | undefined): number | undefined {
  return item?.path[0]?.span.start ?? item?.matcher?.start;
}

/** What `* EXCEPT a` or `COLUMNS('re')` stands for among these columns, as the server reads it. */
async function matched(matcher: string, own: readonly string[], session: ClientSession): Promise<string[]> {
  const columns = own.map((name) => `0 AS ${quoteIdentifier(name)}`).join(', ');
  const rows = await session.query(`DESCRIBE TABLE (SELECT ${matcher.replace(/,\s*$/, '')}\nFROM (SELECT ${columns}))`);
  return rows.map(([name = '']) => name);
}
