/**
 * ClickHouse's lexical rules, the one place that knows them. Follows `src/Parsers/Lexer.cpp` (26.7): nested block comments, `--`, `//`, `#!`
 * and `# ` line comments, here documents, back-ticks and double quotes, typographic quotes, names that begin with a digit.
 */
import { isDigit, isHexDigit, isSpace, isWordCharacter } from './characters.ts';

/**
 * `word`: keyword or bare identifier. `identifier`: in back-ticks or double quotes. `string`: any string literal, here documents included.
 * `symbol`: one operator or bracket. `error`: nothing that can follow makes this a token; `problem` says why.
 */
export type TokenKind = 'end' | 'word' | 'number' | 'string' | 'identifier' | 'symbol' | 'error';

/** The second character of each is one of `=>:|@G`. */
const LONG_SYMBOLS = ['<=>', '->', '==', '!=', '<=', '>=', '<>', '::', '||', '@@', '\\G'];
const NOT_CLOSED = 'is not closed';

/**
 * Walks over the tokens of `text` from `position`, skipping white space and comments. Linear in the length of the text, never throws;
 * after `error` or `end` it stays there.
 */
export class Lexer {
  readonly text: string;
  kind: TokenKind = 'end';
  /** Where the token begins, and where the next one may. */
  start: number;
  end: number;
  /** What is wrong with an `error` token, in the server's words. */
  problem = '';
  #afterDot: boolean;
  #lastHeredocs: Map<string, number> | undefined;

  constructor(text: string, position = 0, afterDot = false) {
    this.text = text;
    this.start = position;
    this.end = position;
    this.#afterDot = afterDot;
  }

  /** Goes on from `position`, which must be a place between two tokens. */
  moveTo(position: number, afterDot = false): void {
    this.end = position;
    this.#afterDot = afterDot;
  }

  /** Forgets an error met before, to read elsewhere. */
  reset(): void {
    this.kind = 'end';
  }

  /** Goes on from `position` although an error was met before it. */
  restartAt(position: number): void {
    this.reset();
    this.moveTo(position);
  }

  next(): TokenKind {
    this.start = this.skipSpace(this.end);
    if (this.kind === 'error') return this.kind;
    this.kind = this.#read(this.start);
    this.#afterDot = this.kind === 'symbol' && this.is('.');
    return this.kind;
  }

  /** Runs `read` over the tokens that follow and comes back to the present one. */
  lookAhead<T>(read: () => T): T {
    const { kind, start, end } = this;
    const answer = read();
    this.kind = kind;
    this.start = start;
    this.end = end;
    return answer;
  }

  is(symbol: string): boolean {
    return this.end - this.start === symbol.length && this.text.startsWith(symbol, this.start);
  }

  get tokenText(): string {
    return this.text.slice(this.start, this.end);
  }

  /** The end of the white space and comments at `position`; an open comment makes the next token an `error`. */
  skipSpace(position: number): number {
    const { text } = this;
    let at = position;
    for (;;) {
      while (isSpace(text.charCodeAt(at))) at += 1;
      const end = this.#endOfComment(at);
      if (end === at) return at;
      at = end;
    }
  }

