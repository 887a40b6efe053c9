import type { TableCommand } from '../../sql/index.ts';
import { databaseOf, readLanding, type StatementContext } from '../context.ts';
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
export async function tableCommand({ kind, name }: TableCommand, { session }: StatementContext): Promise<Action> {
  if ((await readLanding(name, session)) === undefined) return { kind: 'forward' };
  const privilege = PRIVILEGES[kind];
  const table = { database: await databaseOf(name, session), table: name.table };
  if (privilege !== undefined) await requireGrants([`${privilege} ON ${shownName(table)}`], session);
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
