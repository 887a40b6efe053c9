import type { Framing } from './answer-head.ts';

const MAX_LINE_CHARACTERS = 64 * 1024;
const SIZE_LINE = /^[0-9a-fA-F]{1,13}[ \t]*(?:;.*)?$/;
const NEWLINE = 0x0a;
const LINE_BREAK_BYTES = 2;

/**
 * Follows an answer's body through its pieces to its end. What is passed on are the bytes of the wire, chunk sizes included, up to the last chunk, whose
 * line (`0`) and trailers are for the caller to write.
 */
export class AnswerBody {
  readonly #framing: Framing;
  /** Of the body with a length, or of the chunk at hand and its line break. */
  #leftBytes: number;
  /** The beginning of a line that is not complete yet. */
  #line = '';
  #isInTrailers = false;
  /** Lines behind the last chunk. */
  readonly trailers: string[] = [];

  constructor(framing: Framing, bodyBytes: number) {
    this.#framing = framing;
    this.#leftBytes = framing === 'length' ? bodyBytes : 0;
  }

  /** Whether nothing comes behind the head. */
  get isEmpty(): boolean {
    return this.#framing === 'none' || (this.#framing === 'length' && this.#leftBytes === 0);
  }

  /** Passes what `piece` has of the body; answers where in it the body ended, or undefined when more is to come. Throws for broken chunks. */
  walk(piece: Buffer, pass: (bytes: Buffer) => void): number | undefined {
    if (this.#framing === 'chunks') return this.#walkChunks(piece, pass);
    const bytes = this.#framing === 'close' ? piece.length : Math.min(piece.length, this.#leftBytes);
    this.#leftBytes -= bytes;
    if (bytes > 0) pass(bytes === piece.length ? piece : piece.subarray(0, bytes));
    return this.#framing !== 'close' && this.#leftBytes === 0 ? bytes : undefined;
  }

  #walkChunks(piece: Buffer, pass: (bytes: Buffer) => void): number | undefined {
    let at = 0;
    const passTo = (end: number): void => {
      if (end > 0) pass(end === piece.length ? piece : piece.subarray(0, end));
    };
    while (at < piece.length) {
      if (this.#leftBytes > 0) {
        const step = Math.min(this.#leftBytes, piece.length - at);
        at += step;
        this.#leftBytes -= step;
        continue;
      }
      const newline = piece.indexOf(NEWLINE, at);
      const begun = this.#line;
      this.#line += piece.toString('latin1', at, newline === -1 ? piece.length : newline + 1);
      if (this.#line.length > MAX_LINE_CHARACTERS) throw new Error('Parse Error: a line of a chunked body is too long');
      if (newline === -1) {
        // Whether this is the last chunk is not known yet.
        if (!this.#isInTrailers) passTo(at);
        return undefined;
      }
      const line = this.#line.replace(/\r?\n$/, '');
      this.#line = '';
      if (this.#isInTrailers) {
        if (line === '') return newline + 1;
        this.trailers.push(line);
        at = newline + 1;
        continue;
      }
      const bytes = sizeOf(line);
      if (bytes === 0) {
        passTo(at);
        this.#isInTrailers = true;
      } else {
        if (begun !== '') pass(Buffer.from(begun, 'latin1'));
        this.#leftBytes = bytes + LINE_BREAK_BYTES;
      }
      at = newline + 1;
    }
    if (!this.#isInTrailers) passTo(at);
    return undefined;
  }
}

function sizeOf(line: string): number {
  if (!SIZE_LINE.test(line)) throw new Error('Parse Error: Invalid character in chunk size');
  return Number.parseInt(line, 16);
}
