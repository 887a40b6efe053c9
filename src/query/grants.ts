import { randomBytes } from 'node:crypto';
import { outboxName } from '../engine/index.ts';
import { ClickHouseException, clickhouseError, ERROR_CODES } from '../errors.ts';
import { quoteIdentifier, quoteIdentifierIfNeeded, type CreateTable } from '../sql/index.ts';
import { printedName, type TableId } from './context.ts';
import type { ClientSession } from './types.ts';

/*
 * What the server (26.7) asks for statements on a Kafka table, in its order. It looks at grants before anything else in the statement. `TABLE ENGINE ON Kafka` is
 * implied by `READ, WRITE ON KAFKA` together (`KAFKA ON *.*` in older words), not by one of them, and asked whatever `table_engines_require_grant` says: off
 * means that engines which reach nothing outside (Null, MergeTree) need no grant. `CHECK GRANT` knows all of that, roles included.
 *
 *   CREATE, ATTACH with a definition    CREATE TABLE ON t, TABLE ENGINE ON Kafka; the same when t exists, and with IF NOT EXISTS
 *   CREATE OR REPLACE, REPLACE          DROP TABLE ON t, then as CREATE; then SELECT, DROP TABLE ON its temporary name and INSERT, CREATE TABLE ON t
 *   CREATE … AS q                       as CREATE, SHOW COLUMNS ON q
 *   CREATE … AS SELECT                  as CREATE, INSERT ON t (not with EMPTY), what the SELECT needs (not with EMPTY and a column list)
 *   ATTACH TABLE t                      CREATE TABLE ON t, TABLE ENGINE ON the engine that is in the metadata
 *   DROP, DETACH                        DROP TABLE ON t; of a view DROP VIEW, of a database (also to truncate it) DROP DATABASE ON d.*
 *   RENAME, EXCHANGE                    SELECT, DROP TABLE ON the old name; CREATE TABLE, INSERT ON the new one; EXCHANGE both ways
 *   SHOW CREATE, DESCRIBE               SHOW COLUMNS ON t; EXISTS: SHOW TABLES, which any grant on t implies
 *   ALTER MODIFY COMMENT, COMMENT COLUMN  ALTER MODIFY COMMENT ON t, ALTER COMMENT COLUMN(c) ON t (MODIFY COLUMN c COMMENT: ALTER MODIFY COLUMN(c))
 *   ALTER MODIFY QUERY                  ALTER VIEW MODIFY QUERY ON v, whether there is such a view or not, SELECT on what it reads
 *   INSERT                              INSERT(columns) ON t, without a list those that it fills; a column that does not exist is told first
 *   SELECT                              SELECT(columns) ON t
 *   CREATE MATERIALIZED VIEW v TO t     CREATE VIEW ON v, SELECT, INSERT ON t (no single columns), SELECT on what it reads; DEFINER = other: SET DEFINER;
 *                                       with OR REPLACE also DROP VIEW ON v
 *
 * READ and WRITE ON KAFKA are asked of nobody who reads from a table, or writes to one.
 */

/** Whether the server would let the client do all of it: `privilege ON object, …`. */
export async function isGranted(grants: readonly string[], session: ClientSession): Promise<boolean> {
  const [[granted] = []] = await session.query(`CHECK GRANT ${grants.join(', ')}`);
  return granted === '1';
}

/** Throws the server's refusal for the first of the privileges that the client lacks. */
export async function requireGrants(grants: readonly string[], session: ClientSession): Promise<void> {
  for (const grant of grants) {
    if (await isGranted([grant], session)) continue;
    const [[user = ''] = []] = await session.query('SELECT currentUser()');
    const needed = `it's necessary to have the grant ${grant}${await missingOf(grant, session)}`;
    throw clickhouseError('ACCESS_DENIED', `${user}: Not enough privileges. To execute this query, ${needed}`);
  }
}

/** The server names what is missing where the client has some of the privileges. */
async function missingOf(grant: string, session: ClientSession): Promise<string> {
  const [, privileges = '', object = ''] = /^(.*) ON (.*)$/s.exec(grant) ?? [];
  const each = privileges.split(/, (?![^(]*\))/);
  const missing: string[] = [];
  for (const privilege of each) if (!(await isGranted([`${privilege} ON ${object}`], session))) missing.push(privilege);
  return missing.length === each.length ? '' : `. (Missing permissions: ${missing.join(', ')} ON ${object})`;
}

/** As the server's exceptions show a name. */
export function shownName({ database, table }: TableId): string {
  return `${quoteIdentifierIfNeeded(database)}.${quoteIdentifierIfNeeded(table)}`;
}

