import { Lexer } from './lexer.ts';

/**
 * The text with something else of the same length, in bytes, in the place of what its string literals hold and of the value behind each word that `isSecretName` says
 * yes to, with quotes, an equals sign or without. Behind a token that cannot be read nothing is left. So the server says the same to it, at the same position.
 */
export function blankLiterals(text: string, isSecretName: (word: string) => boolean): string {
  const lexer = new Lexer(text);
  const parts: string[] = [];
  let done = 0;
  const blank = (start: number, end: number, filler: string): void => {
    parts.push(text.slice(done, start), filled(text.slice(start, end), filler));
    done = end;
  };
  let place: 'elsewhere' | 'before a value' | 'in a value' = 'elsewhere';
  for (let before = 0; lexer.next() !== 'end'; before = lexer.end) {
    const { start, end, kind } = lexer;
    if (kind === 'error') {
      blank(start + 1, text.length, '*');
      break;
    }
    if (place === 'in a value' && (start > before || ENDS_A_VALUE.has(lexer.tokenText))) place = 'elsewhere';
    if (place === 'before a value' && !lexer.is('=') && !lexer.is('==')) place = 'in a value';
    const [from, to] = inside(text, start, end);
    if (kind === 'string') blank(from, to, /^[xb]/i.test(lexer.tokenText) ? '0' : '*');
    else if (place === 'in a value' && kind !== 'symbol') blank(from, to, kind === 'number' ? '0' : 'x');
    else if (place === 'elsewhere' && isSecretName(lexer.tokenText)) place = 'before a value';
  }
  return parts.join('') + text.slice(done);
}

const ENDS_A_VALUE: ReadonlySet<string> = new Set([',', ')', ';']);

/** What stands between the quotes of a token, or the whole of one without. */
function inside(text: string, start: number, end: number): [number, number] {
  const [opening = ''] = /^(?:[xb]?'|["`‘“]|\$\w*\$)/iu.exec(text.slice(start, end)) ?? [];
  const closingLength = opening.startsWith('$') ? opening.length : Math.min(opening.length, 1);
  return [start + opening.length, Math.max(start + opening.length, end - closingLength)];
}

/** Lines stay lines: the server tells positions by them, too. */
function filled(text: string, filler: string): string {
  return text.replace(/[^\n]/gu, (character) => filler.repeat(Buffer.byteLength(character)));
}
