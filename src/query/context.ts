import type { Catalog, UnreadableTable } from '../catalog/index.ts';
import { ClickHouseException, clickhouseError, ERROR_CODES } from '../errors.ts';
import { isDefinition, type KafkaTableOptions, type SecretKeys, type Sources } from '../engine/index.ts';
import type { Logger } from '../logger.ts';
import type { OutboxMark, PreparedOutbox, RowsSelect } from '../producing/index.ts';
import { parseStatement, quoteIdentifier, quoteString, type TableName } from '../sql/index.ts';
import type { Action, AfterSuccess, ClientSession } from './types.ts';

export type { OutboxMark, PreparedOutbox, RowsSelect };

export interface TableId {
  readonly database: string;
  readonly table: string;
}

/** A message that a Kafka table could not read. Bytes as the dead-letter table has them. */
export interface DeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface DeadLetters {
  /** Name of their table, as SQL. */
  readonly table: string;
  /** Inserts letters as rows of the table they were meant for; answers each one's error, undefined for those that are in. Throws when the table does not stream. */
  replay(table: TableId, letters: readonly DeadLetter[]): Promise<(string | undefined)[]>;
  /** Removes letters of that table. */
  remove(table: TableId, letters: readonly DeadLetter[]): Promise<void>;
}

/** Writing to Kafka tables: rows wait in a table's outbox until they are sent. */
export interface Outboxes {
  /**
   * Makes sure that the table can be written to and that its outbox exists. Throws the ClickHouseException that the INSERT or CREATE must be
   * answered with.
   */
  prepare(table: TableId): Promise<PreparedOutbox>;
  /**
   * Resolves when Kafka has acknowledged everything that is in the outbox at the call (at once when the table does not wait); throws a ClickHouseException
   * (time-out: the rows are queued; or why they cannot be sent). Nobody waits for it any more when `signal` is aborted: then it ends soon, in any way.
   * `since`: of the INSERT's `PreparedOutbox`; what was inserted before it is waited for as well, but its failures are others', as are those of
   * other queries where `queryId` is known.
   */
  delivered(table: TableId, signal?: AbortSignal, since?: OutboxMark, queryId?: string): Promise<void>;
  /**
   * Sends selected rows without the detour by the outbox, in one transaction, behind what was inserted before. Resolves to their number when they are in Kafka, to undefined
   * when none is and none will be: then the INSERT must take its usual way. Throws a ClickHouseException when neither can be found out. `since`: of the `PreparedOutbox`.
   */
  sendSelected(since: OutboxMark, select: RowsSelect, gone: AbortSignal): Promise<number | undefined>;
  /**
   * Before a table is dropped or replaced: waits for what is undelivered, or throws a ClickHouseException that says how many rows there are and what to
   * do; resolves at once when the table says they may be dropped.
   */
  beforeDrop(table: TableId): Promise<void>;
}

/** Each may be called more than once, in any order; what is not ended ends by itself after a minute. */
export interface ViewChange {
  /** The statement is over, and whether the view was made is not known: INSERTs go on, with every virtual column. */
  readonly resume: () => void;
  /** The catalog knows what became of the view: everything is as before. */
  readonly end: () => void;
}

export interface DispatcherOptions {
  readonly catalog: Pick<Catalog, 'names' | 'find' | 'tables' | 'unreadable' | 'refresh'>;
  /** Reads the catalog again and starts, stops or changes streams. Never rejects. */
  readonly reconcile: () => Promise<void>;
  /**
   * Called before a view on these tables is made or changed: its first rows must carry every virtual column, and nothing is inserted meanwhile. Never rejects.
   */
  readonly prepareForViewChange?: (tables: readonly TableId[]) => Promise<ViewChange>;
  /**
   * Whether dead letters can be kept: asked when a table with kafka_handle_error_mode = 'dead_letter_queue' is made; true when their table exists or was
   * made now. Absent: they cannot.
   */
  readonly deadLetterTable?: () => Promise<boolean>;
  /** Absent: Kafka tables cannot be written to. */
  readonly outboxes?: Outboxes;
  /** What SYSTEM REPLAY DEAD LETTERS works with. */
  readonly deadLetters?: DeadLetters;
  /** Payloads of the topics that a table would read, to infer its columns from. Throws a sentence when the brokers cannot be asked. Absent: columns must be named. */
  readonly sampleTopics?: (
    table: KafkaTableOptions,
  ) => Promise<{ readonly payloads: readonly Buffer[]; readonly missing: readonly string[] }>;
  /** Where Kafka tables get settings from that their statements do not give. Absent: from nowhere. */
  readonly sources?: Sources;
  /**
   * Runs a statement with the gateway's own credentials, for a client that may do what it stands for and not the statement itself (`landing-maker.ts`). Throws
   * a ClickHouseException. Absent: nothing is done for such clients.
   */
  readonly asServiceAccount?: (sql: string, settings: Readonly<Record<string, string>>) => Promise<void>;
  /** The comment of a table as the service account sees it; undefined when there is no such table. Absent: only what the client may see is known. */
  readonly commentOf?: (table: TableId) => Promise<string | undefined>;
  /**
   * Goes to the brokers and the schema registry as the table would; throws the ClickHouseException that CREATE must be answered with. When `gone` is
   * aborted nobody waits for it any more: then it ends soon, in any way. Absent: nothing is checked.
   */
  readonly checkConnection?: (table: TableId & { readonly options: KafkaTableOptions }, gone: AbortSignal) => Promise<void>;
  /** Seal and sign definitions; without a current one statements with secrets are refused. */
  readonly secretKeys: SecretKeys;
  readonly logger: Logger;
}

