import type { Catalog, Hindrance, ManagedTable } from '../catalog/index.ts';
import type { TableId } from './context.ts';
import type { Notice } from './types.ts';

/** A client is not told more than this of one statement; the rest is in `/status`. */
const MOST_TOLD = 5;

/**
 * For a statement that may change where the rows of these Kafka tables end up. Call it before the statement; the answer, called when the catalog has been
 * read again, is a sentence about what newly stands in the way of exactly-once, with the statements that change it; undefined when nothing does.
 */
export function noticeOfDelivery(catalog: Pick<Catalog, 'find'>, concerned: readonly TableId[]): Notice {
  const now = (): ManagedTable[] => concerned.flatMap(({ database, table }) => catalog.find(database, table) ?? []);
  const known = new Set(now().flatMap((table) => hindrancesOf(table).map(({ key }) => key)));
  return () => {
    const sentences = now().flatMap((table) => sentenceOf(table, known));
    if (sentences.length === 0) return undefined;
    const more = sentences.length > MOST_TOLD ? ` (and ${sentences.length - MOST_TOLD} more tables)` : '';
    return sentences.slice(0, MOST_TOLD).join(' ') + more;
  };
}

function sentenceOf(table: ManagedTable, known: ReadonlySet<string>): string[] {
  const found = hindrancesOf(table).filter(({ key }) => !known.has(key));
  if (found.length === 0) return [];
  const told = found.slice(0, MOST_TOLD).map(({ hindrance: { table: name, reason, statement } }) => {
    return `${name}: ${reason}${statement === undefined ? '' : `; change it by ${statement}`}`;
  });
  return [`Delivery of ${table.database}.${table.table} is at least once, not exactly once. ${told.join('. ')}.`];
}

interface Found {
  readonly key: string;
  readonly hindrance: Hindrance;
}

function hindrancesOf({ database, table, delivery }: ManagedTable): Found[] {
  return delivery.prevents.map((hindrance) => ({ key: JSON.stringify([database, table, hindrance.table, hindrance.reason]), hindrance }));
}
