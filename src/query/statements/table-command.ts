import type { TableCommand } from '../../sql/index.ts';
import { findLanding, type StatementContext } from '../context.ts';
import { requireGrants, shownName } from '../grants.ts';
import { refuse } from '../refusals.ts';
import type { Action } from '../types.ts';

/** What the server asks for before it looks at the engine. */
const PRIVILEGES: Readonly<Partial<Record<TableCommand['kind'], string>>> = {
  optimize: 'OPTIMIZE',
  delete: 'ALTER DELETE',
  update: 'ALTER UPDATE',
};

/** OPTIMIZE, CHECK, DELETE and UPDATE: the real engine has none of them. */
export async function tableCommand({ kind, name }: TableCommand, context: StatementContext): Promise<Action> {
  const table = await findLanding(name, context);
  if (table === undefined) return { kind: 'forward' };
  const privilege = PRIVILEGES[kind];
  if (privilege !== undefined) await requireGrants([`${privilege} ON ${shownName(table)}`], context.session);
  switch (kind) {
    case 'optimize':
      return refuse('NOT_IMPLEMENTED', 'Method optimize is not supported by storage Kafka');
    case 'check':
      return refuse('NOT_IMPLEMENTED', 'Check query is not supported for Kafka storage');
    case 'delete':
      return refuse('BAD_ARGUMENTS', `DELETE query is not supported for table ${table.database}.${table.table}`);
    case 'update': {
      const text = "Lightweight updates are not supported. Table with engine Kafka doesn't support lightweight updates";
      return refuse('NOT_IMPLEMENTED', text);
    }
  }
}
