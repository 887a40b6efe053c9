import { randomInt } from 'node:crypto';
import type { Carriers, ManagedTable } from '../catalog/index.ts';
import { carrierName, carrierType, HEX_DECODING, secretSettingsClause, type Carrier, type InsertComment } from '../engine/index.ts';
import type { Carried, CarriedField, RecordCursor, Splicer } from '../formats/index.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import type { SourceTable } from './sources.ts';

/** A statement and what it needs beside its table's settings. */
export interface DirectRequest {
  readonly sql: string;
  readonly settings: { readonly log_comment: string };
}

export type Purpose = 'insert' | 'check';

/**
 * INSERTs into a table with DEFAULT, MATERIALIZED or EPHEMERAL columns: `INSERT INTO q (carriers, columns) FORMAT X`, so that the server computes the
 * defaults of omitted fields. Metadata travel in carriers and in `log_comment` (`engine/carriers.ts`). Carriers' names last as long as the table: a payload that
 * names one has a field twice, fails the batch, and goes alone, where carriers are no columns of the statement.
 */
export class DirectInsert {
  /** What rows carry, in the order of a positional format; undefined when each message needs an INSERT of its own. */
  readonly fields: readonly CarriedField[] | undefined;
  readonly #table: ManagedTable;
  readonly #carriers: Carriers;

  /** `metadataColumns`: the virtual columns in use that messages fill. */
  constructor(table: ManagedTable, carriers: Carriers, metadataColumns: readonly string[], splicer: Splicer | undefined) {
    this.#table = table;
    this.#carriers = carriers;
    this.fields = splicer && carrierFields(carriers.prefix, metadataColumns, splicer);
  }

  /** For a body of `rows` spliced rows. `check`: nothing is inserted, but it fails where an insert would. */
  batchRequest(sources: SourceTable, rows: number, format: string, purpose: Purpose): DirectRequest {
    const fields = this.fields ?? [];
    const comment: InsertComment = {
      alone: false,
      topics: sources.all.map(({ topic }) => topic),
      partitions: sources.all.map(({ partition }) => partition),
      rows,
      guard: fields.find(({ what }) => what === 'guard')?.constant ?? 0,
    };
    return this.#request(
      fields.map(({ name }) => name),
      format,
      comment,
      purpose,
    );
  }

  /** For one message's unchanged bytes. */
  messageRequest(topic: string, partition: number, message: RecordCursor): DirectRequest {
    return this.#request([], this.#table.options.format, aloneComment(topic, partition, message, this.#table.usedVirtualColumns), 'insert');
  }

  messageCheck(): DirectRequest {
    return this.#request([], this.#table.options.format, { alone: true }, 'check');
  }

  #request(carriers: readonly string[], format: string, comment: InsertComment, purpose: Purpose): DirectRequest {
    const { database, table, columns, options } = this.#table;
    const into =
      purpose === 'check'
        ? `FUNCTION null(${quoteString(this.#carriers.structure)})`
        : `${quoteIdentifier(database)}.${quoteIdentifier(table)}`;
    const names = [...carriers, ...columns.map(({ name }) => name)].map(quoteIdentifier);
    return {
      sql: `INSERT INTO ${into} (${names.join(', ')})${secretSettingsClause(options.formatSettings)} FORMAT ${quoteIdentifier(format)}`,
      settings: { log_comment: JSON.stringify(comment) },
    };
  }
}

/** Undefined when the splicer writes in a way that the carriers do not know. */
function carrierFields(prefix: string, virtualColumns: readonly string[], splicer: Splicer): CarriedField[] | undefined {
  const isUsed = (...names: string[]): boolean => virtualColumns.some((column) => names.includes(column));
  const [isPlainText, isHexText] = [splicer.decodeText('x') === 'x', splicer.decodeText('x') === HEX_DECODING.text('x')];
  const [isPlainList, isHexList] = [splicer.decodeList('x') === 'x', splicer.decodeList('x') === HEX_DECODING.list('x')];
  if (splicer.isNumbered === true || !(isPlainText || isHexText) || !(isPlainList || isHexList)) return undefined;
  const field = (carrier: Carrier, what: Carried): CarriedField => ({
    name: carrierName(prefix, carrier),
    type: carrierType(carrier),
    what,
  });
  return [
    ...(splicer.isPositional === true ? [{ ...field('guard', 'guard'), constant: randomInt(1e9, 2 ** 32) }] : []),
    field('position', 'position'),
    ...(isUsed('_timestamp', '_timestamp_ms') ? [field('timestamp', 'timestamp')] : []),
    ...(isUsed('_key') ? [field(isPlainText ? 'key' : 'key_hex', 'key')] : []),
    ...(isUsed('_headers.name') ? [field(isPlainList ? 'header_names' : 'header_names_hex', 'header-names')] : []),
    ...(isUsed('_headers.value') ? [field(isPlainList ? 'header_values' : 'header_values_hex', 'header-values')] : []),
  ];
}

/** Keys and headers only where they are used: they may be long. */
function aloneComment(topic: string, partition: number, message: RecordCursor, virtualColumns: readonly string[]): InsertComment {
  const hex = (start: number, end: number): string => (end <= start ? '' : message.bytes.toString('hex', start, end));
  const [names, values]: [string[], string[]] = [[], []];
  message.forEachHeader((nameStart, nameEnd, valueStart, valueEnd) => {
    names.push(hex(nameStart, nameEnd));
    values.push(hex(valueStart, valueEnd));
  });
  return {
    alone: true,
    topic,
    partition,
    offset: message.offset,
    timestamp: message.timestampMs,
    ...(virtualColumns.includes('_key') && { key: hex(message.keyStart, message.keyEnd) }),
    ...(virtualColumns.includes('_headers.name') && { names }),
    ...(virtualColumns.includes('_headers.value') && { values }),
  };
}
