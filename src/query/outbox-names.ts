import { addedOutboxColumns, outboxName } from '../engine/index.ts';
import { quoteIdentifier, quoteIdentifierIfNeeded, type TableName } from '../sql/index.ts';
import type { TableId } from './context.ts';

/** The outbox in the place of its table's name, with a database where the statement gives one. */
export function outboxInPlaceOf(name: TableName, outbox: TableId): string {
  const table = quoteIdentifier(outbox.table);
  return name.database === undefined ? table : `${quoteIdentifier(outbox.database)}.${table}`;
}

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';

/** What a part of a statement became in the statement that was sent instead, for positions in the server's syntax errors. */
export interface Replaced {
  readonly from: string;
  readonly to: string;
}

/**
 * Turns the text of an exception about an outbox into what it would say of the table itself: its name, its UUID (undefined where tables have none), and
 * positions in the client's own statement, whose beginning `replaced` tells.
 */
export function shownAs(
  { table, uuid }: { readonly table: string; readonly uuid?: string | undefined },
  replaced: Replaced,
): (text: string) => string {
  const hidden = outboxName(table);
  const shown = quoteIdentifierIfNeeded(table);
  const withUuid = new RegExp(`${escapeRegExp(quoteIdentifier(hidden))} \\(${UUID}\\)`, 'g');
  return (text) => {
    if (!text.includes(hidden) && !text.includes('Syntax error')) return text;
    const named = text
      .replace(withUuid, () => (uuid === undefined ? shown : `${shown} (${uuid})`))
      .replaceAll(quoteIdentifier(hidden), () => shown)
      .replaceAll(hidden, () => table);
    return withOwnPositions(named, replaced);
  };
}

/**
 * Leaves the outbox's own columns out of a text that describes its columns: `columns format version: 1`, `3 columns:`, then a line for each, its name in
 * back-ticks. `own`: the table's. What is no such text stays as it is.
 */
export function withoutAddedColumns(own: ReadonlySet<string>): (description: string) => string {
  const added = addedOutboxColumns(own).map((name) => `${quoteIdentifier(name)} `);
  return (description) => {
    const [version = '', count = '', ...lines] = description.split('\n');
    if (!/^\d+ columns:$/.test(count)) return description;
    const kept = lines.filter((line) => !added.some((start) => line.startsWith(start)));
    const columns = kept.filter((line) => line !== '').length;
    return [version, `${columns} columns:`, ...kept].join('\n');
  };
}

/** Positions count bytes from 1, columns those of a line. */
function withOwnPositions(text: string, { from, to }: Replaced): string {
  const grown = Buffer.byteLength(to) - Buffer.byteLength(from);
  const line = to.split('\n').length;
  return text
    .replace(/(Syntax error[^]*?failed at position )(\d+)/, (_, words: string, at: string) => {
      return Number(at) > Buffer.byteLength(to) ? `${words}${Number(at) - grown}` : `${words}${at}`;
    })
    .replace(/(\(line )(\d+)(, col )(\d+)/, (all: string, ...[open, at, middle, column]: string[]) => {
      const isAfter = Number(at) === line && Number(column) > Buffer.byteLength(to.slice(to.lastIndexOf('\n') + 1));
      return isAfter ? `${open ?? ''}${at ?? ''}${middle ?? ''}${Number(column) - grown}` : all;
    });
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
