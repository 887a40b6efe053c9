import { addedColumnType } from '../../engine/index.ts';
import { ClickHouseException } from '../../errors.ts';
import { quoteIdentifier, quoteString, withoutOutput } from '../../sql/index.ts';
import type { Outboxes, OutboxMark, PreparedOutbox, RowsSelect } from '../context.ts';
import type { ClientSession } from '../types.ts';

interface Column {
  readonly name: string;
  readonly type: string;
}

export interface SelectedInto {
  /** What the table's messages are made of. */
  readonly columns: readonly Column[];
  /** Names of the columns that the INSERT fills, in order. */
  readonly filled: readonly string[];
  /** The SELECT with all that stands behind it. */
  readonly select: string;
}

/**
 * Sends the rows of an INSERT … SELECT to Kafka as they are selected, without writing them to the outbox first: answers how many they were; undefined when the INSERT
 * must take its usual way. So does one whose rows the server would change on the way (types, defaults), that may be repeated by its token, or whose settings say more than
 * that; and whatever fails, so that the server tells of it, or the rows are kept. `ofNothing`: what `insertOfNothing` made.
 */
export async function sendSelected(
  into: SelectedInto,
  { since, ofNothing }: { readonly since: OutboxMark | undefined; readonly ofNothing: string },
  session: ClientSession,
  outboxes: Outboxes,
): Promise<number | undefined> {
  const { stream } = session;
  if (stream === undefined || since === undefined || !(await isPlain(into, session))) return undefined;
  const sql = await columnsAsTheyAre(into, session);
  // What the server has against an INSERT of this client (quotas, a read-only mode), it says before anything is sent.
  if (sql === undefined || (await rowsOf(ofNothing, session)) === undefined) return undefined;
  const select: RowsSelect = { sql, columns: new Set(into.filled), stream };
  return session.whileHere(async (gone) => outboxes.sendSelected(since, select, gone));
}

/** Words that may mean more than rows: how the whole statement is run, data behind it, how an answer looks. */
const SAYS_MORE = /\b(?:settings|format|outfile)\b|\binput\s*\(/i;

/** Settings by which the rows are more than rows that may be selected twice: those of a repeated token, those of an array, those that are gone once they are read. */
const PLAIN = [
  "getSetting('insert_deduplication_token') = ''",
  "NOT getSetting('output_format_json_array_of_rows')",
  "NOT getSetting('stream_like_engine_allow_direct_select')",
].join(' AND ');

async function isPlain({ select }: SelectedInto, session: ClientSession): Promise<boolean> {
  const readOnly = session.setting('readonly');
  if (SAYS_MORE.test(select) || (readOnly !== undefined && readOnly !== '0')) return false;
  const rows = await rowsOf(`SELECT toUInt8(${PLAIN})`, session);
  return rows?.[0]?.[0] === '1';
}

/** The SELECT with the columns called as they are written; undefined when the server would have to convert or to add one. */
async function columnsAsTheyAre({ columns, filled, select }: SelectedInto, session: ClientSession): Promise<string | undefined> {
  // The server compares the lengths of the arrays that are columns of one Nested.
  if (columns.some(({ name }) => !filled.includes(name) || name.includes('.'))) return undefined;
  const text = withoutOutput(select).replace(/[;\s]+$/, '');
  // A comment may be its end.
  const inner = `(${text}\n)`;
  const given = await rowsOf(`DESCRIBE TABLE ${inner}`, session);
  if (given?.length !== filled.length || new Set(given.map(([name]) => name)).size < given.length) return undefined;
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  const items = filled.map((name, index) => asItIs(given[index] ?? [], { name, type: types.get(name) ?? addedColumnType(name) ?? '' }));
  return items.includes(undefined) ? undefined : `SELECT ${items.join(', ')} FROM ${inner} AS ${SELECTED}`;
}

/** In front of a column's name: without it the name of another one, under which it is written, would be meant. */
const SELECTED = '_sluice_selected';

function asItIs([name = '', type = '']: readonly string[], column: Column): string | undefined {
  const value = `${SELECTED}.${quoteIdentifier(name)}`;
  const as = ` AS ${quoteIdentifier(column.name)}`;
  if (type === column.type) return value + as;
  return column.type === `Nullable(${type})` ? `toNullable(${value})${as}` : undefined;
}

/** Undefined when the server refuses: it says so to the client's own statement as well. */
async function rowsOf(sql: string, session: ClientSession): Promise<string[][] | undefined> {
  try {
    return await session.run(sql);
  } catch (error) {
    if (error instanceof ClickHouseException) return undefined;
    throw error;
  }
}

/** An INSERT of no rows into the outbox: the server answers it as it would the client's own. */
export function insertOfNothing(outbox: PreparedOutbox, { name, type }: Column): string {
  const into = `${quoteIdentifier(outbox.database)}.${quoteIdentifier(outbox.table)} (${quoteIdentifier(name)})`;
  return `INSERT INTO ${into} SELECT defaultValueOfTypeName(${quoteString(type)}) WHERE 0`;
}
