/** How the end of a body is known. */
export type Framing = 'none' | 'length' | 'chunks' | 'close';

const MAX_LINE_CHARACTERS = 64 * 1024;
const SIZE_LINE = /^[0-9a-fA-F]{1,13}[ \t]*(?:;.*)?\r?\n$/;
const NEWLINE = 0x0a;
const LINE_BREAK_BYTES = 2;
const NOBODY = (): void => undefined;

/** Follows the body of a request or an answer, as it is on the wire, through its pieces to its end. Of chunks only the sizes are looked at. */
export class WireBody {
  readonly #framing: Framing;
  /** Of the body with a length, or of the chunk at hand and its line break. */
  #leftBytes: number;
  /** The beginning of a line that is not complete yet. */
  #line = '';
  #isInTrailers = false;

  constructor(framing: Framing, bodyBytes: number) {
    this.#framing = framing;
    this.#leftBytes = framing === 'length' ? bodyBytes : 0;
  }

  /** Whether nothing comes behind the head, or nothing more. */
  get isEmpty(): boolean {
    return this.#framing === 'none' || (this.#framing === 'length' && this.#leftBytes === 0);
  }

  /**
   * Where in `piece` the body ended, or undefined when more is to come. `told` hears where in it stands what the body carries, in order. Throws for broken chunks.
   */
  findEnd(piece: Buffer, told: (from: number, to: number) => void = NOBODY): number | undefined {
    if (this.#framing === 'chunks') return this.#findLastChunk(piece, told);
    const bytes = this.#framing === 'close' ? piece.length : Math.min(piece.length, this.#leftBytes);
    told(0, bytes);
    if (this.#framing === 'close') return undefined;
    this.#leftBytes -= bytes;
    return this.#leftBytes === 0 ? bytes : undefined;
  }

  #findLastChunk(piece: Buffer, told: (from: number, to: number) => void): number | undefined {
    let at = 0;
    while (at < piece.length) {
      if (this.#leftBytes > 0) {
        const step = Math.min(this.#leftBytes, piece.length - at);
        const carried = Math.min(step, this.#leftBytes - LINE_BREAK_BYTES);
        if (carried > 0) told(at, at + carried);
        at += step;
        this.#leftBytes -= step;
        continue;
      }
      const newline = piece.indexOf(NEWLINE, at);
      const end = newline === -1 ? piece.length : newline + 1;
      const line = this.#line + piece.toString('latin1', at, end);
      if (line.length > MAX_LINE_CHARACTERS) throw new Error('Parse Error: a line of a chunked body is too long');
      this.#line = newline === -1 ? line : '';
      at = end;
      if (newline === -1) return undefined;
      if (!this.#isInTrailers) this.#startChunk(line);
      else if (line === '\r\n' || line === '\n') return at;
    }
    return undefined;
  }

  #startChunk(line: string): void {
    if (!SIZE_LINE.test(line)) throw new Error('Parse Error: Invalid character in chunk size');
    const bytes = Number.parseInt(line, 16);
    if (bytes === 0) this.#isInTrailers = true;
    else this.#leftBytes = bytes + LINE_BREAK_BYTES;
  }
}

/** What the beginning of a chunked body carries, as far as it can be read. */
export function withoutChunks(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf(NEWLINE, at) + 1;
    const line = bytes.toString('latin1', at, lineEnd);
    const size = SIZE_LINE.test(line) ? Number.parseInt(line, 16) : 0;
    if (size === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(lineEnd, lineEnd + size));
    at = lineEnd + size + LINE_BREAK_BYTES;
  }
}
