import { isSpace } from './write-text.ts';

/**
 * Finds the rows of a text, objects or arrays: `{…}`, `{…}{…}`, `{…},{…}`, one a line, or one `[{…}, …]`, as ClickHouse's JSONEachRow takes them; `[…]`, `[…],[…]`,
 * `[…];[…]` or one a line, as JSONCompactEachRow does. It only balances brackets outside of strings; whether each row is valid stays the server's to say.
 */
export class RowScanner {
  readonly #open: number;
  readonly #bounds: number[] = [];

  constructor(rows: 'objects' | 'arrays') {
    this.#open = rows === 'objects' ? 0x7b : 0x5b;
  }

  /**
   * Pairs of positions (start inclusive, end exclusive) in one flat array that is reused by the next call, or undefined when
   * the text between `start` and `end` (trimmed, not empty) has any other shape.
   */
  scan(bytes: Buffer, start: number, end: number): readonly number[] | undefined {
    this.#bounds.length = 0;
    const isWrapped = this.#open === 0x7b && bytes[start] === 0x5b;
    let at = isWrapped ? start + 1 : start;
    const stop = isWrapped ? end - 1 : end;
    if (isWrapped && bytes[end - 1] !== 0x5d) return undefined;
    let mayComma = false;
    for (;;) {
      while (at < stop && isSpace(bytes[at])) at++;
      if (at === stop) break;
      if (mayComma && this.#isSeparator(bytes[at])) {
        mayComma = false;
        at++;
        continue;
      }
      if (bytes[at] !== this.#open || (isWrapped && mayComma)) return undefined;
      const rowEnd = endOfBracketed(bytes, at, stop);
      if (rowEnd < 0) return undefined;
      this.#bounds.push(at, rowEnd);
      at = rowEnd;
      mayComma = true;
    }
    // `{…},` and `[{…},]` end in a comma: leave them to the exact path.
    return this.#bounds.length > 0 && !mayComma ? undefined : this.#bounds;
  }

  #isSeparator(byte: number | undefined): boolean {
    return byte === 0x2c || (byte === 0x3b && this.#open === 0x5b);
  }
}

/** The position behind the bracket (`{` or `[`) that closes the one at `start`, or -1. Each kind has to be balanced. */
export function endOfBracketed(bytes: Buffer, start: number, stop: number): number {
  let braces = 0;
  let brackets = 0;
  for (let at = start; at < stop; at++) {
    switch (bytes[at]) {
      case 0x22:
        at = endOfString(bytes, at + 1, stop);
        if (at < 0) return -1;
        break;
      case 0x7b:
        braces++;
        break;
      case 0x5b:
        brackets++;
        break;
      case 0x5d:
        if (--brackets < 0) return -1;
        if (brackets === 0 && braces === 0) return at + 1;
        break;
      case 0x7d:
        if (--braces < 0) return -1;
        if (brackets === 0 && braces === 0) return at + 1;
        break;
    }
  }
  return -1;
}

/**
 * The position of the quote that ends the string whose inside begins at `at`, or -1. The server takes any four bytes behind `\u`, even quotes: here only
 * digits will do.
 */
function endOfString(bytes: Buffer, at: number, stop: number): number {
  for (; at < stop; at++) {
    const byte = bytes[at];
    if (byte === 0x22) return at;
    if (byte !== 0x5c) continue;
    at++;
    if (bytes[at] !== 0x75) continue;
    for (const last = at + 4; at < last; at++) if (at + 1 >= stop || !isHexDigit(bytes[at + 1])) return -1;
  }
  return -1;
}

function isHexDigit(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const letter = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (letter >= 0x61 && letter <= 0x66);
}
