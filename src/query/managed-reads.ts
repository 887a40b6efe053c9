import { ClickHouseException } from '../errors.ts';
import { mentionsIdentifier, readExplainAst, readViewQuery, withoutOutput, type ViewQuery } from '../sql/index.ts';
import { assertReadable, findInSession, type StatementContext } from './context.ts';
import type { ClientSession } from './types.ts';

/**
 * Does `select` read a managed table by its name? The server's parser decides, so that a column, an alias, a string or a table of
 * another database is not taken for one. In doubt the answer is no, and the statement goes to the server: a landing table holds no rows,
 * so the worst answer is an empty one. Tables read through views and Merge tables are not seen.
 */
export async function readsManaged(select: string, context: StatementContext): Promise<boolean> {
  const { session } = context;
  const { catalog } = context.options;
  if (!mentionsIdentifier(select, catalog.names())) return false;
  const query = await readQuery(select, session);
  for (const { database, table } of query?.tables ?? []) {
    if (!catalog.names().has(table) || (database === undefined && (isSubqueryName(table, select) || session.brings(table)))) continue;
    const name = { ...(database !== undefined && { database }), table, span: { start: 0, end: 0 } };
    await assertReadable(name, context);
    if ((await findInSession(name, context)) !== undefined) return true;
  }
  return false;
}

async function readQuery(select: string, session: ClientSession): Promise<ViewQuery | undefined> {
  try {
    const rows = await session.query(`EXPLAIN AST ${withoutOutput(select)}`);
    return readExplainAst(rows.map(([line = '']) => line).join('\n'));
  } catch (error) {
    // A query parameter, for example, whose value only the client's own request carries.
    if (error instanceof ClickHouseException) return readViewQuery(select);
    throw error;
  }
}

/** `WITH q AS (SELECT …)`: the tree does not tell it from a table. */
function isSubqueryName(name: string, select: string): boolean {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?<![\\w.])[\`"]?${escaped}[\`"]?\\s+AS\\s*(?:MATERIALIZED\\s*)?\\(`, 'i').test(select);
}
