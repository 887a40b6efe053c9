import type { ServiceClient } from '../clickhouse/index.ts';
import { DEFINITION_PREFIX, nameBehindOutbox, OUTBOX_COMMENT_PREFIX, outboxName, readOutboxComment } from '../engine/index.ts';
import { quoteString } from '../sql/index.ts';
import { readMergeTreeDefaults, type MergeTreeDefaults } from './merge-tree-settings.ts';
import type { Outbox } from './types.ts';

/** A table or view of the server, as far as the catalog needs it. */
export interface ServerTable {
  readonly database: string;
  readonly name: string;
  readonly uuid: string;
  readonly engine: string;
  /** What the server prints behind `ENGINE =`. */
  readonly engineFull: string;
  readonly comment: string;
  /** `database` and `name` of the materialized views that the server feeds from this table. */
  readonly views: readonly TableId[];
  /** Of a materialized view: its SELECT and where it writes to. */
  readonly select: string;
  readonly target?: TableId;
}

export interface TableId {
  readonly database: string;
  readonly name: string;
}

/** The table as the key of a map. */
export function keyOf({ database, name }: TableId): string {
  return JSON.stringify([database, name]);
}

export interface ServerColumn {
  readonly database: string;
  readonly table: string;
  readonly name: string;
  readonly type: string;
  /** '', DEFAULT, MATERIALIZED, EPHEMERAL or ALIAS. */
  readonly defaultKind: string;
  readonly defaultExpression: string;
}

/** Columns of tables, by `keyOf` their table, in their order. */
export type ColumnsByTable = ReadonlyMap<string, readonly ServerColumn[]>;

/** Tables that are outboxes, and the names of outboxes that materialized views write to, whether they exist or not. */
export interface FoundOutboxes {
  readonly outboxes: readonly Outbox[];
  readonly targets: readonly TableId[];
}

interface TableRow {
  readonly database: string;
  readonly name: string;
  readonly uuid: string;
  readonly engine: string;
  readonly engine_full: string;
  readonly comment: string;
  readonly dependencies_database: readonly string[];
  readonly dependencies_table: readonly string[];
  readonly as_select: string;
  readonly create_table_query: string;
  readonly target_database?: string;
  readonly target_table?: string;
}

/** Reads the server's system tables with the service account. Every method throws what the client throws. */
export interface Store {
  /** All tables whose comment is a definition. */
  readManagedTables(): Promise<ServerTable[]>;
  /** Those of `ids` that exist. */
  readTables(ids: readonly TableId[]): Promise<ServerTable[]>;
  /** Columns of these tables. */
  readColumns(ids: readonly TableId[]): Promise<ColumnsByTable>;
  readOutboxes(): Promise<FoundOutboxes>;
  /** The answer of EXPLAIN AST, line by line. */
  explainAst(select: string): Promise<string>;
  mergeTreeDefaults(): Promise<MergeTreeDefaults>;
}

export function createStore(client: Pick<ServiceClient, 'rows'>): Store {
  let targetColumns: Promise<string> | undefined;
  const readRows = async (condition: string): Promise<ServerTable[]> => {
    targetColumns ??= readTargetColumns(client);
    targetColumns.catch(() => (targetColumns = undefined));
    const columns = `database, name, toString(uuid) AS uuid, engine, engine_full, comment, dependencies_database, dependencies_table, as_select, create_table_query${await targetColumns}`;
    const rows = await client.rows<TableRow>(`SELECT ${columns} FROM system.tables WHERE ${condition}`);
    return rows.map(serverTable);
  };
  return {
    readManagedTables: async () =>
      readRows(`engine = 'Null' AND startsWith(comment, ${quoteString(DEFINITION_PREFIX)}) ORDER BY database, name`),
    readTables: async (ids) => (ids.length === 0 ? [] : readRows(isOneOf(ids, 'name'))),
    readOutboxes: async () => foundOutboxes(await readRows(OUTBOXES_AND_THEIR_VIEWS)),
    mergeTreeDefaults: async () => readMergeTreeDefaults(client),
    readColumns: async (ids) => (ids.length === 0 ? new Map() : readColumns(client, ids)),
    explainAst: async (select) => {
      const rows = await client.rows<Record<string, string>>(`SELECT * FROM (EXPLAIN AST ${select}\n)`);
      return rows.map((row) => Object.values(row)[0] ?? '').join('\n');
    },
  };
}

