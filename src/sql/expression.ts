/**
 * Finds where an expression, a data type or a bracketed part ends without building a tree: the gateway carries them verbatim.
 *
 * An expression is taken as operands and operators in turn, as in ClickHouse's `ExpressionListParsers.cpp` (26.7): it ends at the first
 * token that cannot continue it, such as a comma, a closing bracket or the next clause's word. No recursion, so any depth is safe.
 */
import type { Lexer } from './lexer.ts';

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
const BINARY_SYMBOLS = new Set(['+', '-', '−', '*', '/', '%', '=', '==', '!=', '<>', '<', '<=', '<=>', '>', '>=', '||', '->', '?', '^']);
const BINARY_WORDS = new Set(['AND', 'OR', 'XOR', 'LIKE', 'ILIKE', 'REGEXP', 'IN', 'BETWEEN', 'MOD', 'DIV', 'GLOBAL']);
const CAN_BE_NEGATED = new Set(['LIKE', 'ILIKE', 'REGEXP', 'IN', 'BETWEEN']);
const TIME = new Set(['TIME']);
const CASE_WORDS = new Set(['WHEN', 'THEN', 'ELSE']);
const INTERVAL_UNIT =
  /^(?:NANOSECOND|MICROSECOND|MILLISECOND|SECOND|MINUTE|HOUR|DAY|WEEK|MONTH|QUARTER|YEAR|[SMHDWQY]|MS|US|NS|MI|HH|DD|WK|QQ|YYYY|SQL_TSI_\w+)S?$/;
const IS_TEST = /^(?:NULL|TRUE|FALSE|UNKNOWN)$/;

/** The end of the bracketed part whose opening bracket is `lexer`'s token; −1 when it is not closed or a bracket does not match. */
export function endOfBrackets(lexer: Lexer): number {
  const expected: string[] = [];
  for (;;) {
    if (lexer.kind === 'end' || lexer.kind === 'error') return -1;
    if (lexer.kind === 'symbol') {
      const symbol = lexer.tokenText;
      const closing = CLOSING[symbol];
      if (closing !== undefined) expected.push(closing);
      else if ((symbol === ')' || symbol === ']' || symbol === '}') && expected.pop() !== symbol) return -1;
      if (expected.length === 0) return lexer.end;
    }
    lexer.next();
  }
}

/** The end of the data type at `position`, `-1` when there is none: `Array(Tuple(a Enum8('x' = 1), b Nullable(String)))`, `DOUBLE PRECISION`. */
export function endOfDataType(lexer: Lexer, position: number): number {
  lexer.moveTo(position);
  lexer.next();
  if (lexer.kind !== 'word' && lexer.kind !== 'identifier') return -1;
  let end = lexer.end;
  while (skipWords(lexer, end, TYPE_SUFFIX)) end = lexer.end;
  lexer.moveTo(end);
  lexer.next();
  if (!lexer.is('(')) return end;
  end = endOfBrackets(lexer);
  return end >= 0 && skipWords(lexer, end, /^(?:SIGNED|UNSIGNED)$/i) ? lexer.end : end;
}

const TYPE_SUFFIX = /^(?:SIGNED|UNSIGNED|PRECISION|VARYING|LARGE|OBJECT|CHARACTER|CHAR)$/i;

function skipWords(lexer: Lexer, position: number, wanted: RegExp): boolean {
  lexer.moveTo(position);
  return lexer.next() === 'word' && wanted.test(lexer.tokenText);
}

/** The end of the expression at `position`, `-1` when none is complete there. White space and comments behind it are not part of it. */
export function endOfExpression(lexer: Lexer, position: number): number {
  return new ExpressionScan(lexer, position).run();
}

class ExpressionScan {
  readonly #lexer: Lexer;
  #end: number;
  #openCases = 0;
  #openTernaries = 0;
  /** INTERVAL was read, its unit was not. */
  #openIntervals = 0;
  /** The operand just read can be called or can introduce a literal: `f(…)`, `DATE '…'`. */
  #lastWord = '';

  constructor(lexer: Lexer, position: number) {
    this.#lexer = lexer;
    this.#end = position;
  }

  run(): number {
    for (;;) {
      if (!this.#readOperand()) return -1;
      for (;;) {
        const next = this.#readOperator();
        if (next === 'operand') break;
        if (next === 'end') return this.#openCases === 0 ? this.#end : -1;
        if (next === 'failure') return -1;
      }
    }
  }

  #next(afterDot = false): void {
    this.#lexer.moveTo(this.#end, afterDot);
    this.#lexer.next();
  }

