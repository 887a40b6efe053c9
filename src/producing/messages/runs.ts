import { tableNameText } from '../../catalog/index.ts';
import { FORMAT_SETTINGS_COLUMN } from '../../engine/index.ts';
import { quoteString } from '../../sql/index.ts';
import { readKeptSettings } from './insert-settings.ts';
import { readAll } from './read-all.ts';
import type { OutboxPart, OutboxReader, RenderedTable } from './types.ts';

/** Parts that follow one another and are rendered alike. */
export interface Run {
  /** Its place among all parts. */
  readonly firstPart: number;
  readonly parts: readonly OutboxPart[];
  /** With the settings of the INSERTs where the table has none. */
  readonly table: RenderedTable;
  readonly rowsPerMessage: number;
  /** Most rows of a message in formats whose messages are blocks. */
  readonly rowsPerBlock: number;
}

/** Rows of a block as the server makes them by itself (`max_block_size`). */
const BLOCK_ROWS = 65_409;

/** Splits parts by the settings of their INSERTs. */
export async function runsOf(
  client: OutboxReader,
  table: RenderedTable,
  parts: readonly OutboxPart[],
  signal: AbortSignal,
): Promise<Run[]> {
  if (!table.added.has(FORMAT_SETTINGS_COLUMN)) return [runOf(table, parts, 0, '')];
  const kept = await readKept(client, table, parts, signal);
  const runs: Run[] = [];
  let first = 0;
  for (let i = 1; i <= parts.length; i++) {
    if (i < parts.length && kept[i] === kept[first]) continue;
    runs.push(runOf(table, parts.slice(first, i), first, kept[first] ?? ''));
    first = i;
  }
  return runs;
}

function runOf(table: RenderedTable, parts: readonly OutboxPart[], firstPart: number, kept: string): Run {
  const { max_block_size: blockSize, ...ofInsert } = readKeptSettings(kept);
  const { options } = table;
  // The real engine looks at the INSERT for this one, and not at the table.
  const rowsInFile = options.format.toLowerCase() === 'avro' ? ofInsert['output_format_avro_rows_in_file'] : undefined;
  return {
    firstPart,
    parts,
    table: { ...table, options: { ...options, formatSettings: { ...ofInsert, ...options.formatSettings } } },
    rowsPerMessage: Number(rowsInFile ?? options.write.maxRowsPerMessage),
    rowsPerBlock: Number(blockSize ?? BLOCK_ROWS),
  };
}

/** What each part's first row keeps: a part is of one INSERT. */
async function readKept(client: OutboxReader, table: RenderedTable, parts: readonly OutboxPart[], signal: AbortSignal): Promise<string[]> {
  const names = parts.map(({ name }) => quoteString(name)).join(', ');
  const sql =
    `SELECT _part, ${FORMAT_SETTINGS_COLUMN} FROM ${tableNameText(table.outbox)} ` +
    `WHERE _part IN (${names}) AND _part_offset = 0 FORMAT JSONCompactEachRow`;
  const answer = await readAll(client.stream(sql, { max_query_size: 100_000_000 }, signal));
  const lines = answer
    .toString()
    .split('\n')
    .filter((line) => line !== '');
  const byPart = new Map(lines.map((line) => JSON.parse(line) as [string, string]));
  return parts.map(({ name }) => byPart.get(name) ?? '');
}
