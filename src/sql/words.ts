import { Lexer } from './lexer.ts';

export interface FirstWords {
  /** Upper-cased, as many as asked for or fewer when something else than a word follows. */
  readonly words: readonly string[];
  /** The text ended before that was certain: with more text the answer may be longer or its last word another one. */
  readonly needsMore: boolean;
}

/**
 * The first `count` bare words of a statement, behind white space, comments and opening brackets. `head` may be cut off anywhere and may
 * be bytes read as latin1: what is not ASCII before the first word (byte order mark, odd spaces) is skipped.
 */
export function firstWords(head: string, count: number): FirstWords {
  const lexer = new Lexer(head);
  const words: string[] = [];
  while (words.length < count) {
    const kind = lexer.next();
    const isCut = lexer.end >= head.length || (kind === 'error' && lexer.problem === 'Multiline comment is not closed');
    if (kind === 'word') words.push(lexer.tokenText.toUpperCase());
    if (isCut) return { words, needsMore: true };
    if (kind === 'word') continue;
    if (kind === 'error' && words.length === 0 && head.charCodeAt(lexer.start) > 127) lexer.restartAt(lexer.start + 1);
    else if (words.length > 0 || !lexer.is('(')) break;
  }
  return { words, needsMore: false };
}
