import {
  addedColumns,
  checkKafkaTable,
  engineText,
  isLandingWith,
  landingStatement,
  needsCarriers,
  querySetting,
  newCarrierPrefix,
  readDefinition,
  readPublicDefinition,
  SECRET_SETTINGS,
  settingWithoutLiteral,
  visibleElements,
  withoutSecrets,
  withSecrets,
  writeDefinition,
  type CheckedEngine,
  type Definition,
} from '../../engine/index.ts';
import { ClickHouseException, clickhouseError } from '../../errors.ts';
import {
  insertAt,
  parseStatement,
  quoteIdentifier,
  quoteString,
  removeSpan,
  splice,
  textOf,
  type CreateTable,
  type Edit,
  type Span,
  type TableName,
} from '../../sql/index.ts';
import { afterDelivery } from '../after-delivery.ts';
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
import { requireOwnExpressions } from '../column-expressions.ts';
import { noticeOfDelivery } from '../delivery-notice.ts';
import { mayMakeLanding, replaces, requireToFill, requireToMake, withoutBrokers } from '../grants.ts';
import { dropUnfilled, forbidsChanges, makeByServiceAccount } from '../landing-maker.ts';
import { landingPlace } from '../landing-place.ts';
import { checkOnCreate } from './check-on-create.ts';
import { columnList, inferColumns, isWithoutColumns, NO_COLUMNS, type InferredColumn } from './infer-columns.ts';
import { readsManaged } from '../managed-reads.ts';
import { shownAs } from '../outbox-names.ts';
import { refuse, refuseDirectSelect, refuseNotYet } from '../refusals.ts';
import type { Action, ClientSession } from '../types.ts';
import { refuseUnread } from '../unread.ts';

/** CREATE, REPLACE or ATTACH TABLE with a definition: one with ENGINE = Kafka, or AS a Kafka table, becomes a landing table. */
export async function createTable(create: CreateTable, context: StatementContext): Promise<Action> {
  const isKafka = await makesKafkaTable(create, context);
  const refusal = isKafka ? await refusalOf(create, context) : undefined;
  if (refusal !== undefined) return refusal;
  if (replaces(create) && !(isKafka && (await takesRows(create, context)))) await beforeDrop([create.name], context);
  return isKafka ? createAnyKafkaTable(create, context) : createOtherTable(create, context);
}

/** A Kafka table with the columns of the one that it replaces takes over what waits in its outbox: so settings are changed, a password that was wrong for example. */
async function takesRows({ name, elements }: CreateTable, { text, session }: StatementContext): Promise<boolean> {
  const landing = elements && (await readLanding(name, session));
  const before = landing && visibleElements(landing.statement, readPublicDefinition(landing.comment))?.texts;
  const after = elements?.items.map(({ span }) => textOf(text, span));
  return before !== undefined && before.map(withoutQuotes).join() === after?.map(withoutQuotes).join();
}

