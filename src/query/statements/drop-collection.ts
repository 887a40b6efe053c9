import { quoteIdentifier, type DropCollection } from '../../sql/index.ts';
import { forwardAndReconcile, type StatementContext } from '../context.ts';
import { refuse } from '../refusals.ts';
import type { Action } from '../types.ts';

/** The server does not drop a collection that one of its tables uses, and does not know that a landing table does. */
export async function dropCollection({ name }: DropCollection, context: StatementContext): Promise<Action> {
  const { options, session } = context;
  await options.catalog.refresh();
  const users = options.catalog.tables().filter(({ collection }) => collection === name);
  if (users.length === 0) return forwardAndReconcile(context);
  const [[isGranted] = []] = await session.query(`CHECK GRANT DROP NAMED COLLECTION ON ${quoteIdentifier(name)}`);
  if (isGranted !== '1') return forwardAndReconcile(context);
  const tables = users.map(({ database, table }) => `${database}.${table}`).join(', ');
  return refuse('NAMED_COLLECTION_IS_USED', `Named collection \`${name}\` is used by tables: ${tables}`);
}
