import type { RowCutter } from './row-cutter.ts';
import { readTraits, type Traits } from './traits.ts';

/** Takes rows one by one; positions are of `source`, which is valid during the call only; `keyStart` -1: no key. */
export interface RowSink {
  row(
    partIndex: number,
    source: Buffer,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    /** Undefined for a row that says nothing of its message but its key. */
    traits: Traits | undefined,
  ): void;
}

/** So much of a piece is tried at least to complete a row that began in the one before. */
const LEAST_BYTES = 4096;

/**
 * Cuts the server's answer into rows. They are told by their positions where they stand, and no object is made for a row; only one that two pieces share, or more, is
 * copied together.
 */
export class RenderedRows {
  readonly #cutter: RowCutter;
  readonly #expectedRows: readonly number[] | undefined;
  readonly #sink: RowSink;
  /** What came of rows that are not whole. */
  #window = Buffer.alloc(0);
  #filled = 0;
  #part = 0;
  #offset = 0;

  /** `expectedRows`: of each part, in the order in which they must come; undefined: they are of no parts, each says that it is the first, and as many as come. */
  constructor(cutter: RowCutter, expectedRows: readonly number[] | undefined, sink: RowSink) {
    this.#cutter = cutter;
    this.#expectedRows = expectedRows;
    this.#sink = sink;
  }

  /** How many rows of the part that is being told were told; of all without parts. */
  get rows(): number {
    return this.#offset;
  }

  /** Takes a piece of the answer, which may be written over. */
  take(piece: Buffer): void {
    const from = this.#completeRow(piece);
    if (from === piece.length) return;
    const end = this.#tellRows(piece, from, piece.length);
    this.#keep(piece, end, piece.length);
  }

  /** Throws unless every row came, each in its place. */
  end(): void {
    const end = this.#tellRows(this.#window, 0, this.#filled);
    this.#skipFinished();
    const parts = this.#expectedRows?.length ?? 0;
    if (this.#part === parts && end === this.#filled) return;
    throw new Error(`the server answered other rows than it was asked for: part ${this.#part + 1} of ${parts}, row ${this.#offset}`);
  }

  /** Adds to the window until the row in it is whole; answers where the rows behind it begin in the piece. */
  #completeRow(piece: Buffer): number {
    let from = 0;
    while (this.#filled > 0 && from < piece.length) {
      // Twice as much each time: a large row is not looked through again for every piece.
      const wanted = Math.max(this.#filled, LEAST_BYTES);
      const added = Math.min(wanted, piece.length - from);
      this.#keep(piece, from, from + added);
      from += added;
      if (added < wanted) break;
      const rest = this.#filled - this.#tellRows(this.#window, 0, this.#filled);
      if (rest > added) this.#window.copyWithin(0, this.#filled - rest, this.#filled);
      else from -= rest;
      this.#filled = rest > added ? rest : 0;
    }
    return from;
  }

  #keep(piece: Buffer, from: number, to: number): void {
    const needed = this.#filled + to - from;
    if (needed > this.#window.length) {
      const larger = Buffer.allocUnsafe(needed * 2);
      this.#window.copy(larger, 0, 0, this.#filled);
      this.#window = larger;
    }
    this.#filled += piece.copy(this.#window, this.#filled, from, to);
  }

  /** Tells the whole rows among these bytes; answers where they end. */
  #tellRows(bytes: Buffer, from: number, to: number): number {
    const cutter = this.#cutter;
    let begin = from;
    for (; begin < to && cutter.find(bytes, begin, to); begin = cutter.end) {
      this.#expect(cutter.part, cutter.offset);
      const { traitsStart, traitsEnd, keyStart, keyEnd, valueStart, valueEnd } = cutter;
      const traits = traitsStart === traitsEnd ? undefined : readTraits(bytes, traitsStart, traitsEnd);
      this.#sink.row(this.#part, bytes, keyStart, keyEnd, valueStart, valueEnd, traits);
    }
    return begin;
  }

  /** That this is the next row. */
  #expect(part: number, offset: number): void {
    if (this.#offset === this.#expectedRows?.[this.#part]) this.#skipFinished();
    const expected = this.#expectedRows === undefined ? 0 : this.#offset;
    if (part !== this.#part || offset !== expected) {
      throw new Error(`the server answered row ${offset} of part ${part + 1} where row ${expected} of part ${this.#part + 1} was to come`);
    }
    this.#offset++;
  }

  #skipFinished(): void {
    while (this.#offset === this.#expectedRows?.[this.#part]) {
      this.#part++;
      this.#offset = 0;
    }
  }
}