/** As the server prints a column, and as people write one. */
function withoutQuotes(column: string): string {
  return column.replace(/[`"]/g, '').replace(/\s+/g, ' ');
}

/** The client may name a Kafka table behind AS that it must not see: then it hears so when it has the other grants. */
async function makesKafkaTable({ engine, asTable }: CreateTable, context: StatementContext): Promise<boolean> {
  if (engine !== undefined) return engine.name === 'Kafka';
  if (asTable === undefined) return false;
  return (await findManaged(asTable.name, context)) !== undefined || (await readLanding(asTable.name, context.session)) !== undefined;
}

/** What is wrong with the statement before anything in it is looked at. Grants are the first that the server looks at behind the syntax. */
async function refusalOf(create: CreateTable, context: StatementContext): Promise<Action | undefined> {
  const unread = settingWithoutLiteral(create);
  if (unread !== undefined) return refuseUnread(context, unread.value.span.start);
  const unsupported = notYet(create);
  if (unsupported !== undefined) return refuseNotYet(unsupported);
  const { session } = context;
  const table = { database: await databaseOf(create.name, session), table: create.name.table };
  await requireToMake(create, table, session);
  return (await losesTable(create, table, session)) ? refuse('NOT_IMPLEMENTED', NO_REPLACING) : undefined;
}

/** Whether there would be no table at all if the SELECT failed: the new one is filled when the old one is gone. What other servers of a cluster have is not known. */
async function losesTable(create: CreateTable, table: TableId, session: ClientSession): Promise<boolean> {
  if (!replaces(create) || create.asSelect === undefined || create.asSelect.empty !== undefined) return false;
  if (create.cluster !== undefined) return true;
  const [[exists] = []] = await session.query(`EXISTS TABLE ${printedName(table)}`);
  return exists === '1';
}

const NO_REPLACING =
  'Replacing a table by CREATE OR REPLACE TABLE … ENGINE = Kafka … AS SELECT is not supported yet by the gateway: ' +
  'replace it by EMPTY AS SELECT or with a column list, then INSERT INTO it the SELECT';

async function createAnyKafkaTable(create: CreateTable, context: StatementContext): Promise<Action> {
  // What these ask before they make the table does not carry what forbids it to the client's request.
  if ((create.asSelect !== undefined || isWithoutColumns(create)) && forbidsChanges(context.session)) {
    const database = await databaseOf(create.name, context.session);
    return { kind: 'run', sql: withoutBrokers(create, { database, table: create.name.table }) };
  }
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
  const checked = await checkKafkaTable(create, database, askedBy(context));
  await checkOnCreate(create, database, checked, async () => Promise.resolve(true), context);
  const columns = await inferColumns(checked, { database, table: create.name.table }, options.sampleTopics, context);
  const { text, statement } = withColumns(create, columns, context);
  const action = await makeKafkaTable(statement, { ...context, text }, 'checked');
  if (action.kind !== 'run') return action;
  // The client's statement makes the table and then says what it found, so the table is made here.
  await session.run(action.sql);
  await action.after?.(new AbortController().signal);
  options.logger.info({ table: `${database}.${create.name.table}`, columns: columnList(columns) }, 'columns inferred');
  const answer = selectRows(
    [{ name: 'name' }, { name: 'type' }],
    columns.map(({ name, type }) => [name, type]),
    create.format === undefined ? '' : textOf(context.text, create.format),
  );
  return { kind: 'run', sql: answer, after: async () => Promise.resolve(), ...(action.notice && { notice: action.notice }) };
}

/** The same statement with its columns written out, and without FORMAT: its answer is the gateway's. */
function withColumns(
  create: CreateTable,
  columns: readonly InferredColumn[],
  context: StatementContext,
): { text: string; statement: CreateTable } {
  const place = create.engine?.span.start ?? create.end;
  const text = splice(context.text, [insertAt(place, `${columnList(columns)} `), ...withoutFormat(create)]);
  return { text, statement: reread(text) };
}

function withoutFormat({ format }: CreateTable): Edit[] {
  return format === undefined ? [] : [removeSpan(format)];
}

type CreateAsSelect = CreateTable & Required<Pick<CreateTable, 'asSelect'>>;

/** The table is made, with the SELECT's columns where it names none, then the SELECT's rows are written to it. A table that cannot be filled is dropped, as by the server; one that has taken another's place would leave none, which `refusalOf` has refused. */
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
  const table = { database, table: create.name.table };
  const { text, statement } = await withoutSelect(create, select, context);
  if (asSelect.empty === undefined) await requireToFill(table, statement, session);
  const action = await createKafkaTable(statement, { ...context, text });
  if (asSelect.empty !== undefined || action.kind !== 'run') return action;
  await session.run(action.sql);
  await action.after?.(new AbortController().signal);
  let since: OutboxMark | undefined;
  try {
    const outbox = await outboxes.prepare(table);
    since = outbox.since;
    await session.run(`INSERT INTO ${printedName(outbox)} (${outbox.columns.map(quoteIdentifier).join(', ')}) ${select}`);
  } catch (error) {
    await dropUnfilled(create, table, context);
    await options.reconcile();
    if (!(error instanceof ClickHouseException)) throw error;
    return { kind: 'refuse', exception: shownExceptionAs(table, error) };
  }
  return {
    kind: 'run',
    sql: 'SELECT 1 FORMAT Null',
    after: afterDelivery(outboxes, table, since),
    ...(action.notice && { notice: action.notice }),
  };
}

function shownExceptionAs({ table }: TableId, { code, exceptionName, text }: ClickHouseException): ClickHouseException {
  return new ClickHouseException(code, exceptionName, shownAs({ table }, { from: '', to: '' })(text));
}

/** The same statement with a column list, without the SELECT and, as its answer is the gateway's, FORMAT. */
async function withoutSelect(
  create: CreateAsSelect,
  select: string,
  { text, session }: StatementContext,
): Promise<{ text: string; statement: CreateTable }> {
  const { asSelect, elements, engine } = create;
  const edits = [removeSpan(asSelect.span), ...withoutFormat(create)];
  if (asSelect.empty !== undefined) edits.push(removeSpan(asSelect.empty));
  if (elements === undefined) {
    const rows = await session.run(`DESCRIBE TABLE (${select}\n)`);
    const columns = rows.map(([name = '', type = '']) => ({ name, type: type.replace(/\s*\n\s*/g, ' ') }));
    edits.push(insertAt(engine?.span.start ?? asSelect.span.start, `${columnList(columns)} `));
  }
  const changed = splice(text, edits);
  return { text: changed, statement: reread(changed) };
}

async function createOtherTable(create: CreateTable, context: StatementContext): Promise<Action> {
  const { asSelect, asTable } = create;
  // The landing table has columns that a copy of the Kafka table must not get.
  if (asTable && (await isVisibleKafkaTable(asTable.name, context))) {
    const { text } = await withExplicitColumns(create, context);
    return { kind: 'run', sql: text, after: reconcileOf(context.options) };
  }
  if (asSelect && !asSelect.empty && (await readsManaged(textOf(context.text, asSelect.query), context))) return refuseDirectSelect();
  // Nothing that lasts can depend on a temporary table.
  return create.temporary ? { kind: 'forward' } : forwardWithoutSecrets(create, context);
}

/** No other engine knows settings with secrets of Kafka's, so the statement fails (a misspelt engine, for example), and the server would log their values with it. */
function forwardWithoutSecrets(create: CreateTable, context: StatementContext): Action {
  const isHopeless = create.settings.some(({ assignments }) => assignments.some(({ name }) => SECRET_SETTINGS.has(name)));
  if (!isHopeless) return forwardAndReconcile(context);
  return { kind: 'run', sql: withoutSecrets(context.text, create), after: reconcileOf(context.options) };
}

/** What the client may not see, the server does not copy for it. */
async function isVisibleKafkaTable(name: TableName, context: StatementContext): Promise<boolean> {
  return (await findManaged(name, context)) !== undefined && (await readLanding(name, context.session)) !== undefined;
}

/** Each is a door for a later issue. */
function notYet(create: CreateTable): string | undefined {
  if (create.temporary) return 'TEMPORARY tables with ENGINE = Kafka are';
  if (create.asTableFunction !== undefined) return 'CREATE TABLE … AS a table function with ENGINE = Kafka is';
  if (create.name.hasParameter) return 'A query parameter in the name of a Kafka table is';
  return undefined;
}

async function createKafkaTable(create: CreateTable, context: StatementContext): Promise<Action> {
  return makeKafkaTable(create, context, 'to be checked');
}

async function makeKafkaTable(create: CreateTable, context: StatementContext, connection: 'checked' | 'to be checked'): Promise<Action> {
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
    const { place, uuid } = await landingPlace(create, database, session);
    const definition = writeDefinition(await definitionOf(create, checked, known, context), place, options.secretKeys);
    const isMade = async (): Promise<boolean> => willBeMade(create, database, context);
    if (connection === 'to be checked') await checkOnCreate(create, database, checked, isMade, context);
    const landing = landingStatement(text, create, { definition, added, querySettings: checked.querySettings, uuid });
    if (!isLandingWith(landing, definition)) return await refuseUnread({ ...context, text }, text.indexOf('$'));
    const sql = await statementOfClient(landing, create, { database, table: create.name.table }, context);
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

/** What the client has to send: the statement that makes the landing table, or, when the service account has made it, one that does nothing. */
async function statementOfClient(landing: string, create: CreateTable, table: TableId, context: StatementContext): Promise<string> {
  const { session } = context;
  await requireOwnExpressions(create, landing, session);
  if (await mayMakeLanding(session)) return landing;
  if (forbidsChanges(session)) return withoutBrokers(create, table);
  await makeByServiceAccount(landing, create, table, context);
  return 'SELECT 1 FORMAT Null';
}

async function definitionOf(
  create: CreateTable,
  checked: CheckedEngine,
  known: Pick<Definition, 'settings' | 'collection' | 'added' | 'carrierPrefix'>,
  { text, session }: StatementContext,
): Promise<Definition> {
  return {
    ...known,
    statement: withoutSecrets(text, create),
    engine: await engineText(create, checked.argumentTexts, checked.querySettings, session.query.bind(session)),
    comment: create.comment?.value ?? '',
  };
}

/** Whom the engine's checks ask. */
function askedBy({ session, options }: StatementContext): Parameters<typeof checkKafkaTable>[2] {
  return { ask: session.query.bind(session), deadLetterTable: options.deadLetterTable, sources: options.sources };
}

function ownNames({ elements }: CreateTable): Set<string> {
  return new Set((elements?.items ?? []).flatMap((item) => (item.kind === 'column' ? [item.name] : [])));
}

/** Whether the server would make the table for a client with the grants for it, as far as can be told: nobody has brokers asked who could not. */
async function willBeMade(create: CreateTable, database: string, context: StatementContext): Promise<boolean> {
  const { session } = context;
  const here = { ...create, cluster: undefined };
  const own = create.cluster === undefined || create.ifNotExists ? await serversOwnAnswer(here, database, context) : undefined;
  if (own !== undefined) return false;
  const setting = async (name: string): Promise<string> =>
    session.setting(name) ?? (await querySetting(create, name, session.query.bind(session)));
  return /^(?:0|false)$/.test(await setting('readonly')) && !/^(?:0|false)$/.test(await setting('allow_ddl'));
}

type Asked = Pick<CreateTable, 'verb' | 'ifNotExists' | 'name'> & { readonly cluster?: CreateTable['cluster'] | undefined };

/** The server looks for database and table before it looks at the engine: then its answer comes first, whatever is wrong with the engine. */
async function serversOwnAnswer(create: Asked, database: string, { session }: StatementContext): Promise<Action | undefined> {
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
 * The same statement with the columns of the table behind AS written out, and with that table's comment when the statement
 * has none, and with its engine when it is a Kafka table and the statement names none (as the server copies them, the consumer group included).
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
  const engine = create.engine === undefined ? `${await copiedEngine(create, shown, context)} ` : '';
  const comment = create.comment === undefined ? (copied?.comment ?? commentOf(shown)) : '';
  const storage = storageBeside(create, asTable.span);
  const text = splice(context.text, [
    insertAt(storage.start, `(${source.columnTexts.join(', ')}) ${engine}`),
    removeSpan(asTable.span),
    insertAt(storage.end, comment === '' ? '' : ` COMMENT ${quoteString(comment)}`),
  ]);
  return { text, statement: reread(text) };
}

/** AS with what the statement says about the storage, which may stand before or behind it: columns come before all of that, a comment behind. */
function storageBeside({ engine, storageClauses, settings, comment }: CreateTable, as: Span): Span {
  const own = settings.filter(({ scope }) => scope === 'engine');
  const spans = [as, ...[engine, comment, ...storageClauses, ...own].flatMap((part) => part?.span ?? [])];
  return { start: Math.min(...spans.map(({ start }) => start)), end: Math.max(...spans.map(({ end }) => end)) };
}

/** A statement that the grammar is known to read. */
function reread(text: string): CreateTable {
  const parsed = parseStatement(text);
  if (!parsed.ok || parsed.statement.kind !== 'create-table') throw new TypeError('a statement that was read before cannot be read');
  return parsed.statement;
}

function commentOf(statement: string): string {
  const parsed = parseStatement(statement);
  return parsed.ok && parsed.statement.kind === 'create-table' ? (parsed.statement.comment?.value ?? '') : '';
}

async function copiedEngine(create: CreateTable, shown: string, { session, options }: StatementContext): Promise<string> {
  const { database = '', table } = reread(shown).name;
  const read = readDefinition(commentOf(shown), { database, uuid: await uuidOf({ database, table }, session) }, options.secretKeys);
  if (!read.ok) throw clickhouseError('SUPPORT_IS_DISABLED', `The table cannot be copied: ${read.reason}`);
  const { definition, secrets } = read;
  // They would be read as the engine's, and could send its secrets elsewhere.
  if (create.settings.length > 0 && Object.keys(secrets).length > 0)
    throw clickhouseError(
      'BAD_ARGUMENTS',
      'SETTINGS cannot be added to the engine of a table with secrets that is copied: write ENGINE = Kafka(…)',
    );
  return withSecrets(definition.engine, secrets);
}

async function uuidOf({ database, table }: TableId, session: ClientSession): Promise<string> {
  const [[uuid = ''] = []] = await session.query(
    `SELECT toString(uuid) FROM system.tables WHERE database = ${quoteString(database)} AND name = ${quoteString(table)}`,
  );
  return uuid;
}
