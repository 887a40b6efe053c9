import type { TableCommand } from '../../sql/index.ts';
import { databaseOf, readLanding, type StatementContext } from '../context.ts';
import { refuse } from '../refusals.ts';
import type { Action } from '../types.ts';

/** OPTIMIZE, CHECK, DELETE and UPDATE: the real engine has none of them. */
export async function tableCommand({ kind, name }: TableCommand, { session }: StatementContext): Promise<Action> {
  if ((await readLanding(name, session)) === undefined) return { kind: 'forward' };
  switch (kind) {
    case 'optimize':
      return refuse('NOT_IMPLEMENTED', 'Method optimize is not supported by storage Kafka');
    case 'check':
      return refuse('NOT_IMPLEMENTED', 'Check query is not supported for Kafka storage');
    case 'delete':
      return refuse('BAD_ARGUMENTS', `DELETE query is not supported for table ${await databaseOf(name, session)}.${name.table}`);
    case 'update': {
      const text = "Lightweight updates are not supported. Table with engine Kafka doesn't support lightweight updates";
      return refuse('NOT_IMPLEMENTED', text);
    }
  }
}
