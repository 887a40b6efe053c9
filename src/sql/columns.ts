import type { TableElement } from './ast.ts';
import { parseStatement } from './parse.ts';

/** An element of a column list with its own text. */
export interface DeclaredElement {
  readonly element: TableElement;
  readonly text: string;
}

/**
 * What stands between the brackets of `CREATE TABLE t (…)`, for example in the answer of SHOW CREATE TABLE, in order. undefined when
 * `createTable` is not such a statement; empty when it declares nothing.
 */
export function declaredElements(createTable: string): DeclaredElement[] | undefined {
  const result = parseStatement(createTable);
  if (!result.ok || result.statement.kind !== 'create-table') return undefined;
  const items = result.statement.elements?.items ?? [];
  return items.map((element) => ({ element, text: createTable.slice(element.span.start, element.span.end) }));
}
