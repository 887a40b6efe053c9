import { addedOutboxColumns } from '../../engine/index.ts';
import { ClickHouseException, ERROR_CODES } from '../../errors.ts';
import {
  firstWords,
  insertAt,
  quoteIdentifier,
  replaceSpan,
  sourceOf,
  splice,
  textOf,
  type Edit,
  type InsertColumn,
  type InsertHead,
  type TableName,
} from '../../sql/index.ts';
import { afterDelivery } from '../after-delivery.ts';
import { assertReadable, findInSession, type Outboxes, type PreparedOutbox, type StatementContext, type TableId } from '../context.ts';
import { insertPrivilege, mayWrite } from '../grants.ts';
import { filledColumns, readColumn } from '../insert-columns.ts';
import { outboxInPlaceOf, shownAs, withoutAddedColumns } from '../outbox-names.ts';
import { refuseNotYet } from '../refusals.ts';
import type { Action, ClientSession } from '../types.ts';
import { insertOfNothing, sendSelected } from './insert-selected.ts';
import { select as answerSelect } from './select.ts';

/** INSERT into a Kafka table writes to its outbox. One from a Kafka table fails like the SELECT in it. */
export async function insert(head: InsertHead, context: StatementContext): Promise<Action> {
  const { text } = context;
  const source = sourceOf(text, head);
  const withClause = head.withClause === undefined ? '' : textOf(text, head.withClause);
  const select = source?.kind === 'select' ? withClause + text.slice(source.start) : undefined;
  const read: Action = select === undefined ? { kind: 'forward' } : await answerSelect(select, context);
  if (read.kind !== 'forward' || head.name === undefined) return read;
  await assertReadable(head.name, context);
  const table = await findInSession(head.name, context);
  if (table === undefined) return read;
  const { outboxes } = context.options;
  if (outboxes === undefined) return refuseNotYet('INSERT into a Kafka table is');
  return insertIntoOutbox({ ...head, name: head.name }, table, { outboxes, select }, context);
}

type NamedHead = InsertHead & { readonly name: TableName };

async function insertIntoOutbox(
  head: NamedHead,
  table: TableId,
  { outboxes, select }: { readonly outboxes: Outboxes; readonly select: string | undefined },
  context: StatementContext,
): Promise<Action> {
  const { text, session, options } = context;
  // The server refuses in its own words, and nothing is made for somebody who may not write.
  if (!(await mayInsert(head, table, { text, session, options }))) return { kind: 'forward' };
  const outbox = await outboxes.prepare(table);
  const sent = select === undefined ? undefined : await sendAtOnce(head, table, { outboxes, outbox, select }, context);
  if (sent !== undefined) return sent;
  const isAwaited = select !== undefined || !isFireAndForget(head, session);
  const byItself = isAwaited ? insertedByItself(head, text) : undefined;
  const length = byItself?.at ?? endOfList(head);
  const from = text.slice(0, length);
  const edits = [
    replaceSpan(head.name.span, outboxInPlaceOf(head.name, outbox)),
    ...listEdits(head, table, outbox, text),
    ...(byItself === undefined ? [] : [insertAt(byItself.at, byItself.clause)]),
  ];
  const start = splice(from, edits);
  return {
    kind: 'replace',
    length,
    start,
    ...(isAwaited && { after: afterDelivery(outboxes, table, outbox.since) }),
    shownColumns: withoutAddedColumns(new Set(outbox.columns)),
    shownException: shownAs({ ...table, uuid: options.catalog.find(table.database, table.table)?.uuid }, { from, to: start }),
  };
}

/** Where the rows need no outbox, it has happened when this resolves, and only the answer is left. */
async function sendAtOnce(
  head: NamedHead,
  table: TableId,
  { outboxes, outbox, select }: { readonly outboxes: Outboxes; readonly outbox: PreparedOutbox; readonly select: string },
  { text, session, options }: StatementContext,
): Promise<Action | undefined> {
  const columns = options.catalog.find(table.database, table.table)?.written.columns ?? [];
  const [first] = columns;
  if (first === undefined || head.settings !== undefined || outbox.takesSelected !== true) return undefined;
  const names = columns.map(({ name }) => name);
  const filled = await filledColumns(head, table, names, text, session);
  const items = head.columns?.items;
  // The server has something against a column that is named twice, and finds out itself what a matcher stands for.
  if (items?.some(({ matcher }) => matcher !== undefined) === true || (items ?? filled).length !== filled.length) return undefined;
  const ofNothing = insertOfNothing(outbox, first);
  const rows = await sendSelected({ columns, filled, select }, { since: outbox.since, ofNothing }, session, outboxes);
  return rows === undefined ? undefined : { kind: 'run', sql: ofNothing, rowsBeside: rows };
}

