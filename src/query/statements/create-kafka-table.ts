import {
  addedColumns,
  checkKafkaTable,
  engineText,
  landingStatement,
  needsCarriers,
  newCarrierPrefix,
  readDefinition,
  readPublicDefinition,
  settingWithoutLiteral,
  visibleElements,
  withoutSecrets,
  withSecrets,
  writeDefinition,
  type CheckedEngine,
  type Definition,
} from '../../engine/index.ts';
import { ClickHouseException, clickhouseError } from '../../errors.ts';
import { insertAt, parseStatement, quoteIdentifier, quoteString, removeSpan, splice, textOf, type CreateTable } from '../../sql/index.ts';
import { beforeDrop } from '../before-drop.ts';
import {
  databaseOf,
  findManaged,
  forwardAndReconcile,
  printedName,
  readLanding,
  reconcileOf,
  selectRows,
  type OutboxMark,
  type StatementContext,
  type TableId,
} from '../context.ts';
import { noticeOfDelivery } from '../delivery-notice.ts';
import { columnList, inferColumns, isWithoutColumns, NO_COLUMNS, type InferredColumn } from './infer-columns.ts';
import { readsManaged } from '../managed-reads.ts';
import { shownAs } from '../outbox-names.ts';
import { refuseDirectSelect, refuseNotYet } from '../refusals.ts';
import type { Action } from '../types.ts';
import { refuseUnread } from '../unread.ts';

/** CREATE, REPLACE or ATTACH TABLE with a definition: one with ENGINE = Kafka, or AS a Kafka table, becomes a landing table. */
export async function createTable(create: CreateTable, context: StatementContext): Promise<Action> {
  if (create.verb === 'REPLACE' || create.verb === 'CREATE OR REPLACE') await beforeDrop([create.name], context);
  return createAnyTable(create, context);
}

async function createAnyTable(create: CreateTable, context: StatementContext): Promise<Action> {
  const isKafka = create.engine?.name === 'Kafka';
  if (!isKafka && (create.engine !== undefined || create.asTable === undefined)) return createOtherTable(create, context);
  const source = create.asTable && (await readLanding(create.asTable.name, context.session));
  if (!isKafka && source === undefined) return forwardAndReconcile(context);
  const unread = settingWithoutLiteral(create);
  if (unread !== undefined) return refuseUnread(context, unread.value.span.start);
  const unsupported = notYet(create);
  if (unsupported !== undefined) return refuseNotYet(unsupported);
  if (create.asSelect !== undefined) return createAsSelect({ ...create, asSelect: create.asSelect }, context);
  const { text, statement } = create.asTable ? await withExplicitColumns(create, context) : { text: context.text, statement: create };
  return isWithoutColumns(create) ? createWithInferredColumns(create, context) : createKafkaTable(statement, { ...context, text });
}

/** The table is made with the columns that its topic's messages have, and the answer lists them. */
async function createWithInferredColumns(create: CreateTable, context: StatementContext): Promise<Action> {
  const { session, options } = context;
  const database = await databaseOf(create.name, session);
  const own = await serversOwnAnswer(create, database, context);
  if (own !== undefined) return own;
  if (options.sampleTopics === undefined) throw clickhouseError('INCORRECT_QUERY', NO_COLUMNS);
  await requireGrant(create, database, context);
  const checked = await checkKafkaTable(create, database, askedBy(context));
  const columns = await inferColumns(checked, { database, table: create.name.table }, options.sampleTopics, context);
  const { text, statement } = withColumns(create, columns, context);
  const action = await createKafkaTable(statement, { ...context, text });
  if (action.kind !== 'run') return action;
  // The client's statement makes the table and then says what it found, so the table is made here.
  await session.query(action.sql);
  await action.after?.(new AbortController().signal);
  options.logger.info({ table: `${database}.${create.name.table}`, columns: columnList(columns) }, 'columns inferred');
  const [format = ''] = FORMAT_AT_END.exec(context.text) ?? [];
  const answer = selectRows(
    [{ name: 'name' }, { name: 'type' }],
    columns.map(({ name, type }) => [name, type]),
    format.replace(/\s*;\s*$/, ''),
  );
  return { kind: 'run', sql: answer, after: async () => Promise.resolve(), ...(action.notice && { notice: action.notice }) };
}

/** The format of the answer, where the statement says it. */
const FORMAT_AT_END = /\bFORMAT\s+\w+\s*;?\s*$/i;

/** Nobody reads a topic through the gateway who could not make the table. */
async function requireGrant({ name }: CreateTable, database: string, { session }: StatementContext): Promise<void> {
  const table = printedName({ database, table: name.table });
  const [[isGranted] = []] = await session.query(`CHECK GRANT CREATE TABLE ON ${table}`);
  if (isGranted === '1') return;
  const needed = `CREATE TABLE ON ${database}.${name.table}`;
  throw clickhouseError('ACCESS_DENIED', `Not enough privileges. To execute this query, it's necessary to have the grant ${needed}`);
}