/** A view's statement is looked at only when it can name an outbox. */
const OUTBOXES_AND_THEIR_VIEWS =
  `(startsWith(name, ${quoteString(outboxName(''))}) AND startsWith(comment, ${quoteString(OUTBOX_COMMENT_PREFIX)})) ` +
  `OR (engine = 'MaterializedView' AND position(create_table_query, ${quoteString(outboxName(''))}) > 0) ORDER BY database, name`;

function foundOutboxes(tables: readonly ServerTable[]): FoundOutboxes {
  return {
    outboxes: tables
      .filter(({ engine }) => engine !== 'MaterializedView')
      .map(({ database, name, uuid, comment }) => ({ database, name, uuid, ...readOutboxComment(comment) })),
    targets: tables.flatMap(({ engine, target }) =>
      engine === 'MaterializedView' && target !== undefined && nameBehindOutbox(target.name) !== undefined ? [target] : [],
    ),
  };
}

/** Servers before 26 do not tell a view's target; `targetOf` reads it from the statement then. */
async function readTargetColumns(client: Pick<ServiceClient, 'rows'>): Promise<string> {
  const found = await client.rows(
    "SELECT name FROM system.columns WHERE database = 'system' AND table = 'tables' AND name IN ('target_database', 'target_table')",
  );
  return found.length === 2 ? ', target_database, target_table' : '';
}

/** Conditions on the single columns let the server skip other tables before it builds their rows. */
function isOneOf(ids: readonly TableId[], nameColumn: 'name' | 'table'): string {
  const databases = [...new Set(ids.map(({ database }) => database))].map(quoteString).join(', ');
  const names = [...new Set(ids.map(({ name }) => name))].map(quoteString).join(', ');
  const pairs = ids.map(({ database, name }) => `(${quoteString(database)}, ${quoteString(name)})`).join(', ');
  return `database IN (${databases}) AND ${nameColumn} IN (${names}) AND (database, ${nameColumn}) IN (${pairs})`;
}

async function readColumns(client: Pick<ServiceClient, 'rows'>, ids: readonly TableId[]): Promise<ColumnsByTable> {
  const columns = await client.rows<ServerColumn>(
    'SELECT database, table, name, type, default_kind AS defaultKind, default_expression AS defaultExpression ' +
      `FROM system.columns WHERE ${isOneOf(ids, 'table')} ORDER BY database, table, position`,
  );
  const byTable = new Map<string, ServerColumn[]>();
  for (const column of columns) {
    const key = keyOf({ database: column.database, name: column.table });
    const known = byTable.get(key);
    if (known === undefined) byTable.set(key, [column]);
    else known.push(column);
  }
  return byTable;
}

function serverTable(row: TableRow): ServerTable {
  const views = row.dependencies_table.map((name, index) => ({ database: row.dependencies_database[index] ?? row.database, name }));
  const target = row.engine === 'MaterializedView' ? targetOf(row) : undefined;
  const { database, name, uuid, engine, engine_full: engineFull, comment, as_select: select } = row;
  return { database, name, uuid, engine, engineFull, comment, views, select, ...(target && { target }) };
}

const IDENTIFIER = '(?:`(?:[^`\\\\]|\\\\.)*`|[A-Za-z_][A-Za-z0-9_]*)';
const TO_TARGET = new RegExp(`^CREATE MATERIALIZED VIEW .*? TO (${IDENTIFIER})\\.(${IDENTIFIER})[ (]`, 's');

function targetOf(row: TableRow): TableId {
  if (row.target_table !== undefined && row.target_table !== '')
    return { database: row.target_database ?? row.database, name: row.target_table };
  const head = row.create_table_query.slice(0, row.create_table_query.indexOf(' AS '));
  const [, database, name] = TO_TARGET.exec(`${head} `) ?? [];
  if (database !== undefined && name !== undefined) return { database: unquote(database), name: unquote(name) };
  return { database: row.database, name: `.inner_id.${row.uuid}` };
}

function unquote(identifier: string): string {
  return identifier.startsWith('`') ? identifier.slice(1, -1).replace(/\\(.)/gs, '$1') : identifier;
}
