import { ClickHouseException, clickhouseError, ERROR_CODES } from '../errors.ts';
import { parseStatement, quoteString, replaceSpan, splice, textOf, type CreateTable } from '../sql/index.ts';
import { printedName, type StatementContext, type TableId } from './context.ts';
import { askServer, requireGrants } from './grants.ts';
import type { ClientSession } from './types.ts';

/** Settings that decide what the columns of a new table may be. The service account's own would decide otherwise. */
const OF_COLUMNS = '^((allow_suspicious|allow_experimental|enable)_\\w+_types?|flatten_nested|data_type_default_nullable)$';

/** Whether the request itself, and not the user's profile, says that nothing may be changed. */
export function forbidsChanges(session: ClientSession): boolean {
  const isOn = (name: string): boolean => session.setting(name) !== undefined && session.setting(name) !== '0';
  return isOn('readonly') || session.setting('allow_ddl') === '0';
}

/**
 * Makes a landing table with the service account, for a client that may make Kafka tables and not `ENGINE = Null`: `landing` is the statement, made of the
 * client's `create`. All that the client has a say in is names and types of columns, and the server has looked at these under the client's own credentials
 * before; a statement that says more is refused with the way out.
 */
export async function makeByServiceAccount(
  landing: string,
  create: CreateTable,
  table: TableId,
  { text, session, options }: StatementContext,
): Promise<void> {
  requirePlainColumns(create, table);
  if (create.cluster !== undefined) await requireGrants(['CLUSTER ON *.*'], session);
  await askServer(create, table, session);
  const settings = await columnSettings(session);
  await checkColumns(create, text, settings, session);
  if (options.asServiceAccount === undefined) throw clickhouseError('ACCESS_DENIED', needsNull(table, 'nobody else makes it'));
  try {
    await options.asServiceAccount(withFullName(landing, table), settings);
  } catch (error) {
    if (!(error instanceof ClickHouseException) || error.code !== ERROR_CODES.ACCESS_DENIED) throw error;
    throw clickhouseError('ACCESS_DENIED', needsNull(table, `the gateway's account may not make it either (${error.text})`), {
      cause: error,
    });
  }
}

/** Expressions are evaluated when the table is made: nobody's but the client's rights must count for that. */
function requirePlainColumns({ elements }: CreateTable, table: TableId): void {
  const other = elements?.items.find((item) => item.kind !== 'column' || item.defaultKind !== undefined || item.hasTtl);
  if (other === undefined) return;
  const what = other.kind === 'column' ? `column ${other.name}` : other.kind;
  throw clickhouseError('ACCESS_DENIED', needsNull(table, `its ${what} holds an expression (which a view could compute as well)`));
}

function needsNull({ database, table }: TableId, why: string): string {
  return (
    `Not enough privileges. The Kafka table ${database}.${table} cannot be made for a user without the grant TABLE ENGINE ON \`Null\`, because ${why}: ` +
    'grant it'
  );
}

/** What the client sets of `OF_COLUMNS`, in its profile, its session or its request. */
async function columnSettings(session: ClientSession): Promise<Record<string, string>> {
  const rows = await session.query(
    `SELECT name, value, toString(changed) FROM system.settings WHERE match(name, ${quoteString(OF_COLUMNS)})`,
  );
  return Object.fromEntries(
    rows.flatMap(([name = '', value = '', changed]) => {
      const own = session.setting(name) ?? (changed === '1' ? value : undefined);
      return own === undefined ? [] : [[name, own]];
    }),
  );
}

/** Throws what the server has against the columns under the client's credentials and settings. */
async function checkColumns(
  create: CreateTable,
  text: string,
  settings: Readonly<Record<string, string>>,
  session: ClientSession,
): Promise<void> {
  const structure = (create.elements?.items ?? []).map(({ span }) => textOf(text, span)).join(', ');
  const written = create.settings
    .filter(({ scope }) => scope === 'query')
    .map(({ span }) => textOf(text, span).replace(/^SETTINGS\s+/i, ''));
  const assignments = [...Object.entries(settings).map(([name, value]) => `${name} = ${quoteString(value)}`), ...written];
  const clause = assignments.length === 0 ? '' : ` SETTINGS ${assignments.join(', ')}`;
  await session.query(`DESCRIBE TABLE null(${quoteString(structure)})${clause}`);
}

/** The current database of the service account is another one. */
function withFullName(landing: string, table: TableId): string {
  const parsed = parseStatement(landing);
  if (!parsed.ok || parsed.statement.kind !== 'create-table') throw new TypeError('a landing statement cannot be read');
  const { name, end } = parsed.statement;
  return splice(landing.slice(0, end), [replaceSpan(name.span, printedName(table))]);
}

/** Drops a table that was just made and could not be filled, whoever made it. With IF NOT EXISTS somebody else may have made it: then the client's rights alone count. */
export async function dropUnfilled({ ifNotExists }: CreateTable, table: TableId, { session, options }: StatementContext): Promise<void> {
  const sql = `DROP TABLE ${printedName(table)}`;
  try {
    await session.run(sql);
  } catch (error) {
    if (!(error instanceof ClickHouseException) || options.asServiceAccount === undefined || ifNotExists) throw error;
    await options.asServiceAccount(sql, {});
  }
}
