import type { InsertHead, TableName } from '../../sql/index.ts';
import { insertSource } from '../classify.ts';
import { findManaged, readLanding, type StatementContext } from '../context.ts';
import { refuseNotYet } from '../refusals.ts';
import type { Action } from '../types.ts';
import { select } from './select.ts';

/** INSERT into a managed table is refused: a landing table would swallow the rows. An INSERT from one fails like the SELECT in it. */
export async function insert({ name }: InsertHead, context: StatementContext): Promise<Action> {
  // The door for producing: rows for a Kafka table.
  if (name && (await isManaged(name, context))) return refuseNotYet('INSERT into a Kafka table is');
  const source = context.text.slice(name?.span.end ?? 0);
  const start = source.search(/\b(?:SELECT|WITH)\b/i);
  return insertSource(source) === 'select' && start >= 0 ? select(source.slice(start), context) : { kind: 'forward' };
}

/** The catalog knows names, not query parameters: what they stand for is asked of the server. */
async function isManaged(name: TableName, context: StatementContext): Promise<boolean> {
  const table = name.hasParameter ? await readLanding(name, context.session) : await findManaged(name, context);
  return table !== undefined;
}
