import type { ManagedTable } from '../../catalog/index.ts';
import { mentionsIdentifier, textOf, type CreateView } from '../../sql/index.ts';
import { noticeOfDelivery } from '../delivery-notice.ts';
import { findManaged, forwardAndReconcile, type StatementContext } from '../context.ts';
import { readsManaged } from '../managed-reads.ts';
import { refuseDirectSelect, refuseNotYet } from '../refusals.ts';
import type { Action } from '../types.ts';

/** The server creates views on landing tables by itself; the streams learn of them before (what rows must carry) and after. */
export async function createView(statement: CreateView, context: StatementContext): Promise<Action> {
  if (!statement.materialized) return forwardAndReconcile(context);
  // The door for producing: a view that writes to a Kafka table.
  if (statement.target && (await findManaged(statement.target, context)))
    return refuseNotYet('Materialized views that write TO a Kafka table are');
  if (statement.populate && (await readsManaged(textOf(context.text, statement.select), context))) return refuseDirectSelect();
  return forwardViewChange(context);
}

/** Sends a statement on that makes, changes or drops a view. The streams of tables that the view may read are told; a table too many does no harm. */
export async function forwardViewChange(context: StatementContext, tells: 'of delivery' | 'nothing' = 'of delivery'): Promise<Action> {
  const { catalog, reconcile, prepareForViewChange } = context.options;
  // The table may have been made a moment ago through another gateway.
  await catalog.refresh();
  const concerned = await tablesOf(context);
  const done = concerned.length > 0 && prepareForViewChange !== undefined ? await prepareForViewChange(concerned) : () => undefined;
  const after = async (): Promise<void> => {
    await reconcile();
    done();
  };
  return {
    kind: 'forward',
    after,
    ...(concerned.length > 0 && tells === 'of delivery' && { notice: noticeOfDelivery(catalog, concerned) }),
  };
}

/** The Kafka tables that the statement names, and those whose rows may come to the view: they themselves or something behind them is named. */
async function tablesOf({ text, options, session }: StatementContext): Promise<ManagedTable[]> {
  const isNamed = (name: string): boolean => mentionsIdentifier(text, new Set([name]));
  const tables = options.catalog.tables();
  const candidates = tables.filter(({ table, dependents }) => isNamed(table) || dependents.some(({ name }) => isNamed(name)));
  if (candidates.length === 0) return [];
  const [[current = ''] = []] = await session.query('SELECT currentDatabase()');
  const isMeant = (database: string, name: string): boolean => isNamed(name) && (database === current || isNamed(database));
  return candidates.filter(
    ({ database, table, dependents }) =>
      isMeant(database, table) || dependents.some((dependent) => isMeant(dependent.database, dependent.name)),
  );
}
