import { mentionsIdentifier, mentionsParallelWith, sourceOf, type ParseResult } from '../sql/index.ts';
import type { StatementContext, TableId } from './context.ts';
import { shownName } from './grants.ts';
import { refuseNotYet } from './refusals.ts';
import type { Action, ClientSession } from './types.ts';

/**
 * `a PARALLEL WITH b` is several statements in one, of which the grammar reads one at most. Refuses them when any may be about a managed table; undefined: nothing to
 * refuse.
 */
export async function refuseParallel(parsed: ParseResult, context: StatementContext): Promise<Action | undefined> {
  const { text, options } = context;
  if (!mentionsParallelWith(text) || holdsData(parsed, text)) return undefined;
  await options.catalog.refresh();
  const table = await namedTable(context);
  return table && refuseNotYet(`PARALLEL WITH and a Kafka table (${shownName(table)}) in one statement are`);
}

/** What stands in the data of an INSERT says nothing. */
function holdsData(parsed: ParseResult, text: string): boolean {
  if (!parsed.ok || parsed.statement.kind !== 'insert') return false;
  return sourceOf(text, parsed.statement)?.kind !== 'select';
}

async function namedTable({ text, session, options }: StatementContext): Promise<TableId | undefined> {
  const values = await parameterValues(text, session);
  const isNamed = (name: string): boolean => values.has(name) || mentionsIdentifier(text, new Set([name]));
  // DROP DATABASE, TRUNCATE TABLES FROM
  const isAboutDatabases = /\b(?:DATABASE|TABLES)\b/i.test(text);
  const tables = [...options.catalog.tables(), ...options.catalog.unreadable()];
  const candidates = tables.filter(({ database, table }) => isNamed(table) || (isAboutDatabases && isNamed(database)));
  if (candidates.length === 0) return undefined;
  const [[current] = []] = await session.query('SELECT currentDatabase()');
  return candidates.find(({ database }) => database === current || isNamed(database));
}

/** What the names stand for that are query parameters. */
async function parameterValues(text: string, session: ClientSession): Promise<ReadonlySet<string>> {
  const names = [...text.matchAll(/\{\s*([\w$]+)\s*:\s*Identifier\s*\}/g)].map(([, name = '']) => name);
  if (names.length === 0) return new Set();
  const [values = []] = await session.query(`SELECT ${names.map((name) => `{${name}:String}`).join(', ')}`);
  return new Set(values);
}