/** The same statement with its columns written out, without FORMAT and what stands behind. */
function withColumns(
  create: CreateTable,
  columns: readonly InferredColumn[],
  context: StatementContext,
): { text: string; statement: CreateTable } {
  const head = context.text.slice(0, create.end).replace(FORMAT_AT_END, '');
  const text = splice(head, [insertAt(create.engine?.span.start ?? head.length, `${columnList(columns)} `)]);
  return { text, statement: reread(text) };
}

type CreateAsSelect = CreateTable & Required<Pick<CreateTable, 'asSelect'>>;

/** The table is made, with the SELECT's columns where it names none, then the SELECT's rows are written to it. A table that cannot be filled is dropped, as by the server. */
async function createAsSelect(create: CreateAsSelect, context: StatementContext): Promise<Action> {
  const { session, options } = context;
  const { outboxes } = options;
  if (outboxes === undefined) return refuseNotYet('CREATE TABLE … ENGINE = Kafka … AS SELECT is');
  const { asSelect } = create;
  const select = textOf(context.text, asSelect.query);
  const database = await databaseOf(create.name, session);
  const own = create.ifNotExists ? await serversOwnAnswer(create, database, context) : undefined;
  if (own !== undefined) return own;
  if (asSelect.empty === undefined && (await readsManaged(select, context))) return refuseDirectSelect();
  const { text, statement } = await withoutSelect(create, select, context);
  const action = await createKafkaTable(statement, { ...context, text });
  if (asSelect.empty !== undefined || action.kind !== 'run') return action;
  const table = { database, table: create.name.table };
  await session.query(action.sql);
  await action.after?.(new AbortController().signal);
  let since: OutboxMark | undefined;
  try {
    const outbox = await outboxes.prepare(table);
    since = outbox.since;
    await session.query(`INSERT INTO ${printedName(outbox)} (${outbox.columns.map(quoteIdentifier).join(', ')}) ${select}`);
  } catch (error) {
    await session.query(`DROP TABLE ${printedName(table)}`);
    await options.reconcile();
    if (!(error instanceof ClickHouseException)) throw error;
    return { kind: 'refuse', exception: shownExceptionAs(table, error) };
  }
  return {
    kind: 'run',
    sql: 'SELECT 1 FORMAT Null',
    after: async (signal) => outboxes.delivered(table, signal, since),
    ...(action.notice && { notice: action.notice }),
  };
}

function shownExceptionAs({ table }: TableId, { code, exceptionName, text }: ClickHouseException): ClickHouseException {
  return new ClickHouseException(code, exceptionName, shownAs({ table }, { from: '', to: '' })(text));
}

/** The same statement with a column list and without the SELECT. */
async function withoutSelect(
  { asSelect, elements, engine }: CreateAsSelect,
  select: string,
  { text, session }: StatementContext,
): Promise<{ text: string; statement: CreateTable }> {
  const edits = [removeSpan(asSelect.span)];
  if (asSelect.empty !== undefined) edits.push(removeSpan(asSelect.empty));
  if (elements === undefined) {
    const rows = await session.query(`DESCRIBE TABLE (${select}\n)`);
    const columns = rows.map(([name = '', type = '']) => ({ name, type: type.replace(/\s*\n\s*/g, ' ') }));
    edits.push(insertAt(engine?.span.start ?? asSelect.span.start, `${columnList(columns)} `));
  }
  const changed = splice(text, edits);
  return { text: changed, statement: reread(changed) };
}

async function createOtherTable(create: CreateTable, context: StatementContext): Promise<Action> {
  const { asSelect, asTable } = create;
  // The landing table has columns that a copy of the Kafka table must not get.
  if (asTable && (await findManaged(asTable.name, context)) !== undefined) {
    const { text } = await withExplicitColumns(create, context);
    return { kind: 'run', sql: text, after: reconcileOf(context.options) };
  }
  if (asSelect && !asSelect.empty && (await readsManaged(textOf(context.text, asSelect.query), context))) return refuseDirectSelect();
  // Nothing that lasts can depend on a temporary table.
  return create.temporary ? { kind: 'forward' } : forwardAndReconcile(context);
}

/** Each is a door for a later issue. */
function notYet(create: CreateTable): string | undefined {
  if (create.temporary) return 'TEMPORARY tables with ENGINE = Kafka are';
  if (create.asTableFunction !== undefined) return 'CREATE TABLE … AS a table function with ENGINE = Kafka is';
  if (create.name.hasParameter) return 'A query parameter in the name of a Kafka table is';
  return undefined;
}