/** What the statements' files get: the statement's text, who asks, and the gateway behind. */
export interface StatementContext {
  readonly text: string;
  readonly session: ClientSession;
  readonly options: DispatcherOptions;
}

/** Sends the client's own statement on, and looks at the tables again once it succeeded. */
export function forwardAndReconcile({ options }: StatementContext): Action {
  return { kind: 'forward', after: reconcileOf(options) };
}

export function reconcileOf({ reconcile }: DispatcherOptions): AfterSuccess {
  return async () => reconcile();
}

/** The database of a name as the client means it; asks the server only when the name has none, or a query parameter. */
export async function databaseOf(name: TableName, session: ClientSession): Promise<string> {
  const { database } = await withoutParameters(name, session);
  if (database !== undefined) return database;
  const [[current = ''] = []] = await session.query('SELECT currentDatabase()');
  return current;
}

/** The name with what its query parameters stand for: only the server knows. Throws what the server says to one that has no value. */
export async function withoutParameters(name: TableName, session: ClientSession): Promise<TableName> {
  if (name.hasParameter !== true) return name;
  const { table, database, span } = name;
  const parts = database === undefined ? [table] : [table, database];
  const texts = parts.map((part) => (isParameter(part) ? part.replace(/Identifier\}$/, 'String}') : quoteString(part)));
  const [[itsTable = '', itsDatabase] = []] = await session.query(`SELECT ${texts.join(', ')}`);
  return { ...(itsDatabase !== undefined && { database: itsDatabase }), table: itsTable, span };
}

/** Where a table of that name is, if any table of the catalog is called so: then the server may be asked for the current database. */
async function locate(name: TableName, { options, session }: StatementContext): Promise<TableId | undefined> {
  const { database, table } = await withoutParameters(name, session);
  if (!options.catalog.names().has(table)) return undefined;
  return { database: database ?? (await databaseOf(name, session)), table };
}

/** The catalog's entry for a name that stands for no temporary table (of CREATE, RENAME, a view's target), or undefined. */
export async function findManaged(name: TableName, context: StatementContext): Promise<TableId | undefined> {
  const at = await locate(name, context);
  return at && context.options.catalog.find(at.database, at.table);
}

/** The same for a name by which the server finds a temporary table of the session first, as INSERT, SELECT and DROP do. */
export async function findInSession(name: TableName, context: StatementContext): Promise<TableId | undefined> {
  const table = await findManaged(name, context);
  return table === undefined || (await isTemporary(name, context.session)) ? undefined : table;
}

async function isTemporary(name: TableName, session: ClientSession): Promise<boolean> {
  if (name.database !== undefined || !session.mayHaveTemporaryTables) return false;
  const [[exists] = []] = await session.query(`EXISTS TEMPORARY TABLE ${printedName(name)}`);
  return exists === '1';
}

/** Throws when the table of that name says that it is a Kafka table and must not be run as one: what it was asked for cannot be done by its landing table. */
export async function assertReadable(name: TableName, context: StatementContext): Promise<void> {
  if (context.options.catalog.unreadable().length === 0) return;
  const at = await locate(name, context);
  const found = at && findUnreadable(at, context);
  if (found !== undefined && !(await isTemporary(name, context.session)))
    throw clickhouseError(
      'SUPPORT_IS_DISABLED',
      `${found.database}.${found.table} is no Kafka table that the gateway can run: ${found.reason}`,
    );
}

function findUnreadable({ database, table }: TableId, { options }: StatementContext): UnreadableTable | undefined {
  return options.catalog.unreadable().find((one) => one.database === database && one.table === table);
}