/** Asks for the columns that the INSERT fills: of the table for its own, of the outbox for what a row says of its message, too. */
async function mayInsert(head: NamedHead, table: TableId, { text, session, options }: StatementContext): Promise<boolean> {
  const own = options.catalog.find(table.database, table.table)?.written;
  if (own === undefined) return true;
  try {
    const filled = await filledColumns(
      head,
      table,
      own.columns.map(({ name }) => name),
      text,
      session,
    );
    const declared = filled.filter((name) => own.names.includes(name));
    const asked = declared.length === 0 ? own.names : declared;
    return await mayWrite(table, insertPrivilege(asked), session, insertPrivilege(filled));
  } catch (error) {
    // Whatever the server says to a matcher, it says to the client's own statement as well.
    if (error instanceof ClickHouseException && error.code !== ERROR_CODES.ACCESS_DENIED) return false;
    throw error;
  }
}

/** What the column list must say so that the outbox's columns are those of the table. */
function listEdits(head: NamedHead, table: TableId, outbox: PreparedOutbox, text: string): Edit[] {
  const { columns, name, rest = text.length } = head;
  if (columns !== undefined) return columns.items.flatMap((item) => columnEdits(item, table, outbox));
  // Brackets that are not read here are a SELECT, or a list that the server may read or not.
  if (text.startsWith('(', rest) && !BEGINS_A_SELECT.has(firstWords(text.slice(rest), 1).words[0] ?? '')) return [];
  return [insertAt(name.span.end, ` (${outbox.columns.map(quoteIdentifier).join(', ')})`)];
}

const BEGINS_A_SELECT: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'FROM', 'EXPLAIN']);

function columnEdits(item: InsertColumn, table: TableId, outbox: PreparedOutbox): Edit[] {
  const { qualifier } = readColumn(item, table, outbox.columns);
  return [
    ...(qualifier === undefined ? [] : [replaceSpan(qualifier.span, quoteIdentifier(outbox.table))]),
    ...(item.matcher === undefined ? [] : [insertAt(item.matcher.end, withoutAdded(outbox))]),
  ];
}

/** What a matcher must leave out. */
function withoutAdded({ columns }: PreparedOutbox): string {
  return ` EXCEPT (${addedOutboxColumns(new Set(columns)).map(quoteIdentifier).join(', ')})`;
}

function endOfList({ columns, name }: NamedHead): number {
  return columns?.span.end ?? name.span.end;
}

/**
 * What makes the server insert the data at once: else it would put them into one part with other clients' (`async_insert`, which newer ones do by default), under one of
 * their tokens, and whoever waits could not be told what became of his own. Undefined where nothing can be added, or has to be.
 */
function insertedByItself(head: NamedHead, text: string): { readonly at: number; readonly clause: string } | undefined {
  const { settings, rest = text.length } = head;
  const next = firstWords(text.slice(settings?.span.end ?? rest), 1).words[0] ?? '';
  if (next !== 'VALUES' && next !== 'FORMAT') return undefined;
  return settings === undefined
    ? { at: endOfList(head), clause: ' SETTINGS async_insert = 0' }
    : { at: settings.span.end, clause: ', async_insert = 0' };
}

/** The client does not wait for its rows to be in the outbox, let alone in Kafka. A profile may say so, too, which is not known here. */
function isFireAndForget({ settings }: InsertHead, session: ClientSession): boolean {
  const valueOf = (name: string): string | undefined => {
    const own = settings?.assignments.findLast((assignment) => assignment.name === name)?.value;
    return own === undefined ? session.setting(name) : own.kind === 'string' ? own.value : own.text === '' ? '1' : own.text;
  };
  return isOff(valueOf('wait_for_async_insert')) && !isOff(valueOf('async_insert'));
}

function isOff(value: string | undefined): boolean {
  return value === '0' || value?.toLowerCase() === 'false';
}