async function createKafkaTable(create: CreateTable, context: StatementContext): Promise<Action> {
  const { text, session, options } = context;
  const database = await databaseOf(create.name, session);
  try {
    const checked = await checkKafkaTable(create, database, askedBy(context));
    const { ownSettings, settings, collection } = checked;
    const carrierPrefix = needsCarriers(create) ? newCarrierPrefix() : undefined;
    const added = addedColumns(create.name.table, settings, ownNames(create), carrierPrefix);
    const known = {
      settings: ownSettings,
      added: added.map(({ name }) => name),
      ...(collection !== undefined && { collection }),
      ...(carrierPrefix !== undefined && { carrierPrefix }),
    };
    const definition = await definitionComment(create, checked, known, context);
    const sql = landingStatement(text, create, { definition, added, querySettings: checked.querySettings });
    return {
      kind: 'run',
      sql,
      after: reconcileOf(options),
      notice: noticeOfDelivery(options.catalog, [{ database, table: create.name.table }]),
    };
  } catch (error) {
    if (!(error instanceof ClickHouseException)) throw error;
    return (await serversOwnAnswer(create, database, context)) ?? { kind: 'refuse', exception: error };
  }
}

async function definitionComment(
  create: CreateTable,
  checked: CheckedEngine,
  known: Pick<Definition, 'settings' | 'collection' | 'added' | 'carrierPrefix'>,
  { text, session, options }: StatementContext,
): Promise<string> {
  const definition = {
    ...known,
    statement: withoutSecrets(text, create),
    engine: await engineText(create, checked.argumentTexts, checked.querySettings, session.query.bind(session)),
    comment: create.comment?.value ?? '',
  };
  return writeDefinition(definition, options.secretKey);
}

/** Whom the engine's checks ask. */
function askedBy({ session, options }: StatementContext): Parameters<typeof checkKafkaTable>[2] {
  return { ask: session.query.bind(session), deadLetterTable: options.deadLetterTable, sources: options.sources };
}

function ownNames({ elements }: CreateTable): Set<string> {
  return new Set((elements?.items ?? []).flatMap((item) => (item.kind === 'column' ? [item.name] : [])));
}

/** The server looks for database and table before it looks at the engine: then its answer comes first, whatever is wrong with the engine. */
async function serversOwnAnswer(create: CreateTable, database: string, { session }: StatementContext): Promise<Action | undefined> {
  if (create.cluster !== undefined) return undefined;
  const [[databases = '0', tables = '0'] = []] = await session.query(
    `SELECT (SELECT count() FROM system.databases WHERE name = ${quoteString(database)}), ` +
      `(SELECT count() FROM system.tables WHERE database = ${quoteString(database)} AND name = ${quoteString(create.name.table)})`,
  );
  if (databases === '0') return { kind: 'refuse', exception: clickhouseError('UNKNOWN_DATABASE', `Database ${database} does not exist`) };
  if (tables === '0' || create.verb !== 'CREATE') return undefined;
  if (create.ifNotExists) return { kind: 'run', sql: 'SELECT 1 FORMAT Null' };
  return { kind: 'refuse', exception: clickhouseError('TABLE_ALREADY_EXISTS', `Table ${database}.${create.name.table} already exists`) };
}

/**
 * The same statement with the columns of the table behind AS written out, and with that table's engine and comment when it is a Kafka
 * table and the statement names no engine (as the server copies them, the consumer group included).
 */
async function withExplicitColumns(create: CreateTable, context: StatementContext): Promise<{ text: string; statement: CreateTable }> {
  const { asTable } = create;
  if (asTable === undefined) throw new TypeError('the statement has no AS');
  if (asTable.clone) throw clickhouseError('SUPPORT_IS_DISABLED', 'Only support CLONE AS from tables of the MergeTree family');
  const [[shown = ''] = []] = await context.session.query(`SHOW CREATE TABLE ${printedName(asTable.name)}`);
  const copied = readPublicDefinition(commentOf(shown));
  const source = visibleElements(shown, copied);
  if (source === undefined)
    throw clickhouseError('NOT_IMPLEMENTED', 'CREATE TABLE … AS with ENGINE = Kafka is not supported yet by the gateway for this source');
  const engine = create.engine === undefined ? copiedEngine(shown, context) : '';
  const { start } = asTable.span;
  const text = splice(context.text, [{ start, end: asTable.name.span.end, text: `(${source.columnTexts.join(', ')})${engine}` }]);
  return { text, statement: reread(text) };
}

/** A statement whose columns were written out. */
function reread(text: string): CreateTable {
  const parsed = parseStatement(text);
  if (!parsed.ok || parsed.statement.kind !== 'create-table')
    throw new TypeError('a statement with its columns written out cannot be read');
  return parsed.statement;
}

function commentOf(statement: string): string {
  const parsed = parseStatement(statement);
  return parsed.ok && parsed.statement.kind === 'create-table' ? (parsed.statement.comment?.value ?? '') : '';
}

function copiedEngine(shown: string, { options }: StatementContext): string {
  const read = readDefinition(commentOf(shown), options.secretKey);
  if (!read.ok) throw clickhouseError('SUPPORT_IS_DISABLED', `The table cannot be copied: ${read.reason}`);
  const { definition, secrets } = read;
  return ` ${withSecrets(definition.engine, secrets)}${definition.comment === '' ? '' : ` COMMENT ${quoteString(definition.comment)}`}`;
}