/** A landing table as the server describes it to the client now. */
export interface LandingRead extends TableId {
  /** The answer of SHOW CREATE TABLE. */
  readonly statement: string;
  /** The comment with the definition. */
  readonly comment: string;
}

/**
 * The landing table of that name, read from the server and not from the catalog: another gateway may have made it a moment ago, and a
 * detached one is not in the catalog. Undefined when there is no such table, it is not ours (a temporary table comes first), or the client may not see it.
 */
export async function readLanding(name: TableName, session: ClientSession): Promise<LandingRead | undefined> {
  const statement = await readCreate(name, session);
  return statement === undefined ? undefined : landingIn(statement);
}

/**
 * The same for statements that change the table, also when the client may not see it: then the catalog says whether it is one, and there is no `comment`. It must not be
 * taken for a table of somebody else's, since its landing table would do what a Kafka table cannot do.
 */
export async function findLanding(
  name: TableName,
  context: StatementContext,
): Promise<(TableId & Pick<Partial<LandingRead>, 'comment'>) | undefined> {
  try {
    const statement = await askCreate(name, context.session);
    return statement === undefined ? undefined : landingIn(statement);
  } catch (error) {
    if (!isDenied(error)) throw error;
    await context.options.catalog.refresh();
    const at = await locate(name, context);
    const isOurs = at && (context.options.catalog.find(at.database, at.table) ?? findUnreadable(at, context)) !== undefined;
    return isOurs === true ? at : undefined;
  }
}

/** The server's own answer to SHOW CREATE TABLE; undefined when there is no such table or view, or the client may not see it. */
export async function readCreate(name: TableName, session: ClientSession): Promise<string | undefined> {
  try {
    return await askCreate(name, session);
  } catch (error) {
    // Whatever the server says to this, it says to the client's own statement as well.
    if (isDenied(error)) return undefined;
    throw error;
  }
}

async function askCreate(name: TableName, session: ClientSession): Promise<string | undefined> {
  try {
    const [[statement] = []] = await session.query(`SHOW CREATE TABLE ${printedName(name)}`);
    return statement;
  } catch (error) {
    if (error instanceof ClickHouseException && NO_SUCH_TABLE.has(error.code)) return undefined;
    // Nothing is known of the table then.
    throw error;
  }
}

const NO_SUCH_TABLE: ReadonlySet<number> = new Set(
  (['UNKNOWN_TABLE', 'UNKNOWN_DATABASE', 'CANNOT_GET_CREATE_TABLE_QUERY'] as const).map((name) => ERROR_CODES[name]),
);

function isDenied(error: unknown): boolean {
  return error instanceof ClickHouseException && error.code === ERROR_CODES.ACCESS_DENIED;
}

/** The comment with the definition in a landing table's CREATE TABLE; undefined for any other statement. */
export function definitionIn(statement: string): string | undefined {
  return landingIn(statement)?.comment;
}

function landingIn(statement: string): LandingRead | undefined {
  if (!statement.includes('COMMENT')) return undefined;
  const parsed = parseStatement(statement);
  if (!parsed.ok || parsed.statement.kind !== 'create-table') return undefined;
  const { name, comment } = parsed.statement;
  if (comment === undefined || !isDefinition(comment.value)) return undefined;
  return { database: name.database ?? '', table: name.table, statement, comment: comment.value };
}

/** The name for a helper query, which is sent with the client's query parameters. */
export function printedName({ database, table, hasParameter }: Pick<TableName, 'database' | 'table' | 'hasParameter'>): string {
  const print = (part: string): string => (hasParameter === true && isParameter(part) ? part : quoteIdentifier(part));
  return database === undefined ? print(table) : `${print(database)}.${print(table)}`;
}

/** The name as the object of a privilege, which has no query parameters: what one stands for is not known, so everything. */
export function printedObject(name: TableName): string {
  return name.hasParameter === true ? '*.*' : printedName(name);
}

function isParameter(part: string): boolean {
  return /^\{[^\s{}:]+:Identifier\}$/.test(part);
}

/** A query that gives `rows` of text under these column names, with the client's own FORMAT and SETTINGS (`tail`) behind it. */
export function selectRows(
  columns: readonly { readonly name: string; readonly isNumber?: boolean }[],
  rows: readonly (readonly string[])[],
  tail: string,
): string {
  const tuples = rows.map(
    (row) => `tuple(${row.map((value, index) => (columns[index]?.isNumber ? `toUInt8(${value})` : quoteString(value))).join(', ')})`,
  );
  const names = columns.map(({ name }, index) => `r.${index + 1} AS ${quoteIdentifier(name)}`);
  return `SELECT ${names.join(', ')} FROM (SELECT arrayJoin([${tuples.join(', ')}]) AS r) ${tail}`;
}
