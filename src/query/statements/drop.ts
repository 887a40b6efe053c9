import { outboxName } from '../../engine/index.ts';
import {
  quoteIdentifierIfNeeded,
  quoteString,
  type AttachTable,
  type DropTables,
  type RenameTables,
  type TableName,
  type TruncateTables,
} from '../../sql/index.ts';
import { beforeDrop, beforeDropOfDatabase } from '../before-drop.ts';
import {
  findInSession,
  findLanding,
  forwardAndReconcile,
  printedObject,
  withoutParameters,
  type StatementContext,
  type TableId,
} from '../context.ts';
import { requireGrants, shownName } from '../grants.ts';
import { refuse } from '../refusals.ts';
import { forwardViewChange } from './create-materialized-view.ts';
import type { Action } from '../types.ts';

/** The definition is part of the landing table: the server's own DROP, DETACH, ATTACH, RENAME and EXCHANGE carry it along. */
export async function dropOrMove(statement: DropTables | AttachTable | RenameTables, context: StatementContext): Promise<Action> {
  if (statement.kind !== 'drop') return forwardAndReconcile(context);
  if (statement.temporary) return { kind: 'forward' };
  if (statement.verb === 'TRUNCATE' && statement.object === 'TABLE') return truncate(statement.names, context);
  await beforeRowsGo(statement, context);
  return (await isAnyManaged(statement.names, context))
    ? forwardAndReconcile(context)
    : forwardViewChange(context, neededToDrop(statement), 'nothing');
}

async function truncate(names: readonly TableName[], context: StatementContext): Promise<Action> {
  for (const name of names) {
    const table = await findLanding(name, context);
    if (table !== undefined) return refuseTruncate(table, [], context);
  }
  return { kind: 'forward' };
}

function neededToDrop({ verb, object, names }: DropTables): string[] {
  return names.flatMap((name) => {
    const printed = printedObject(name);
    if (verb === 'UNDROP') return [`UNDROP TABLE ON ${printed}`];
    if (object !== 'DATABASE') return [`DROP VIEW ON ${printed}`, `DROP TABLE ON ${printed}`];
    return [`DROP DATABASE ON ${printed === '*.*' ? printed : `${printed}.*`}`];
  });
}

/** One Kafka table among them, and the server truncates none. It would truncate the outbox as well. */
export async function truncateTables({ database, filter }: TruncateTables, context: StatementContext): Promise<Action> {
  const { session, options } = context;
  const { table: at } = await withoutParameters(database, session);
  await options.catalog.refresh();
  for (const table of [...options.catalog.tables(), ...options.catalog.unreadable()]) {
    if (table.database !== at || !(await isAnyLike([table.table, outboxName(table.table)], filter, context))) continue;
    return refuseTruncate(table, [`DROP DATABASE ON ${quoteIdentifierIfNeeded(at)}.*`], context);
  }
  return { kind: 'forward' };
}

async function isAnyLike(names: readonly string[], filter: string, { session }: StatementContext): Promise<boolean> {
  if (filter === '') return true;
  const [[isLike] = []] = await session.query(`SELECT ${names.map((name) => `${quoteString(name)} ${filter}`).join(' OR ')}`);
  return isLike === '1' || isLike === 'true';
}

/** What the server asks for comes first. */
async function refuseTruncate(table: TableId, grants: readonly string[], { session }: StatementContext): Promise<Action> {
  await requireGrants([...grants, `TRUNCATE ON ${shownName(table)}`], session);
  return refuse('NOT_IMPLEMENTED', 'Truncate is not supported by storage Kafka');
}

/** What is detached comes back with its rows; what is dropped, or a database that is emptied, does not. */
async function beforeRowsGo({ verb, object, names }: DropTables, context: StatementContext): Promise<void> {
  if (object === 'DATABASE' && (verb === 'DROP' || verb === 'TRUNCATE')) {
    for (const name of names) await beforeDropOfDatabase((await withoutParameters(name, context.session)).table, context);
  } else if (verb === 'DROP') {
    await beforeDrop(names, context, findInSession);
  }
}

async function isAnyManaged(names: readonly TableName[], context: StatementContext): Promise<boolean> {
  for (const name of names) if (await findInSession(name, context)) return true;
  return false;
}
