import { randomBytes } from 'node:crypto';
import type { LandingColumn, ManagedTable } from '../catalog/index.ts';
import { SOURCES_OF_A_POSITION, splicerOf, type Carried, type CarriedField, type MessageWriter, type Splicer } from '../formats/index.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';
import type { RecordCursor } from '../formats/index.ts';
import type { SourceTable } from './sources.ts';

/** Text in the server's exception when a row came without a source: one message held several objects, or none of its own. */
export const STRAY_ROW = 'sluice: a row without a source';

/** One INSERT, ready to send: the statement, its settings, and the body's bytes. */
export interface InsertRequest {
  readonly sql: string;
  readonly settings: Readonly<Record<string, string>>;
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

  constructor(table: ManagedTable) {
    this.#table = table;
    this.#splicer = splicerOf(table.options.format);
    const secret = randomBytes(6).toString('base64url').replaceAll('-', 'x').replaceAll('_', 'y');
    this.#fields = carriedFields(table.usedVirtualColumns, `s${secret}`, this.#splicer);
    this.#settings = { ...tableSettings(table), ...withoutTableSettings(this.#splicer?.forcedSettings ?? {}, table) };
  }

  /** A writer for common bodies, or undefined when each message of this table needs an INSERT of its own. */
  createWriter(): MessageWriter | undefined {
    return this.#splicer?.createWriter(this.#fields, this.#table.options.formatSettings);
  }

  /** The INSERT for a body of spliced messages from the given sources. It is one atomic block, or nothing. */
  batchRequest(sources: SourceTable): InsertRequest {
    const first = quoteIdentifier((this.#fields[0] as CarriedField).name);
    const virtual = this.#table.usedVirtualColumns.map((column) => this.#spliced(column, sources));
    const guard = `throwIf(${first} = 0, ${quoteString(STRAY_ROW)}) = 0`;
    return {
      sql: this.#insert(virtual, [...this.#fields, ...this.#table.columns], guard),
      settings: { ...this.#settings, ...ONE_BLOCK, input_format_allow_errors_num: '0', input_format_allow_errors_ratio: '0' },
    };
  }

  /** The INSERT for one message's unchanged bytes; metadata are constants of the statement. Errors allowed are those of the table, as in the real engine. */
  messageRequest(topic: string, partition: number, message: RecordCursor): InsertRequest {
    const virtual = this.#table.usedVirtualColumns.map((column) => constant(column, topic, partition, message));
    const skip = this.#table.options.skipBrokenMessages;
    return {
      sql: this.#insert(virtual, this.#table.columns, undefined),
      settings: { ...this.#settings, ...ONE_BLOCK, ...(skip > 0 ? { input_format_allow_errors_num: String(skip) } : {}) },
    };
  }

  #insert(virtual: readonly string[], structure: readonly LandingColumn[], where: string | undefined): string {
    const { database, table, columns, usedVirtualColumns, options } = this.#table;
    const names = [...columns.map((column) => column.name), ...usedVirtualColumns].map(quoteIdentifier);
    const values = [...columns.map((column) => quoteIdentifier(column.name)), ...virtual];
    const declared = structure.map((field) => `${quoteIdentifier(field.name)} ${field.type}`).join(', ');
    return (
      `INSERT INTO ${quoteIdentifier(database)}.${quoteIdentifier(table)} (${names.join(', ')}) ` +
      `SELECT ${values.join(', ')} FROM input(${quoteString(declared)})${where === undefined ? '' : ` WHERE ${where}`} FORMAT ${quoteIdentifier(options.format)}`
    );
  }

  #spliced(column: string, sources: SourceTable): string {
    const field = (what: Carried): string => quoteIdentifier((this.#fields.find((carried) => carried.what === what) as CarriedField).name);
    const splicer = this.#splicer as Splicer;
    switch (column) {
      case '_topic':
        return this.#ofSource(sources.all.map((source) => quoteString(source.topic)));
      case '_partition':
        return this.#ofSource(sources.all.map((source) => String(source.partition)));
      case '_offset':
        return `intDiv(${field('position')}, ${SOURCES_OF_A_POSITION})`;
      case '_timestamp':
        return timestamp(field('timestamp'));
      case '_timestamp_ms':
        return timestampMs(field('timestamp'));
      case '_key':
        return splicer.decodeText(field('key'));
      case '_headers.name':
        return splicer.decodeList(field('header-names'));
      default:
        return splicer.decodeList(field('header-values'));
    }
  }

  /** What belongs to each row's source, given by source; nothing is looked up where it is all the same. */
  #ofSource(values: readonly string[]): string {
    const [value = ''] = values;
    if (values.every((one) => one === value)) return value;
    const { name, what } = this.#fields[0] as CarriedField;
    const source = what === 'source' ? quoteIdentifier(name) : `${quoteIdentifier(name)} % ${SOURCES_OF_A_POSITION}`;
    return `arrayElement([${values.join(', ')}], ${source})`;
  }
}

/**
 * An INSERT is one block, so that it is applied whole or not at all and an error names the row. No limit the server knows may cut it:
 * the batch's own limits are the only ones.
 */
const ONE_BLOCK: Readonly<Record<string, string>> = {
  insert_allow_materialized_columns: '1',
  input_format_parallel_parsing: '0',
  max_block_size: '100000000',
  max_insert_block_size: '100000000',
  max_insert_block_size_bytes: '0',
  min_insert_block_size_rows: '100000000',
  min_insert_block_size_bytes: '0',
  input_format_max_block_size_bytes: '0',
  max_insert_threads: '1',
  max_threads: '1',
  async_insert: '0',
  wait_end_of_query: '0',
  materialized_views_ignore_errors: '0',
  // The body streams as fast as the server reads it; only a dead connection may end it.
  max_execution_time: '0',
};

/** What the real engine takes from the table for each message (kafka-engine, "parsing"). */
function tableSettings(table: ManagedTable): Record<string, string> {
  return {
    input_format_skip_unknown_fields: '1',
    ...(table.options.schema === '' ? {} : { format_schema: table.options.schema }),
    ...table.options.formatSettings,
  };
}

function withoutTableSettings(settings: Readonly<Record<string, string>>, table: ManagedTable): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !(name in table.options.formatSettings)));
}

