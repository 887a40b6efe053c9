import { readPublicDefinition, showCreateText } from '../../engine/index.ts';
import type { ShowTable } from '../../sql/index.ts';
import { readLanding, selectRows, type StatementContext } from '../context.ts';
import type { Action } from '../types.ts';

/** SHOW CREATE TABLE of a managed table answers as if the real engine ran it. */
export async function showCreate(statement: ShowTable, { session }: StatementContext): Promise<Action> {
  if (statement.temporary || statement.object !== 'TABLE') return { kind: 'forward' };
  const landing = await readLanding(statement.name, session);
  const definition = landing && readPublicDefinition(landing.comment);
  const text = landing && definition && showCreateText(landing.statement, definition);
  return text === undefined ? { kind: 'forward' } : { kind: 'run', sql: selectRows([{ name: 'statement' }], [[text]], statement.tail) };
}