  #endOfComment(at: number): number {
    const { text } = this;
    const code = text.charCodeAt(at);
    if (code === 0x2d && text.charCodeAt(at + 1) === 0x2d) return this.#endOfLine(at);
    if (code === 0x23 && (text[at + 1] === ' ' || text[at + 1] === '!')) return this.#endOfLine(at);
    if (code !== 0x2f) return at;
    if (text[at + 1] === '/') return this.#endOfLine(at);
    return text[at + 1] === '*' ? this.#endOfBlockComment(at) : at;
  }

  #endOfLine(at: number): number {
    const end = this.text.indexOf('\n', at);
    return end < 0 ? this.text.length : end;
  }

  #endOfBlockComment(start: number): number {
    const marks = /\/\*|\*\//g;
    marks.lastIndex = start;
    let depth = 0;
    for (let mark = marks.exec(this.text); mark; mark = marks.exec(this.text)) {
      depth += mark[0] === '/*' ? 1 : -1;
      if (depth === 0) return marks.lastIndex;
    }
    this.#fail(start, 'Multiline comment is not closed');
    return start;
  }

  #read(at: number): TokenKind {
    const { text } = this;
    if (at >= text.length) return this.#token('end', at);
    const code = text.charCodeAt(at);
    if (isDigit(code)) return this.#readNumberOrWord(at);
    if (isWordCharacter(code)) return this.#isCodedString(at) ? this.#readCodedString(at) : this.#readWord(at);
    switch (text[at]) {
      case "'":
        return this.#readQuoted(at, "'", 'string', 'Single quoted string');
      case '"':
        return this.#readQuoted(at, '"', 'identifier', 'Double quoted string');
      case '`':
        return this.#readQuoted(at, '`', 'identifier', 'Back quoted string');
      case '‘':
        return this.#readTypographic(at, '’', 'string', 'Single quoted string');
      case '“':
        return this.#readTypographic(at, '”', 'identifier', 'Double quoted string');
      case '$':
        return this.#readDollar(at);
      case '.':
        return this.#readDot(at);
      default:
        return this.#readSymbol(at);
    }
  }

  #token(kind: TokenKind, end: number): TokenKind {
    this.end = end;
    return kind;
  }

  #fail(at: number, problem: string): TokenKind {
    this.kind = 'error';
    this.start = at;
    this.end = at;
    this.problem = problem;
    return 'error';
  }

  #readWord(at: number): TokenKind {
    let end = at + 1;
    while (isWordCharacter(this.text.charCodeAt(end)) || this.text[end] === '$') end += 1;
    return this.#token('word', end);
  }

  /** `x'4142'`, `b'0100'`. */
  #isCodedString(at: number): boolean {
    return this.text[at + 1] === "'" && 'xXbB'.includes(this.text.charAt(at));
  }

  #readCodedString(at: number): TokenKind {
    const isHex = this.text[at] === 'x' || this.text[at] === 'X';
    let end = at + 2;
    while (isHex ? isHexDigit(this.text.charCodeAt(end)) : this.text[end] === '0' || this.text[end] === '1') end += 1;
    if (this.text[end] !== "'") return this.#fail(at, `Single quoted string ${NOT_CLOSED}`);
    return this.#token('string', end + 1);
  }

  /** A back-slash takes the next character with it; a doubled quote is one quote. */
  #readQuoted(at: number, quote: string, kind: TokenKind, what: string): TokenKind {
    const { text } = this;
    const quoteCode = quote.charCodeAt(0);
    for (let end = at + 1; end < text.length; end += 1) {
      const code = text.charCodeAt(end);
      if (code === 0x5c) end += 1;
      else if (code === quoteCode) {
        if (text.charCodeAt(end + 1) !== quoteCode) return this.#token(kind, end + 1);
        end += 1;
      }
    }
    return this.#fail(at, `${what} ${NOT_CLOSED}`);
  }

  #readTypographic(at: number, closing: string, kind: TokenKind, what: string): TokenKind {
    const end = this.text.indexOf(closing, at + 1);
    return end < 0 ? this.#fail(at, `${what} ${NOT_CLOSED}`) : this.#token(kind, end + 1);
  }

  /** `$tag$ … $tag$`, a word such as `$a`, or the sign alone. */
  #readDollar(at: number): TokenKind {
    const tag = this.#tagAt(at);
    if (tag !== undefined && (this.#heredocs().get(tag) ?? -1) >= at + tag.length) {
      return this.#token('string', this.text.indexOf(tag, at + tag.length) + tag.length);
    }
    return isWordCharacter(this.text.charCodeAt(at + 1)) || this.text[at + 1] === '$' ? this.#readWord(at) : this.#token('symbol', at + 1);
  }

  #tagAt(at: number): string | undefined {
    let end = at + 1;
    while (isWordCharacter(this.text.charCodeAt(end))) end += 1;
    return this.text[end] === '$' ? this.text.slice(at, end + 1) : undefined;
  }

  /** Where each `$tag$` stands last: without it, a text full of tags that never close would be searched to its end once for each. */
  #heredocs(): Map<string, number> {
    if (this.#lastHeredocs) return this.#lastHeredocs;
    const last = new Map<string, number>();
    for (let at = this.text.indexOf('$'); at >= 0; at = this.text.indexOf('$', at + 1)) {
      const tag = this.#tagAt(at);
      if (tag !== undefined) last.set(tag, at);
    }
    this.#lastHeredocs = last;
    return last;
  }

  #readDot(at: number): TokenKind {
    // `.5` is a number unless it follows a name or a bracket: there it is the access to an element, `t.1`.
    const isNumber = isDigit(this.text.charCodeAt(at + 1)) && !this.#followsOperand();
    return isNumber ? this.#readNumberOrWord(at) : this.#token('symbol', at + 1);
  }

  #followsOperand(): boolean {
    // `kind` and `end` are still the token before.
    if (this.kind === 'symbol') return ')]'.includes(this.text.charAt(this.end - 1));
    return this.kind === 'word' || this.kind === 'identifier' || this.kind === 'number';
  }

  #readNumberOrWord(at: number): TokenKind {
    const { text } = this;
    const pattern = this.#afterDot
      ? /\d[\d_]*/y
      : /0[xX][\da-fA-F][\da-fA-F_]*(?:\.[\da-fA-F_]*)?(?:[pP][+-]?[\d_]*)?|0[bB][01][01_]*|(?:\d[\d_]*)?(?:\.[\d_]*)?(?:[eE][+-]?\d[\d_]*)?/y;
    pattern.lastIndex = at;
    pattern.exec(text);
    let end = Math.max(pattern.lastIndex, at + 1);
    if (!isWordCharacter(text.charCodeAt(end))) return this.#token('number', end);
    while (isWordCharacter(text.charCodeAt(end))) end += 1;
    for (let index = at; index < end; index += 1) if (!isWordCharacter(text.charCodeAt(index))) return this.#fail(at, 'Wrong number');
    return this.#token('word', end);
  }

  #readSymbol(at: number): TokenKind {
    const { text } = this;
    const next = text.charAt(at + 1);
    if (next !== '' && '=>:|@G'.includes(next)) {
      const long = LONG_SYMBOLS.find((symbol) => text.startsWith(symbol, at));
      if (long !== undefined) return this.#token('symbol', at + long.length);
    }
    // U+2212 is the minus of word processors.
    if ('()[]{},;.+-*/%=<>?:|@^&−'.includes(text.charAt(at))) return this.#token('symbol', at + 1);
    return this.#fail(at, text[at] === '!' ? 'Exclamation mark can only occur in != operator' : 'Unrecognized token');
  }
}
