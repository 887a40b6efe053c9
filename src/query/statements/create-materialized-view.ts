import type { ManagedTable } from '../../catalog/index.ts';
import { clickhouseError } from '../../errors.ts';
import { insertAt, mentionsIdentifier, removeSpan, replaceSpan, splice, textOf, type CreateView, type TableName } from '../../sql/index.ts';
import { noticeOfDelivery } from '../delivery-notice.ts';
import { beforeDrop } from '../before-drop.ts';
import {
  assertReadable,
  databaseOf,
  findLanding,
  findManaged,
  forwardAndReconcile,
  withoutParameters,
  type StatementContext,
  type TableId,
} from '../context.ts';
import { outboxInPlaceOf, shownAs } from '../outbox-names.ts';
import { mayWrite } from '../grants.ts';
import { readsManaged } from '../managed-reads.ts';
import { refuseDirectSelect, refuseNotYet } from '../refusals.ts';
import type { Action } from '../types.ts';

/** The server creates views on landing tables by itself; the streams learn of them before (what rows must carry) and after. */
export async function createView(statement: CreateView, context: StatementContext): Promise<Action> {
  if (statement.orReplace) await beforeDrop([statement.name], context);
  if (!statement.materialized) return forwardAndReconcile(context);
  if (statement.populate && (await readsManaged(textOf(context.text, statement.select), context))) return refuseDirectSelect();
  const table = statement.target && (await findTarget(statement.target, context));
  return table === undefined || statement.target === undefined
    ? forwardViewChange(context)
    : createViewToTable({ ...statement, target: statement.target }, table, context);
}

/** The Kafka table that a view writes to. One that was made a moment ago through another gateway is not in the catalog yet. */
async function findTarget(target: TableName, context: StatementContext): Promise<TableId | undefined> {
  const known = await findManaged(target, context);
  if (known !== undefined) return known;
  // With its database, so that no temporary table is read in its place.
  const full = { ...(await withoutParameters(target, context.session)), database: await databaseOf(target, context.session) };
  if ((await findLanding(full, context)) === undefined) return undefined;
  await context.options.catalog.refresh();
  await assertReadable(full, context);
  const found = await findManaged(full, context);
  if (found === undefined)
    throw clickhouseError('ABORTED', `The gateway has not read the Kafka table ${full.database}.${full.table} yet: try again`);
  return found;
}

/** The view writes to the table's outbox. */
async function createViewToTable(
  { target, refresh }: CreateView & { readonly target: TableName },
  table: TableId,
  context: StatementContext,
): Promise<Action> {
  const { text, session, options } = context;
  if (options.outboxes === undefined) return refuseNotYet('Materialized views that write TO a Kafka table are');
  if (!(await mayWrite(table, 'SELECT, INSERT', session))) return { kind: 'forward' };
  const outbox = await options.outboxes.prepare(table);
  const edits = [replaceSpan(target.span, outboxInPlaceOf(target, outbox))];
  // Without APPEND a refresh would put a new table in the outbox's place, and throw away what is not sent yet.
  if (refresh?.appends === false) edits.push(insertAt(refresh.span.end, ' APPEND'));
  const sql = splice(text, edits);
  const from = text.slice(0, target.span.end);
  const to = sql.slice(0, sql.length - (text.length - target.span.end));
  const uuid = options.catalog.find(table.database, table.table)?.uuid;
  // Of what the view reads, its own target is no part.
  const { after, notice } = await forwardViewChange({ ...context, text: splice(text, [removeSpan(target.span)]) });
  return {
    kind: 'run',
    sql,
    ...(after && { after }),
    ...(notice && { notice }),
    shownException: shownAs({ ...table, uuid }, { from, to }),
  };
}

/** Sends a statement on that makes, changes or drops a view. The streams of tables that the view may read are told; a table too many does no harm. */
export async function forwardViewChange(
  context: StatementContext,
  tells: 'of delivery' | 'nothing' = 'of delivery',
): Promise<Action & { readonly kind: 'forward' }> {
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
