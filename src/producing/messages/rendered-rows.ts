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

const FIRST_WINDOW_BYTES = 1024 * 1024;

/**
 * Cuts the server's answer into rows. The bytes are copied once, into a window that is as large as a piece of the answer and as the largest row; rows are told by
 * their positions in it, and no object is made for a row.
 */
export class RenderedRows {
  readonly #cutter: RowCutter;
  readonly #expectedRows: readonly number[];
  readonly #sink: RowSink;
  #window: Buffer;
  #filled = 0;
  #part = 0;
  #offset = 0;

  /** `expectedRows`: of each part, in the order in which they must come. */
  constructor(cutter: RowCutter, expectedRows: readonly number[], sink: RowSink, windowBytes = FIRST_WINDOW_BYTES) {
    this.#cutter = cutter;
    this.#window = Buffer.allocUnsafe(windowBytes);
    this.#expectedRows = expectedRows;
    this.#sink = sink;
  }

  /** Takes a piece of the answer; true: rows were told, and the next piece may wait for what became of them. */
  take(piece: Buffer): boolean {
    this.#makeRoom(piece.length);
    this.#filled += piece.copy(this.#window, this.#filled);
    // Rows are told many at a time, so that what is left of the last one is seldom moved.
    if (this.#filled < this.#window.length / 2) return false;
    this.#tellRows();
    return true;
  }

  /** Throws unless every row came, each in its place. */
  end(): void {
    this.#tellRows();
    this.#skipFinished();
    if (this.#part === this.#expectedRows.length && this.#filled === 0) return;
    throw new Error(
      `the outbox answered other rows than its parts have: part ${this.#part + 1} of ${this.#expectedRows.length}, row ${this.#offset}`,
    );
  }

  #makeRoom(bytes: number): void {
    const needed = this.#filled + bytes;
    if (needed <= this.#window.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#window.length * 2));
    this.#window.copy(larger, 0, 0, this.#filled);
    this.#window = larger;
  }

  #tellRows(): void {
    const [window, filled, cutter] = [this.#window, this.#filled, this.#cutter];
    let begin = 0;
    for (; begin < filled && cutter.find(window, begin, filled); begin = cutter.end) {
      this.#expect(cutter.part, cutter.offset);
      const { traitsStart, traitsEnd, keyStart, keyEnd, valueStart, valueEnd } = cutter;
      const traits = traitsStart === traitsEnd ? undefined : readTraits(window, traitsStart, traitsEnd);
      this.#sink.row(this.#part, window, keyStart, keyEnd, valueStart, valueEnd, traits);
    }
    if (begin === 0) return;
    window.copyWithin(0, begin, filled);
    this.#filled = filled - begin;
  }

  /** That this is the next row. */
  #expect(part: number, offset: number): void {
    if (this.#offset === this.#expectedRows[this.#part]) this.#skipFinished();
    if (part !== this.#part || offset !== this.#offset) {
      throw new Error(
        `the outbox answered row ${offset} of part ${part + 1} where row ${this.#offset} of part ${this.#part + 1} was to come`,
      );
    }
    this.#offset++;
  }

  #skipFinished(): void {
    while (this.#offset === this.#expectedRows[this.#part]) {
      this.#part++;
      this.#offset = 0;
    }
  }
}
