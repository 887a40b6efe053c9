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

/** The virtual column that belongs to the table, not to a message. */
const TABLE_COLUMN = { name: '_table', type: 'LowCardinality(String)' };

/** All virtual columns of a Kafka table, in the server's order. */
export const VIRTUAL_COLUMNS: readonly { readonly name: string; readonly type: string }[] = [...MESSAGE_COLUMNS, TABLE_COLUMN];

export function isVirtualColumn(name: string): boolean {
  return VIRTUAL_COLUMNS.some((column) => column.name === name);
}

/**
 * The virtual columns of table `table` as declarations for its landing table. MATERIALIZED keeps them out of `SELECT *` and of INSERTs
 * without column list, as virtual ones are. `hiddenBy` are the names of the user's own columns: these hide virtual ones.
 */
export function virtualColumnDeclarations(table: string, hiddenBy: ReadonlySet<string>): string[] {
  const neutrals = [...MESSAGE_COLUMNS, { ...TABLE_COLUMN, neutral: quoteString(table) }];
  return neutrals
    .filter(({ name }) => !hiddenBy.has(name))
    .map(({ name, type, neutral }) => `${quoteIdentifier(name)} ${type} MATERIALIZED ${neutral}`);
}
