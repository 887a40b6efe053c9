import { mentionsIdentifier, textOf, type CreateView } from '../../sql/index.ts';
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

/** Sends a statement on that makes or changes a view. The streams of tables that the view may read are told; a table too many does no harm. */
export async function forwardViewChange(context: StatementContext): Promise<Action> {
  const { catalog, reconcile } = context.options;
  // The table may have been made a moment ago through another gateway.
  await catalog.refresh();
  const done = await prepareForViews(context);
  const after = async (): Promise<void> => {
    await reconcile();
    done();
  };
  return { kind: 'forward', after };
}

async function prepareForViews({ text, options, session }: StatementContext): Promise<() => void> {
  const named = options.catalog.tables().filter(({ table }) => mentionsIdentifier(text, new Set([table])));
  if (named.length === 0 || options.prepareForViewChange === undefined) return () => undefined;
  const [[current = ''] = []] = await session.query('SELECT currentDatabase()');
  const read = named.filter(({ database }) => database === current || mentionsIdentifier(text, new Set([database])));
  return read.length > 0 ? options.prepareForViewChange(read) : () => undefined;
}
