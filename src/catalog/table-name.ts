import { quoteIdentifier } from '../sql/index.ts';
import type { TableId } from './store.ts';

/** The name of a table as SQL. */
export function tableNameText({ database, name }: TableId): string {
  return `${quoteIdentifier(database)}.${quoteIdentifier(name)}`;
}
