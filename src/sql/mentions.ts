/**
 * Cheap questions about a statement's text, answered over its tokens: strings and comments do not count. Text behind a token that cannot
 * be read is searched as plain text, so that a difference between this lexer and the server's can only make the answer `true` too often.
 */
import { Lexer } from './lexer.ts';
import { unquoteIdentifier } from './unquote.ts';

/** Is `ENGINE [=] Kafka` written anywhere, the engine's name bare or quoted? Its case counts, that of ENGINE does not. Linear. */
export function mentionsKafkaEngine(text: string): boolean {
  if (!/engine/i.test(text)) return false;
  const lexer = new Lexer(text);
  while (lexer.next() !== 'end') {
    if (lexer.kind === 'error') return text.includes('Kafka', lexer.start);
    while (isWord(lexer, 'ENGINE')) {
      lexer.next();
      if (lexer.is('=') || lexer.is('==')) lexer.next();
      if (nameOf(lexer) === 'Kafka') return true;
    }
  }
  return false;
}

const BEHIND_A_COLUMN = ['TOTALS', 'ROLLUP', 'CUBE', 'FILL', 'TIES'] as const;

/** Are there statements joined by `PARALLEL WITH`? A column of the name `parallel` with `WITH TOTALS` and the like behind it joins none. Linear. */
export function mentionsParallelWith(text: string): boolean {
  if (!/parallel/i.test(text)) return false;
  const lexer = new Lexer(text);
  while (lexer.next() !== 'end') {
    if (lexer.kind === 'error') return /\bparallel\s+with\b/i.test(text.slice(lexer.start));
    while (isWord(lexer, 'PARALLEL')) {
      lexer.next();
      if (!isWord(lexer, 'WITH')) continue;
      lexer.next();
      if (!BEHIND_A_COLUMN.some((word) => isWord(lexer, word))) return true;
    }
  }
  return false;
}

/** Does a bare or quoted identifier equal one of `names`? `a.b` is two identifiers. Linear. */
export function mentionsIdentifier(text: string, names: ReadonlySet<string>): boolean {
  if (names.size === 0) return false;
  const lexer = new Lexer(text);
  while (lexer.next() !== 'end') {
    if (lexer.kind === 'error') return [...names].some((name) => text.includes(name, lexer.start));
    const name = nameOf(lexer);
    if (name !== undefined && names.has(name)) return true;
  }
  return false;
}

/**
 * All bare or quoted identifiers, keywords as well; `has` answers as `mentionsIdentifier`. Linear, once.
 */
export function identifiersIn(text: string): Pick<ReadonlySet<string>, 'has'> {
  const found = new Set<string>();
  const lexer = new Lexer(text);
  while (lexer.next() !== 'end') {
    if (lexer.kind === 'error') return withText(found, text.slice(lexer.start));
    const name = nameOf(lexer);
    if (name !== undefined) found.add(name);
  }
  return found;
}

function withText(names: ReadonlySet<string>, text: string): Pick<ReadonlySet<string>, 'has'> {
  return { has: (name) => names.has(name) || text.includes(name) };
}

function isWord(lexer: Lexer, word: string): boolean {
  return lexer.kind === 'word' && lexer.end - lexer.start === word.length && lexer.tokenText.toUpperCase() === word;
}

function nameOf(lexer: Lexer): string | undefined {
  return lexer.kind === 'word' || lexer.kind === 'identifier' ? unquoteIdentifier(lexer.tokenText) : undefined;
}
