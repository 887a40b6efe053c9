/** The next place of a byte, or of several in a row, remembered: looking for it message by message costs one pass over the record batch, not one a message. */
export class ByteFinder {
  readonly #wanted: number | Buffer;
  #bytes: Buffer | undefined;
  #from = 0;
  #found = -1;

  constructor(wanted: number | Buffer) {
    this.#wanted = wanted;
  }

  /** Position in `[start, end)`, or -1. Calls for one buffer come with growing `start`, or the search begins anew. */
  find(bytes: Buffer, start: number, end: number): number {
    if (bytes !== this.#bytes || start < this.#from || (this.#found !== -1 && this.#found < start)) {
      this.#bytes = bytes;
      this.#from = start;
      this.#found = bytes.indexOf(this.#wanted, start);
    }
    return this.#found < end ? this.#found : -1;
  }
}
