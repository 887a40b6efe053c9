import { randomBytes } from 'node:crypto';
import type { LandingColumn, ManagedTable } from '../catalog/index.ts';
import type { Batch } from '../batching/index.ts';
import { BodyHead, splicerOf, type CarriedField, type MessageWriter, type RecordCursor, type Splicer } from '../formats/index.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import { carriedFields, constantValue, rowsAreOurs, splicedValue } from './carried-columns.ts';
import { ONE_BLOCK, tableSettings, withoutTableSettings } from './insert-settings.ts';
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
  readonly #table: ManagedTable;
  readonly #splicer: Splicer | undefined;
  readonly #fields: readonly CarriedField[];
  readonly #settings: Readonly<Record<string, string>>;
  readonly #head = new BodyHead();

  constructor(table: ManagedTable) {
    this.#table = table;
    this.#splicer = splicerOf(table.options.format);
    const secret = randomBytes(6).toString('base64url').replaceAll('-', 'x').replaceAll('_', 'y');
    this.#fields = carriedFields(table.usedVirtualColumns, `s${secret}`, this.#splicer);
    this.#settings = { ...tableSettings(table), ...withoutTableSettings(this.#splicer?.forcedSettings ?? {}, table) };
  }

  /** A writer for common bodies, or undefined when each message of this table needs an INSERT of its own. */
  createWriter(): MessageWriter | undefined {
    const { columns, options } = this.#table;
    return this.#splicer?.createWriter(this.#fields, { columns, settings: options.formatSettings, head: this.#head });
  }

  /** Nothing is gathered that stands behind the head: the next message that has one fixes it anew. */
  forgetHead(): void {
    this.#head.bytes = undefined;
  }

  /** The INSERT for a body of spliced messages from the given sources. It is one atomic block, or nothing. */
  batchRequest(sources: SourceTable, batches: readonly Batch[]): InsertRequest {
    const splicer = this.#splicer as Splicer;
    const virtual = this.#table.usedVirtualColumns.map((column) => splicedValue(column, this.#fields, sources, splicer));
    const guard = rowsAreOurs(
      this.#fields,
      batches.reduce((total, batch) => total + batch.rows, 0),
    );
    return {
      sql: this.#insert(virtual, [...this.#fields, ...this.#table.columns], guard, splicer.bodyFormat),
      settings: { ...this.#settings, ...ONE_BLOCK, input_format_allow_errors_num: '0', input_format_allow_errors_ratio: '0' },
      ...(this.#head.bytes === undefined ? {} : { head: this.#head.bytes }),
    };
  }

  /** The INSERT for one message's unchanged bytes; metadata are constants of the statement. Errors allowed are those of the table, as in the real engine. */
  messageRequest(topic: string, partition: number, message: RecordCursor): InsertRequest {
    const virtual = this.#table.usedVirtualColumns.map((column) => constantValue(column, topic, partition, message));
    const skip = this.#table.options.skipBrokenMessages;
    return {
      sql: this.#insert(virtual, this.#table.columns, undefined),
      settings: { ...this.#settings, ...ONE_BLOCK, ...(skip > 0 ? { input_format_allow_errors_num: String(skip) } : {}) },
    };
  }

  #insert(virtual: readonly string[], structure: readonly LandingColumn[], where: string | undefined, format?: string): string {
    const { database, table, columns, usedVirtualColumns, options } = this.#table;
    const names = [...columns.map((column) => column.name), ...usedVirtualColumns].map(quoteIdentifier);
    const values = [...columns.map((column) => quoteIdentifier(column.name)), ...virtual];
    const declared = structure.map((field) => `${quoteIdentifier(field.name)} ${field.type}`).join(', ');
    return (
      `INSERT INTO ${quoteIdentifier(database)}.${quoteIdentifier(table)} (${names.join(', ')}) ` +
      `SELECT ${values.join(', ')} FROM input(${quoteString(declared)})${where === undefined ? '' : ` WHERE ${where}`} FORMAT ${quoteIdentifier(format ?? options.format)}`
    );
  }
}
