/** The next place of one byte, remembered: looking for it message by message costs one pass over the record batch, not one a message. */
export class ByteFinder {
  readonly #byte: number;
  #bytes: Buffer | undefined;
  #from = 0;
  #found = -1;

  constructor(byte: number) {
    this.#byte = byte;
  }

  /** Position of the byte in `[start, end)`, or -1. Calls for one buffer come with growing `start`, or the search begins anew. */
  find(bytes: Buffer, start: number, end: number): number {
    if (bytes !== this.#bytes || start < this.#from || (this.#found !== -1 && this.#found < start)) {
      this.#bytes = bytes;
      this.#from = start;
      this.#found = bytes.indexOf(this.#byte, start);
    }
    return this.#found < end ? this.#found : -1;
  }
}
