import { randomBytes } from 'node:crypto';
import type { LandingColumn, ManagedTable } from '../catalog/index.ts';
import type { Batch } from '../batching/index.ts';
import { BodyHead, splicerOf, type CarriedField, type MessageWriter, type RecordCursor, type Splicer } from '../formats/index.ts';
import { MESSAGE_COLUMNS, secretSettingsClause } from '../engine/index.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import { carriedFields, constantValue, rowsAreAsMany, rowsAreOurs, splicedValue } from './carried-columns.ts';
import { DirectInsert, type Purpose } from './direct-insert.ts';
import { ONE_BLOCK, tableSettings, withoutTableSettings } from './insert-settings.ts';
import { keyColumnValue, keyConditions, splitColumns } from './key-columns.ts';
import { withNotedFields } from './row-numbers.ts';
import { isStillRead } from './still-read.ts';
import type { SourceTable } from './sources.ts';

/** One INSERT, ready to send: the statement, its settings, and the body's bytes. */
export interface InsertRequest {
  readonly sql: string;
  readonly settings: Readonly<Record<string, string>>;
  /** What goes before the messages' bytes: the server reads the statement from its text and the body as one. */
  readonly head?: Buffer;
}

/**
 * How one table's messages become INSERTs: which columns, which virtual ones among them, and how metadata travels with the rows.
 *
 * Rows go `INSERT INTO q (columns, virtual columns) SELECT … FROM input('columns, carried fields') FORMAT X`, so carried names are ours to
 * choose and hold a secret made anew for each plan: no payload can name them (design, "splicing").
 */
export class InsertPlan {
  /** Whether several messages can go in one INSERT. */
  readonly isSpliced: boolean;
  readonly #table: ManagedTable;
  readonly #splicer: Splicer | undefined;
  /** How a table with carriers is inserted into. */
  readonly #direct: DirectInsert | undefined;
  /** The virtual columns in use that every message fills. */
  readonly #metadataColumns: readonly string[];
  /** The columns that a message's value fills. */
  readonly #columns: readonly LandingColumn[];
  readonly #fields: readonly CarriedField[];
  readonly #settings: Readonly<Record<string, string>>;
  readonly #head = new BodyHead();

  constructor(table: ManagedTable) {
    this.#table = table;
    this.#splicer = splicerOf(table.options.format);
    const secret = randomBytes(6).toString('base64url').replaceAll('-', 'x').replaceAll('_', 'y');
    this.#metadataColumns = table.usedVirtualColumns.filter((name) => MESSAGE_COLUMNS.some((column) => column.name === name));
    this.#direct = table.carriers && new DirectInsert(table, table.carriers, this.#metadataColumns, this.#splicer);
    const { ofKey, ofValue } = splitColumns(table);
    this.#columns = ofValue;
    const carried = ofKey.length === 0 ? this.#metadataColumns : [...new Set([...this.#metadataColumns, '_key'])];
    this.#fields = this.#direct?.fields ?? carriedFields(carried, `s${secret}`, this.#splicer);
    this.#settings = { ...tableSettings(table), ...withoutTableSettings(this.#splicer?.forcedSettings ?? {}, table) };
    this.isSpliced = this.createWriter() !== undefined;
  }

