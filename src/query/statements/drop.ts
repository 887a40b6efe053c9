import type { AttachTable, DropTables, RenameTables } from '../../sql/index.ts';
import { forwardAndReconcile, readLanding, type StatementContext } from '../context.ts';
import { refuse } from '../refusals.ts';
import type { Action } from '../types.ts';

/** The definition is part of the landing table: the server's own DROP, DETACH, ATTACH, RENAME and EXCHANGE carry it along. */
export async function dropOrMove(statement: DropTables | AttachTable | RenameTables, context: StatementContext): Promise<Action> {
  const isTruncate = statement.kind === 'drop' && statement.verb === 'TRUNCATE' && statement.object === 'TABLE';
  if (!isTruncate) return forwardAndReconcile(context);
  for (const name of statement.names) {
    if (await readLanding(name, context.session)) return refuse('NOT_IMPLEMENTED', 'Truncate is not supported by storage Kafka');
  }
  return { kind: 'forward' };
}
