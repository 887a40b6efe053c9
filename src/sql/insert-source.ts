import type { InsertHead } from './ast.ts';
import { Lexer } from './lexer.ts';
import { Scanner } from './scanner.ts';

/** `start`: of the SELECT, with the brackets around it. */
export type InsertSource = { readonly kind: 'select'; readonly start: number } | { readonly kind: 'data' };

/**
 * What an INSERT takes its rows from: a SELECT, or data (VALUES, FORMAT, FROM INFILE). `text` may be cut off anywhere, and be bytes read as latin1; undefined
 * while it is not certain, and for what no INSERT can go on with.
 */
export function sourceOf(text: string, { rest = text.length, settings }: InsertHead): InsertSource | undefined {
  const lexer = new Lexer(text, settings?.span.end ?? rest);
  lexer.next();
  const { start } = lexer;
  const isInBrackets = lexer.is('(');
  while (lexer.is('(')) lexer.next();
  if (lexer.kind !== 'word' || lexer.end === text.length) return undefined;
  const word = lexer.tokenText.toUpperCase();
  if (isInBrackets) return BEGINS_IN_BRACKETS.has(word) && !isColumnName(lexer) ? { kind: 'select', start } : undefined;
  // It is not read to its end.
  if (word === 'SETTINGS') return undefined;
  return BEGINS_A_SELECT.has(word) ? { kind: 'select', start } : { kind: 'data' };
}

const BEGINS_A_SELECT: ReadonlySet<string> = new Set(['SELECT', 'WITH']);
const BEGINS_IN_BRACKETS: ReadonlySet<string> = new Set([...BEGINS_A_SELECT, 'FROM']);

/** In a column list that is not closed yet. */
function isColumnName(lexer: Lexer): boolean {
  const kind = lexer.next();
  return kind === 'end' || kind === 'error' || lexer.is(',') || lexer.is(')') || lexer.is('.');
}

/** A SELECT without what says how its answer is given: INTO OUTFILE, FORMAT, and all that follows these. As it is when it cannot be read. */
export function withoutOutput(select: string): string {
  const end = new Scanner(select).query(0);
  return end < 0 ? select : select.slice(0, end);
}