  /** A writer for common bodies, or undefined when each message of this table needs an INSERT of its own. */
  createWriter(): MessageWriter | undefined {
    const { formatSettings: settings } = this.#table.options;
    if (this.#direct !== undefined && this.#direct.fields === undefined) return undefined;
    return this.#splicer?.createWriter(this.#fields, { columns: this.#columns, settings, head: this.#head });
  }

  /** Nothing is gathered that stands behind the head: the next message that has one fixes it anew. */
  forgetHead(): void {
    this.#head.bytes = undefined;
  }

  /** Whether an empty message makes no row and is not broken; false where only the server can tell. */
  get passesOverEmpty(): boolean {
    return this.isSpliced && this.#splicer?.findsEmptyBroken !== true;
  }

  /** The INSERT for a body of spliced messages from the given sources. It is one atomic block, or nothing. */
  batchRequest(sources: SourceTable, batches: readonly Batch[]): InsertRequest {
    return this.#batchRequest(sources, batches, 'insert');
  }

  /** The same statement over the same body, but it inserts nothing: it fails at the messages that `batchRequest` would fail at. */
  batchCheck(sources: SourceTable, batches: readonly Batch[]): InsertRequest {
    return this.#batchRequest(sources, batches, 'check');
  }

  #batchRequest(sources: SourceTable, batches: readonly Batch[], purpose: Purpose): InsertRequest {
    const splicer = this.#splicer as Splicer;
    const rows = batches.reduce((total, batch) => total + batch.rows, 0);
    const settings = { ...this.#settings, ...splicer.bodySettings, ...ONE_BLOCK, ...NO_ERRORS_ALLOWED };
    if (this.#direct !== undefined) {
      const request = this.#direct.batchRequest(sources, rows, splicer.bodyFormat ?? this.#table.options.format, purpose);
      const head = this.#head.bytes === undefined ? {} : { head: this.#head.bytes };
      return this.#sent({ sql: request.sql, settings: { ...settings, ...request.settings }, ...head });
    }
    const valueOf = (column: string): string => splicedValue(column, this.#fields, sources, splicer);
    const values = this.#values(valueOf);
    const isOurs = splicer.isNumbered === true ? rowsAreAsMany(rows) : rowsAreOurs(this.#fields, rows);
    const conditions = [isOurs, ...this.#keyConditions(valueOf), ...this.#purpose(purpose)];
    if (splicer.isNumbered === true) return this.#numberedRequest(values, batches, conditions, settings);
    return this.#sent({
      sql: this.#insert(values, [...this.#fields, ...this.#columns], conditions, splicer.bodyFormat),
      settings,
      ...(this.#head.bytes === undefined ? {} : { head: this.#head.bytes }),
    });
  }

  /** The statement is as large as what it tells of each message, so most of it goes in front of the body. */
  #numberedRequest(
    values: readonly Value[],
    batches: readonly Batch[],
    conditions: readonly string[],
    settings: Readonly<Record<string, string>>,
  ): InsertRequest {
    const splicer = this.#splicer as Splicer;
    const [sql, end] = this.#insertFrom(values, conditions, splicer.bodyFormat);
    const names = this.#columns.map(({ name }) => name);
    const statement = Buffer.concat([withNotedFields(input(this.#columns), names, this.#fields, batches), Buffer.from(`${end}\n`)]);
    const lead = splicer.bodyLead?.(batches.reduce((total, batch) => total + batch.bodyBytes, 0));
    return {
      sql,
      settings: { ...settings, max_query_size: String(Buffer.byteLength(sql) + statement.length + 1024) },
      head: lead === undefined ? statement : Buffer.concat([statement, lead]),
    };
  }

  /** The INSERT for one message's unchanged bytes; metadata are constants of the statement. Errors allowed are those of the table, as in the real engine. */
  messageRequest(topic: string, partition: number, message: RecordCursor): InsertRequest {
    if (this.#direct !== undefined) return this.#aloneRequest(this.#direct.messageRequest(topic, partition, message));
    const valueOf = (column: string): string => constantValue(column, topic, partition, message);
    const conditions = [...this.#keyConditions(valueOf), ...this.#purpose('insert')];
    return this.#aloneRequest({ sql: this.#insert(this.#values(valueOf), this.#columns, conditions), settings: {} });
  }

  /** Reads one message's unchanged bytes as `messageRequest` does, and inserts nothing. */
  messageCheck(message: RecordCursor): InsertRequest {
    if (this.#direct !== undefined) return this.#aloneRequest(this.#direct.messageCheck());
    const values = this.#columns.map(({ name }) => ({ name, value: quoteIdentifier(name) }));
    const conditions = [...this.#keyConditions((column) => constantValue(column, '', 0, message)), ...this.#purpose('check')];
    return this.#aloneRequest({ sql: this.#insert(values, this.#columns, conditions), settings: {} });
  }

  /** What is inserted; `valueOf`: SQL for a virtual column. */
  #values(valueOf: (column: string) => string): Value[] {
    const { ofKey } = splitColumns(this.#table);
    return [
      ...this.#columns.map(({ name }) => ({ name, value: quoteIdentifier(name) })),
      ...ofKey.map((column) => ({ name: column.name, value: keyColumnValue(column, this.#table, valueOf('_key')) })),
      ...this.#metadataColumns.map((name) => ({ name, value: valueOf(name) })),
    ];
  }

  #keyConditions(valueOf: (column: string) => string): string[] {
    return this.#table.options.keyColumns.length === 0 ? [] : keyConditions(this.#table, valueOf('_key'));
  }

  /** What keeps every row of a check out; a plain 0 would keep the server from reading them at all. And what keeps an INSERT from a table that nothing reads. */
  #purpose(purpose: Purpose): string[] {
    return [purpose === 'check' ? 'materialize(0)' : isStillRead(this.#table)];
  }

  #aloneRequest({ sql, settings }: InsertRequest): InsertRequest {
    const { skipBrokenMessages: skip, handleErrorMode } = this.#table.options;
    const allowed = handleErrorMode !== 'default' ? NO_ERRORS_ALLOWED : skip > 0 ? { input_format_allow_errors_num: String(skip) } : {};
    return this.#sent({ sql, settings: { ...this.#settings, ...ONE_BLOCK, ...allowed, ...settings } });
  }

  /** The server takes no address of more than a mebibyte, and a key or header may make the statement longer; and it logs addresses, whatever secrets are in them. */
  #sent(request: InsertRequest): InsertRequest {
    const holdsSecrets = secretSettingsClause(this.#table.options.formatSettings) !== '';
    return holdsSecrets || request.sql.length > MOST_SQL_CHARACTERS ? withStatementInBody(request) : request;
  }

  #insert(values: readonly Value[], structure: readonly LandingColumn[], conditions: readonly string[], format?: string): string {
    return this.#insertFrom(values, conditions, format).join(input(structure));
  }

  /** The INSERT before and behind what it selects from. */
  #insertFrom(values: readonly Value[], conditions: readonly string[], format?: string): [string, string] {
    const { database, table, options } = this.#table;
    const names = values.map(({ name }) => quoteIdentifier(name)).join(', ');
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
    const secrets = secretSettingsClause(options.formatSettings);
    return [
      `INSERT INTO ${quoteIdentifier(database)}.${quoteIdentifier(table)} (${names}) SELECT ${values.map(({ value }) => value).join(', ')} FROM `,
      `${where}${secrets} FORMAT ${quoteIdentifier(format ?? options.format)}`,
    ];
  }
}

/** A column and the SQL that makes its value. */
interface Value {
  readonly name: string;
  readonly value: string;
}

/** Nothing but the statement's first word stands in the request's address, all else in front of the body. */
function withStatementInBody({ sql, settings, head = NOTHING }: InsertRequest): InsertRequest {
  const begin = 'INSERT';
  const statement = Buffer.from(`${sql.slice(begin.length)}\n`);
  return {
    sql: begin,
    settings: { ...settings, max_query_size: String(statement.length + 1024) },
    head: head.length === 0 ? statement : Buffer.concat([statement, head]),
  };
}

const NOTHING = Buffer.alloc(0);

const MOST_SQL_CHARACTERS = 100_000;

function input(structure: readonly LandingColumn[]): string {
  return `input(${quoteString(structure.map((field) => `${quoteIdentifier(field.name)} ${field.type}`).join(', '))})`;
}

const NO_ERRORS_ALLOWED: Readonly<Record<string, string>> = { input_format_allow_errors_num: '0', input_format_allow_errors_ratio: '0' };
