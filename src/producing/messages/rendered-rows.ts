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
 * Cuts the server's answer, RowBinary of (UInt32 part, UInt32 offset, String traits, Nullable(String) key, String value), into rows. The bytes are copied once, into a window that is as large as a piece of the answer and as the largest row; rows are told by
 * their positions in it, and no object is made for a row.
 */
export class RenderedRows {
  readonly #expectedRows: readonly number[];
  readonly #sink: RowSink;
  #window: Buffer;
  #filled = 0;
  #part = 0;
  #offset = 0;

  /** `expectedRows`: of each part, in the order in which they must come. */
  constructor(expectedRows: readonly number[], sink: RowSink, windowBytes = FIRST_WINDOW_BYTES) {
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
    const window = this.#window;
    const filled = this.#filled;
    let begin = 0;
    for (;;) {
      // Part and offset, a length of at least one byte each for traits and value, and whether there is a key.
      let at = begin + 8;
      if (at + 3 > filled) break;
      let byte = window[at++] as number;
      let traitsLength = byte & 127;
      for (let unit = 128; byte > 127 && at < filled; unit *= 128) {
        byte = window[at++] as number;
        traitsLength += (byte & 127) * unit;
      }
      const traitsStart = at;
      at += traitsLength;
      if (at + 2 > filled) break;
      let keyStart = -1;
      let keyEnd = -1;
      if (window[at++] === 0) {
        byte = window[at++] as number;
        let keyLength = byte & 127;
        for (let unit = 128; byte > 127 && at < filled; unit *= 128) {
          byte = window[at++] as number;
          keyLength += (byte & 127) * unit;
        }
        keyStart = at;
        at += keyLength;
        keyEnd = at;
      }
      if (at + 1 > filled) break;
      byte = window[at++] as number;
      let valueLength = byte & 127;
      for (let unit = 128; byte > 127 && at < filled; unit *= 128) {
        byte = window[at++] as number;
        valueLength += (byte & 127) * unit;
      }
      const valueEnd = at + valueLength;
      if (valueEnd > filled || byte > 127) break;
      this.#expect(window.readUInt32LE(begin), window.readUInt32LE(begin + 4));
      const traits = traitsLength === 0 ? undefined : readTraits(window, traitsStart, traitsStart + traitsLength);
      this.#sink.row(this.#part, window, keyStart, keyEnd, at, valueEnd, traits);
      begin = valueEnd;
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
