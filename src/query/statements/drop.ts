import type { AttachTable, DropTables, RenameTables, TableName } from '../../sql/index.ts';
import { beforeDrop, beforeDropOfDatabase } from '../before-drop.ts';
import { databaseOf, findManaged, forwardAndReconcile, printedObject, readLanding, type StatementContext } from '../context.ts';
import { requireGrants, shownName } from '../grants.ts';
import { refuse } from '../refusals.ts';
import { forwardViewChange } from './create-materialized-view.ts';
import type { Action } from '../types.ts';

/** The definition is part of the landing table: the server's own DROP, DETACH, ATTACH, RENAME and EXCHANGE carry it along. */
export async function dropOrMove(statement: DropTables | AttachTable | RenameTables, context: StatementContext): Promise<Action> {
  const isTruncate = statement.kind === 'drop' && statement.verb === 'TRUNCATE' && statement.object === 'TABLE';
  if (statement.kind === 'drop' && !isTruncate) await beforeRowsGo(statement, context);
  if (statement.kind === 'drop' && !isTruncate && !(await isAnyManaged(statement.names, context)))
    return forwardViewChange(context, neededToDrop(statement), 'nothing');
  if (!isTruncate) return forwardAndReconcile(context);
  for (const name of statement.names) {
    if ((await readLanding(name, context.session)) === undefined) continue;
    const table = { database: await databaseOf(name, context.session), table: name.table };
    await requireGrants([`TRUNCATE ON ${shownName(table)}`], context.session);
    return refuse('NOT_IMPLEMENTED', 'Truncate is not supported by storage Kafka');
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

/** What is detached comes back with its rows; what is dropped, or a database that is emptied, does not. */
async function beforeRowsGo({ verb, object, names }: DropTables, context: StatementContext): Promise<void> {
  if (object === 'DATABASE' && (verb === 'DROP' || verb === 'TRUNCATE')) {
    for (const { table: database } of names) await beforeDropOfDatabase(database, context);
  } else if (verb === 'DROP') {
    await beforeDrop(names, context);
  }
}

async function isAnyManaged(names: readonly TableName[], context: StatementContext): Promise<boolean> {
  for (const name of names) if (await findManaged(name, context)) return true;
  return false;
}
