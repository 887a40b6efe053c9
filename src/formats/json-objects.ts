import { isSpace } from './write-text.ts';

/**
 * Finds the top-level objects of a text: `{…}`, `{…}{…}`, `{…},{…}`, one a line, or one `[{…}, …]`, as ClickHouse's JSONEachRow takes them.
 * It only balances braces and brackets outside of strings; whether each object is valid stays the server's to say.
 */
export class ObjectScanner {
  readonly #bounds: number[] = [];

  /**
   * Pairs of positions (start inclusive, end exclusive) in one flat array that is reused by the next call, or undefined when
   * the text between `start` and `end` (trimmed, not empty) has any other shape.
   */
  scan(bytes: Buffer, start: number, end: number): readonly number[] | undefined {
    this.#bounds.length = 0;
    const isArray = bytes[start] === 0x5b;
    let at = isArray ? start + 1 : start;
    const stop = isArray ? end - 1 : end;
    if (isArray && bytes[end - 1] !== 0x5d) return undefined;
    let mayComma = false;
    for (;;) {
      while (at < stop && isSpace(bytes[at])) at++;
      if (at === stop) break;
      if (mayComma && bytes[at] === 0x2c) {
        mayComma = false;
        at++;
        continue;
      }
      if (bytes[at] !== 0x7b || (isArray && mayComma)) return undefined;
      const objectEnd = endOfObject(bytes, at, stop);
      if (objectEnd < 0) return undefined;
      this.#bounds.push(at, objectEnd);
      at = objectEnd;
      mayComma = true;
    }
    // `{…},` and `[{…},]` end in a comma: leave them to the exact path.
    return this.#bounds.length > 0 && !mayComma ? undefined : this.#bounds;
  }
}

/** The position behind the brace that closes the one at `start`, or -1. Brackets have to match, too. */
function endOfObject(bytes: Buffer, start: number, stop: number): number {
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
        break;
      case 0x7d:
        if (--braces === 0) return brackets === 0 ? at + 1 : -1;
        break;
    }
  }
  return -1;
}

/** The position of the quote that ends the string whose inside begins at `at`, or -1. */
function endOfString(bytes: Buffer, at: number, stop: number): number {
  for (; at < stop; at++) {
    const byte = bytes[at];
    if (byte === 0x22) return at;
    if (byte === 0x5c) at++;
  }
  return -1;
}
