import { endOfBrackets, endOfDataType, endOfExpression } from './expression.ts';
import { Lexer, type TokenKind } from './lexer.ts';

/**
 * What the grammar's lexical part asks: where does the thing at a position end? Every question answers `-1` when it is not there.
 * One scanner serves one parse; `problem` keeps the lexical error that stopped it, if there was one.
 */
export class Scanner {
  readonly #lexer: Lexer;
  #spaceFrom = -1;
  #spaceEnd = -1;
  #problem: { readonly position: number; readonly text: string } | undefined;

  constructor(text: string) {
    this.#lexer = new Lexer(text);
  }

  get problem(): { readonly position: number; readonly text: string } | undefined {
    return this.#problem;
  }

  /** White space and comments; never −1. Alternatives of the grammar ask for one place again and again, hence the memory. */
  space(position: number): number {
    if (position !== this.#spaceFrom) {
      this.#spaceEnd = this.#ask(() => this.#lexer.skipSpace(position));
      this.#spaceFrom = position;
    }
    return this.#spaceEnd;
  }

  token(kind: TokenKind, position: number, afterDot = false): number {
    return this.#ask(() => {
      this.#lexer.moveTo(position, afterDot);
      return this.#lexer.next() === kind && this.#lexer.start === position ? this.#lexer.end : -1;
    });
  }

  expression(position: number): number {
    return this.#ask(() => endOfExpression(this.#lexer, position));
  }

  dataType(position: number): number {
    return this.#ask(() => endOfDataType(this.#lexer, position));
  }

  /** Brackets of any kind with all that is in them. */
  brackets(position: number): number {
    return this.#ask(() => {
      this.#lexer.moveTo(position);
      this.#lexer.next();
      return this.#lexer.kind === 'symbol' && '([{'.includes(this.#lexer.tokenText) ? endOfBrackets(this.#lexer) : -1;
    });
  }

  /**
   * A SELECT, up to `;`, the end of the text or what belongs to the statement around it: `INTO OUTFILE`, `FORMAT name`, `COMMENT '…'`,
   * `PARALLEL WITH`. A column or table that is called `format` or `comment` does not end it.
   */
  query(position: number): number {
    return this.#upTo(position, (word) => this.#isEndOfQuery(word));
  }

  /** A list of ALTER commands: as a query, but COMMENT is one of them. */
  commands(position: number): number {
    return this.#upTo(position, (word) => word !== 'COMMENT' && this.#isEndOfQuery(word));
  }

  /** What stands between commas: up to the `,` or closing bracket that is not its own. */
  element(position: number): number {
    return this.#upTo(position, undefined);
  }

  /** Behind the white space before the word INSERT that follows a WITH clause. */
  beforeInsert(position: number): number {
    return this.#ask(() => {
      const lexer = this.#lexer;
      lexer.moveTo(position);
      for (let kind = lexer.next(); kind !== 'end' && kind !== 'error'; kind = lexer.next()) {
        if (kind === 'word' && lexer.tokenText.toUpperCase() === 'INSERT') return lexer.start;
        if (kind === 'symbol' && '([{'.includes(lexer.tokenText)) {
          const end = endOfBrackets(lexer);
          if (end < 0) return -1;
          lexer.moveTo(end);
        }
      }
      return -1;
    });
  }

  #upTo(position: number, isEnd: ((word: string) => boolean) | undefined): number {
    return this.#ask(() => {
      const lexer = this.#lexer;
      lexer.moveTo(position);
      let end = -1;
      for (let kind = lexer.next(); kind !== 'end' && !lexer.is(';'); kind = lexer.next()) {
        if (kind === 'error') return -1;
        if (lexer.is(')') || lexer.is(']') || lexer.is('}') || lexer.is(',')) {
          if (!isEnd) return end;
          if (!lexer.is(',')) return -1;
        }
        if (kind === 'word' && end >= 0 && isEnd?.(lexer.tokenText.toUpperCase())) break;
        end = kind === 'symbol' && '([{'.includes(lexer.tokenText) ? endOfBrackets(lexer) : lexer.end;
        if (end < 0) return -1;
      }
      return end;
    });
  }

  #isEndOfQuery(word: string): boolean {
    const lexer = this.#lexer;
    if (word !== 'FORMAT' && word !== 'INTO' && word !== 'COMMENT' && word !== 'PARALLEL') return false;
    return lexer.lookAhead(() => {
      const kind = lexer.next();
      const next = lexer.tokenText.toUpperCase();
      if (word === 'INTO') return next === 'OUTFILE';
      if (word === 'PARALLEL') return next === 'WITH';
      if (word === 'COMMENT') return kind === 'string' && this.#isFollowedByTail();
      return (kind === 'word' || kind === 'identifier') && this.#isFollowedByTail();
    });
  }

  #isFollowedByTail(): boolean {
    const kind = this.#lexer.next();
    if (kind === 'word') return ['SETTINGS', 'FORMAT', 'INTO', 'PARALLEL'].includes(this.#lexer.tokenText.toUpperCase());
    return kind === 'end' || this.#lexer.is(';');
  }

  #ask(question: () => number): number {
    this.#lexer.reset();
    const answer = question();
    if (this.#lexer.kind === 'error') this.#problem ??= { position: this.#lexer.start, text: this.#lexer.problem };
    return answer;
  }
}