/** Throws the server's refusal unless the client may make this Kafka table. */
export async function requireToMake(create: CreateTable, table: TableId, session: ClientSession): Promise<void> {
  const [needed, moved] = [neededToCreate(create, table), neededToReplace(create, table)];
  if (await isGranted([...needed, ...moved], session)) return;
  if (!(await isGranted(needed, session))) await askServer(create, table, session);
  await requireGrants(moved, session);
}

/** A landing table is `ENGINE = Null`, which somebody who may make Kafka tables need not be granted. */
export async function mayMakeLanding(session: ClientSession): Promise<boolean> {
  return isGranted(['TABLE ENGINE ON `Null`'], session);
}

/** Throws the server's refusal unless the client may write to all columns of a table that is about to be made. */
export async function requireToFill(table: TableId, { elements }: CreateTable, session: ClientSession): Promise<void> {
  const columns = (elements?.items ?? []).flatMap((item) => (item.kind === 'column' ? [item.name] : []));
  if (await mayWrite(table, insertPrivilege(columns), session)) return;
  const seesColumns = await isGranted([`SHOW COLUMNS ON ${printedName(table)}`], session);
  await requireGrants(
    [`INSERT${seesColumns ? `(${columns.map(quoteIdentifierIfNeeded).join(', ')})` : ''} ON ${shownName(table)}`],
    session,
  );
}

/** INSERT into these columns, as a GRANT says it. */
export function insertPrivilege(columns: readonly string[]): string {
  return `INSERT(${columns.map(quoteIdentifier).join(', ')})`;
}

/**
 * Whether the client has the privilege on the table and on its outbox, where its statement writes. False when it lacks it on the table: the server refuses that
 * in its own words. Throws when it lacks it on the outbox alone: the server's words would name a table that the client has never heard of.
 */
export async function mayWrite(table: TableId, privilege: string, session: ClientSession, onOutbox = privilege): Promise<boolean> {
  const outbox = { ...table, table: outboxName(table.table) };
  const needed = `${privilege} ON ${printedName(table)}`;
  if (await isGranted([needed, `${onOutbox} ON ${printedName(outbox)}`], session)) return true;
  if (!(await isGranted([needed], session))) return false;
  throw clickhouseError(
    'ACCESS_DENIED',
    `Not enough privileges. What is written to the Kafka table ${table.database}.${table.table} goes by way of its outbox: ` +
      `it's necessary to have the grant ${withoutColumns(onOutbox)} ON ${printedName(outbox)} as well`,
  );
}

function withoutColumns(privilege: string): string {
  return privilege.replace(/\(.*\)$/, '');
}

function neededToCreate(create: CreateTable, table: TableId): string[] {
  const name = printedName(table);
  return [...(replaces(create) ? [`DROP TABLE ON ${name}`] : []), `CREATE TABLE ON ${name}`, 'TABLE ENGINE ON Kafka'];
}

/** The server makes the new table under a temporary name and moves it. It refuses that when the table is made, and would leave a landing table behind. */
function neededToReplace(create: CreateTable, { database, table }: TableId): string[] {
  if (!replaces(create)) return [];
  const temporary = `_tmp_replace_${randomBytes(8).toString('hex')}_${randomBytes(8).toString('hex')}`;
  return [
    `SELECT, DROP TABLE ON ${shownName({ database, table: temporary })}`,
    `INSERT, CREATE TABLE ON ${shownName({ database, table })}`,
  ];
}

/** Whether the statement puts its table in the place of another. */
export function replaces({ verb }: CreateTable): boolean {
  return verb === 'REPLACE' || verb === 'CREATE OR REPLACE';
}

/** Throws what the server has against the client's making this table, in its own words, as far as it is about grants, read-only mode, quotas and the like. */
export async function askServer(create: CreateTable, table: TableId, session: ClientSession): Promise<void> {
  try {
    await session.query(withoutBrokers(create, table));
  } catch (error) {
    if (!(error instanceof ClickHouseException) || !FOUND_BEHIND_GRANTS.has(error.code)) throw error;
  }
}

/** What is wrong with any statement without brokers, or with the table's name. */
const FOUND_BEHIND_GRANTS: ReadonlySet<number> = new Set(
  (['NUMBER_OF_ARGUMENTS_DOESNT_MATCH', 'UNKNOWN_TABLE', 'TABLE_ALREADY_EXISTS', 'UNKNOWN_DATABASE'] as const).map(
    (name) => ERROR_CODES[name],
  ),
);

/** A statement that needs the grants of `create` and makes nothing: the engine wants brokers, but the server looks at that last. */
export function withoutBrokers(create: CreateTable, table: TableId): string {
  return `${replaces(create) ? 'CREATE OR REPLACE' : 'CREATE'} TABLE ${printedName(table)} (a UInt8) ENGINE = Kafka()`;
}