  #take(): true {
    this.#end = this.#lexer.end;
    return true;
  }

  #takeBrackets(): boolean {
    this.#end = endOfBrackets(this.#lexer);
    return this.#end >= 0;
  }

  /** Reads prefix operators and one operand. */
  #readOperand(): boolean {
    const lexer = this.#lexer;
    this.#lastWord = '';
    for (;;) {
      this.#next();
      if (lexer.kind === 'string' || lexer.kind === 'number') return this.#take();
      if (lexer.kind === 'identifier') return this.#takeName('`');
      if (lexer.kind === 'word') {
        if (!this.#isPrefixWord()) return this.#takeName(lexer.tokenText.toUpperCase());
      } else if (lexer.kind !== 'symbol') return false;
      else if (lexer.tokenText in CLOSING) return this.#takeBrackets();
      else if (lexer.is('*')) return this.#take();
      else if (!['-', '+', '−', '@@'].includes(lexer.tokenText)) return false;
      this.#take();
    }
  }

  #takeName(word: string): true {
    this.#lastWord = word;
    return this.#take();
  }

  #isPrefixWord(): boolean {
    const word = this.#lexer.tokenText.toUpperCase();
    if (word === 'NOT') return true;
    if (word !== 'CASE' && word !== 'INTERVAL') return this.#openCases > 0 && word === 'WHEN';
    if (!this.#isFollowedByOperand()) return false;
    if (word === 'CASE') this.#openCases += 1;
    else this.#openIntervals += 1;
    return true;
  }

  /** CASE and INTERVAL are also names; then an operator, a bracket that calls, a comma or the end follows. */
  #isFollowedByOperand(): boolean {
    const lexer = this.#lexer;
    return lexer.lookAhead(() => {
      const kind = lexer.next();
      return kind === 'symbol' ? lexer.is('-') || lexer.is('(') : kind !== 'end' && kind !== 'error';
    });
  }

  /** What follows an operand: `more` of the same operand, an operator that asks for an `operand`, or the expression's `end`. */
  #readOperator(): 'more' | 'operand' | 'end' | 'failure' {
    const lexer = this.#lexer;
    const word = this.#lastWord;
    this.#next();
    if (lexer.kind === 'string' && (word === 'DATE' || word === 'TIMESTAMP')) return this.#more(this.#take());
    if (lexer.kind === 'word') return this.#readWordOperator(lexer.tokenText.toUpperCase());
    if (lexer.kind !== 'symbol') return 'end';
    const symbol = lexer.tokenText;
    if (symbol === '(') return word === '' ? 'end' : this.#keepWord(this.#takeBrackets(), ')');
    if (symbol === '[') return this.#more(this.#takeBrackets());
    if (symbol === '.') return this.#keepWord(this.#readElement(), '.');
    if (symbol === '::') return this.#more(this.#readCastType());
    if (symbol === ':' && this.#openTernaries > 0) {
      this.#openTernaries -= 1;
      return this.#operand();
    }
    if (!BINARY_SYMBOLS.has(symbol)) return 'end';
    if (symbol === '?') this.#openTernaries += 1;
    return this.#operand();
  }

  #more(isRead: boolean): 'more' | 'failure' {
    return this.#keepWord(isRead, '');
  }

  #keepWord(isRead: boolean, word: string): 'more' | 'failure' {
    this.#lastWord = word;
    return isRead ? 'more' : 'failure';
  }

  #operand(): 'operand' {
    this.#take();
    return 'operand';
  }

  /** `.name`, `.1`, `` .:`Type` ``, `.^name`. */
  #readElement(): boolean {
    const lexer = this.#lexer;
    this.#take();
    this.#next(true);
    if (lexer.is(':') || lexer.is('^')) {
      this.#take();
      this.#next();
    }
    return lexer.kind === 'symbol' ? lexer.is('*') && this.#take() : lexer.kind !== 'end' && lexer.kind !== 'error' && this.#take();
  }

  #readCastType(): boolean {
    this.#end = endOfDataType(this.#lexer, this.#lexer.end);
    return this.#end >= 0;
  }

  #readWordOperator(word: string): 'more' | 'operand' | 'end' | 'failure' {
    if (this.#openIntervals > 0 && INTERVAL_UNIT.test(word)) {
      this.#openIntervals -= 1;
      return this.#more(this.#take());
    }
    if (BINARY_WORDS.has(word)) return this.#readBinaryWord(word);
    if (word === 'NOT') return this.#isFollowedBy(CAN_BE_NEGATED) ? this.#operandAfterNext() : 'end';
    if (word === 'IS') return this.#readIs();
    if (word === 'AT') return this.#readTimeZone();
    if (this.#openCases > 0 && CASE_WORDS.has(word)) return this.#operand();
    if (this.#openCases > 0 && word === 'END') {
      this.#openCases -= 1;
      return this.#more(this.#take());
    }
    return 'end';
  }

  #readBinaryWord(word: string): 'operand' {
    this.#take();
    if (word !== 'GLOBAL') return 'operand';
    this.#next();
    if (this.#lexer.kind === 'word' && this.#lexer.tokenText.toUpperCase() === 'NOT') return this.#operandAfterNext();
    return this.#operand();
  }

  /** Takes this word and the next one, behind which an operand follows. */
  #operandAfterNext(): 'operand' {
    this.#take();
    this.#next();
    return this.#operand();
  }

  /** `IS [NOT] NULL`, `IS [NOT] DISTINCT FROM …`. */
  #readIs(): 'more' | 'operand' | 'failure' {
    this.#take();
    this.#next();
    let word = this.#lexer.tokenText.toUpperCase();
    if (word === 'NOT') {
      this.#take();
      this.#next();
      word = this.#lexer.tokenText.toUpperCase();
    }
    if (word === 'DISTINCT') return this.#operandAfterNext();
    return this.#more(IS_TEST.test(word) && this.#take());
  }

  /** `AT TIME ZONE 'UTC'` */
  #readTimeZone(): 'operand' | 'end' {
    if (!this.#isFollowedBy(TIME)) return 'end';
    this.#take();
    this.#next();
    return this.#operandAfterNext();
  }

  #isFollowedBy(words: ReadonlySet<string>): boolean {
    const lexer = this.#lexer;
    return lexer.lookAhead(() => lexer.next() === 'word' && words.has(lexer.tokenText.toUpperCase()));
  }
}
