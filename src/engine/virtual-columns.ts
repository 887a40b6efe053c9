import { carriedExpression, carrierColumns, type AddedColumn } from './carriers.ts';
import { quoteIdentifier, quoteString } from '../sql/index.ts';

export interface VirtualColumn {
  readonly name: string;
  readonly type: string;
  /** The value of a row that no message filled, as SQL. */
  readonly neutral: string;
}

/** What every row knows of its message; exact types of 26.7, in the order DESCRIBE lists them. */
export const MESSAGE_COLUMNS: readonly VirtualColumn[] = [
  { name: '_topic', type: 'LowCardinality(String)', neutral: "''" },
  { name: '_key', type: 'String', neutral: "''" },
  { name: '_offset', type: 'UInt64', neutral: '0' },
  { name: '_partition', type: 'UInt64', neutral: '0' },
  { name: '_timestamp', type: 'Nullable(DateTime)', neutral: 'NULL' },
  { name: '_timestamp_ms', type: 'Nullable(DateTime64(3))', neutral: 'NULL' },
  { name: '_headers.name', type: 'Array(String)', neutral: '[]' },
  { name: '_headers.value', type: 'Array(String)', neutral: '[]' },
];

/** What the row of a broken message tells; only tables with kafka_handle_error_mode = 'stream' have them. */
export const BROKEN_MESSAGE_COLUMNS: readonly VirtualColumn[] = [
  { name: '_raw_message', type: 'String', neutral: "''" },
  { name: '_error', type: 'String', neutral: "''" },
];

/** 1 in the row that a tombstone became; only tables with kafka_tombstones = 1 have it. The server's own engine does not know it. */
export const TOMBSTONE_COLUMN: VirtualColumn = { name: '_tombstone', type: 'UInt8', neutral: '0' };

/** The virtual column that belongs to the table, not to a message. */
const TABLE_COLUMN = { name: '_table', type: 'LowCardinality(String)' };

/** Names of all virtual columns that a message may fill, whatever the table's settings. */
export const FILLED_COLUMN_NAMES: readonly string[] = [...MESSAGE_COLUMNS, ...BROKEN_MESSAGE_COLUMNS, TOMBSTONE_COLUMN].map(
  ({ name }) => name,
);

/** Settings by name, values as text, as a definition holds them. */
type Settings = Readonly<Record<string, string>>;

/** All virtual columns of a table with these settings, in the server's order. */
export function virtualColumnsOf(settings: Settings): readonly { readonly name: string; readonly type: string }[] {
  return declaredColumns(settings, '');
}

function declaredColumns(settings: Settings, table: string): readonly VirtualColumn[] {
  return [
    ...MESSAGE_COLUMNS,
    { ...TABLE_COLUMN, neutral: quoteString(table) },
    ...(settings.kafka_handle_error_mode === 'stream' ? BROKEN_MESSAGE_COLUMNS : []),
    ...(settings.kafka_tombstones === '1' ? [TOMBSTONE_COLUMN] : []),
  ];
}

/**
 * What is added to the landing table of table `table`: its virtual columns, and carriers when these have a prefix. MATERIALIZED keeps the
 * virtual ones out of `SELECT *` and of INSERTs without column list. `hiddenBy` are the names of the user's own columns: these hide virtual ones.
 */
export function addedColumns(table: string, settings: Settings, hiddenBy: ReadonlySet<string>, carrierPrefix?: string): AddedColumn[] {
  const virtual = declaredColumns(settings, table).filter(({ name }) => !hiddenBy.has(name));
  const value = ({ name, neutral }: VirtualColumn): string =>
    (carrierPrefix === undefined ? undefined : carriedExpression(name, carrierPrefix)) ?? neutral;
  return [
    ...(carrierPrefix === undefined ? [] : carrierColumns(carrierPrefix)),
    ...virtual.map((column) => ({
      name: column.name,
      declaration: `${quoteIdentifier(column.name)} ${column.type} MATERIALIZED ${value(column)}`,
    })),
  ];
}