const CARRIED_FOR: Readonly<Record<string, Carried>> = {
  _offset: 'position',
  _timestamp: 'timestamp',
  _timestamp_ms: 'timestamp',
  _key: 'key',
  '_headers.name': 'header-names',
  '_headers.value': 'header-values',
};

function carriedFields(virtualColumns: readonly string[], secret: string, splicer: Splicer | undefined): CarriedField[] {
  const list = splicer?.listType ?? 'Array(String)';
  const types: Readonly<Record<Carried, string>> = {
    source: 'UInt32',
    position: 'UInt64',
    timestamp: 'Int64',
    key: 'String',
    'header-names': list,
    'header-values': list,
  };
  const wanted = virtualColumns.map((column) => CARRIED_FOR[column]);
  // What differs little from row to row stands together in front (`Splicer.createWriter`).
  const needed = new Set<Carried>([
    wanted.includes('position') ? 'position' : 'source',
    ...(wanted.includes('timestamp') ? (['timestamp'] as const) : []),
  ]);
  for (const what of wanted) if (what !== undefined) needed.add(what);
  return [...needed].map((what, i) => ({ name: `${secret}${i}`, type: types[what], what }));
}

function timestampMs(ms: string): string {
  return `if(${ms} < 0, NULL, fromUnixTimestamp64Milli(${ms}))`;
}

function timestamp(ms: string): string {
  return `if(${ms} < 0, NULL, toDateTime(intDiv(${ms}, 1000)))`;
}

/** The value of a virtual column for one message as an SQL expression; strings as hexadecimal, since their bytes may be anything. */
function constant(column: string, topic: string, partition: number, message: RecordCursor): string {
  const text = (start: number, end: number): string => (end <= start ? `''` : `unhex('${message.bytes.toString('hex', start, end)}')`);
  const ms = `toInt64(${message.timestampMs})`;
  const headers: { name: string; value: string }[] = [];
  switch (column) {
    case '_topic':
      return quoteString(topic);
    case '_partition':
      return String(partition);
    case '_offset':
      return String(message.offset);
    case '_timestamp':
      return timestamp(ms);
    case '_timestamp_ms':
      return timestampMs(ms);
    case '_key':
      return text(message.keyStart, message.keyEnd);
    default:
      message.forEachHeader((nameStart, nameEnd, valueStart, valueEnd) => {
        headers.push({ name: text(nameStart, nameEnd), value: text(valueStart, valueEnd) });
      });
      return `CAST([${headers.map((header) => (column === '_headers.name' ? header.name : header.value)).join(', ')}], 'Array(String)')`;
  }
}
