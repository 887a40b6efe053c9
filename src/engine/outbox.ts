import { quoteIdentifier } from '../sql/index.ts';

/**
 * Rows that are to be written to Kafka wait in a table beside the Kafka table, its *outbox*: what INSERT and views mean by the Kafka table's name, until the
 * gateway has sent it.
 */
const NAME_PREFIX = '.outbox.';

/** Name of the outbox, in the table's database: it goes with the table's name, since a view that writes TO a table means whatever is called so. */
export function outboxName(table: string): string {
  return NAME_PREFIX + table;
}

/** The table's name that `outboxName` was made of; undefined for other tables. */
export function nameBehindOutbox(name: string): string | undefined {
  return name.startsWith(NAME_PREFIX) ? name.slice(NAME_PREFIX.length) : undefined;
}

/** Begins the comment of every outbox: see `outboxComment`. */
export const OUTBOX_COMMENT_PREFIX = 'sluice-outbox:';

/**
 * Says whose an outbox is: `owner` is the UUID of the Kafka table, or its name in a database without UUIDs. There the outbox has none either, and `uuid` is one made for
 * it, by which it is told from others as long as it exists.
 */
export function outboxComment(owner: string, uuid?: string): string {
  return OUTBOX_COMMENT_PREFIX + (uuid === undefined ? owner : `${uuid}/${owner}`);
}

/** What `outboxComment` made. */
export function readOutboxComment(comment: string): { readonly owner: string; readonly uuid?: string } {
  const text = comment.slice(OUTBOX_COMMENT_PREFIX.length);
  const [, uuid, owner] = /^([0-9a-f-]{36})\/(.+)$/s.exec(text) ?? [];
  return uuid === undefined || owner === undefined ? { owner: text } : { owner, uuid };
}

/** Blocks of which the gateway knows, and for so long after they were sent, that an INSERT with the same `insert_deduplication_token` repeats them. */
export const OUTBOX_MEMORY = { blocks: 1_000, seconds: 600 } as const;

/**
 * Of the INSERT that brought the row, also when it came by a view; '' for none. The server's own deduplication must stay off: without a token it goes by what was
 * inserted, and would take an honest second row of the same values for a repeat.
 */
export const TOKEN_COLUMN = '_insert_deduplication_token';

/** The query that brought the row, by its id and when it began (a client may repeat the id): equal blocks of one INSERT do not repeat each other. */
export const QUERY_COLUMN = '_insert_query';

/** Keeps the settings of the INSERT that change how its rows are written, as JSON: `[["name","value","value otherwise"],…]`. */
export const FORMAT_SETTINGS_COLUMN = '_format_settings';

export interface OutboxColumn {
  readonly name: string;
  /** As it stands in a column list. */
  readonly declaration: string;
}

/**
 * What a row may say of its message, where the table has no column of that name: in an INSERT's column list, in a view's SELECT. Never in the message's body.
 * `_key` NULL: none; `_timestamp` NULL: when it is sent; `_partition` NULL: the partitioner's choice; headers as a map or as two lists; `_tombstone` 1: no body.
 */
const COLUMNS: readonly (readonly [name: string, type: string])[] = [
  ['_key', 'Nullable(String)'],
  ['_timestamp', 'Nullable(DateTime64(3))'],
  ['_partition', 'Nullable(Int32)'],
  ['_headers', 'Map(String, String) EPHEMERAL map()'],
  ['_headers.name', 'Array(String) DEFAULT mapKeys(`_headers`)'],
  ['_headers.value', 'Array(String) DEFAULT mapValues(`_headers`)'],
  ['_tombstone', 'UInt8'],
  [TOKEN_COLUMN, "LowCardinality(String) DEFAULT getSetting('insert_deduplication_token')"],
  [QUERY_COLUMN, "LowCardinality(String) DEFAULT concat(queryID(), ' ', toString(toUnixTimestamp(initialQueryStartTime())))"],
];

/** The type of a column that every row of an outbox has beside those of its table, and that a statement may fill as it is; undefined for others. */
export function addedColumnType(name: string): string | undefined {
  return COLUMNS.find(([column, type]) => column === name && !/ (?:DEFAULT|EPHEMERAL) /.test(type))?.[1];
}

/** The columns that an outbox has beside those of its table; `declared` are the table's own names, which hide them. */
export function outboxColumns(declared: ReadonlySet<string>): OutboxColumn[] {
  const hidesHeaders = ['_headers', '_headers.name', '_headers.value'].some((name) => declared.has(name));
  return COLUMNS.filter(([name]) => !declared.has(name) && !(hidesHeaders && name.startsWith('_headers'))).map(([name, type]) => ({
    name,
    declaration: `${quoteIdentifier(name)} ${type}`,
  }));
}

/** Names of those of `outboxColumns` that can be read. */
export function storedOutboxColumns(declared: ReadonlySet<string>): string[] {
  return outboxColumns(declared)
    .map(({ name }) => name)
    .filter((name) => name !== '_headers');
}

/** Names of all columns that an outbox may have beside `declared`, those of its table. */
export function addedOutboxColumns(declared: ReadonlySet<string>): string[] {
  return [...outboxColumns(declared).map(({ name }) => name), FORMAT_SETTINGS_COLUMN].filter((name) => !declared.has(name));
}
