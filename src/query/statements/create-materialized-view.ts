import type { ManagedTable } from '../../catalog/index.ts';
import { clickhouseError } from '../../errors.ts';
import { identifiersIn, insertAt, removeSpan, replaceSpan, splice, textOf, type CreateView, type TableName } from '../../sql/index.ts';
import { noticeOfDelivery } from '../delivery-notice.ts';
import { beforeDrop } from '../before-drop.ts';
import {
  assertReadable,
  databaseOf,
  findLanding,
  findManaged,
  forwardAndReconcile,
  printedObject,
  withoutParameters,
  type StatementContext,
  type TableId,
} from '../context.ts';
import { outboxInPlaceOf, shownAs } from '../outbox-names.ts';
import { isGranted, mayWrite } from '../grants.ts';
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
    ? forwardViewChange(context, neededToMake(statement))
    : createViewToTable({ ...statement, target: statement.target }, table, context);
}

function neededToMake({ name, orReplace }: CreateView): string[] {
  return [`CREATE VIEW${orReplace ? ', DROP VIEW' : ''} ON ${printedObject(name)}`];
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
  statement: CreateView & { readonly target: TableName },
  table: TableId,
  context: StatementContext,
): Promise<Action> {
  const { target, refresh } = statement;
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
  const forwarded = await forwardViewChange({ ...context, text: splice(text, [removeSpan(target.span)]) }, neededToMake(statement));
  return { ...forwarded, kind: 'run', sql, shownException: shownAs({ ...table, uuid }, { from, to }) };
}

/**
 * Sends a statement on that makes, changes or drops a view. The streams of tables that the view may read are told; a table too many does no harm. `needed`: what
 * the server asks for (`privilege ON object`), one of them at least: nobody holds a stream up by a statement that will be refused.
 */
export async function forwardViewChange(
  context: StatementContext,
  needed: readonly string[],
  tells: 'of delivery' | 'nothing' = 'of delivery',
): Promise<Action & { readonly kind: 'forward' }> {
  const { catalog, reconcile, prepareForViewChange } = context.options;
  // The table may have been made a moment ago through another gateway.
  await catalog.refresh();
  const concerned = await tablesOf(context);
  if (concerned.length === 0 || !(await isAnyGranted(needed, context))) return { kind: 'forward', after: reconcile };
  const change = await prepareForViewChange?.(concerned);
  return {
    kind: 'forward',
    after: async () => {
      await reconcile();
      change?.end();
    },
    ...(change && { ended: change.resume }),
    ...(tells === 'of delivery' && { notice: noticeOfDelivery(catalog, concerned) }),
  };
}

async function isAnyGranted(grants: readonly string[], { session }: StatementContext): Promise<boolean> {
  for (const grant of grants) if (await isGranted([grant], session)) return true;
  return false;
}

/** The Kafka tables that the statement names, and those whose rows may come to the view: they themselves or something behind them is named. */
async function tablesOf({ text, options, session }: StatementContext): Promise<ManagedTable[]> {
  const named = identifiersIn(text);
  const candidates = options.catalog
    .tables()
    .filter(({ table, dependents }) => named.has(table) || dependents.some(({ name }) => named.has(name)));
  if (candidates.length === 0) return [];
  const [[current = ''] = []] = await session.query('SELECT currentDatabase()');
  const isMeant = (database: string, name: string): boolean => named.has(name) && (database === current || named.has(database));
  return candidates.filter(
    ({ database, table, dependents }) =>
      isMeant(database, table) || dependents.some((dependent) => isMeant(dependent.database, dependent.name)),
  );
}
