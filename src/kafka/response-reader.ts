import { readInt64 } from './record-batches.ts';

/** Reads an answer in Kafka's older encoding, behind its header: lengths are fixed integers. Throws RangeError where the answer is cut off. */
export class ResponseReader {
  readonly #buffer: Buffer;
  #position = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  skip(bytes: number): void {
    this.#position += bytes;
  }

  int16(): number {
    this.#position += 2;
    return this.#buffer.readInt16BE(this.#position - 2);
  }

  int32(): number {
    this.#position += 4;
    return this.#buffer.readInt32BE(this.#position - 4);
  }

  int64(): number {
    this.#position += 8;
    return readInt64(this.#buffer, this.#position - 8);
  }

  bigInt64(): bigint {
    this.#position += 8;
    return this.#buffer.readBigInt64BE(this.#position - 8);
  }

  /** A null string (length -1) is an empty one. */
  string(): string {
    return this.#take(Math.max(0, this.int16())).toString('utf8');
  }

  bytes(): Buffer {
    return this.#take(Math.max(0, this.int32()));
  }

  /** A null array (length -1) is an empty one. */
  array<T>(readItem: () => T): T[] {
    const items: T[] = [];
    for (let left = this.int32(); left > 0; left -= 1) items.push(readItem());
    return items;
  }

  #take(length: number): Buffer {
    const end = this.#position + length;
    if (end > this.#buffer.length) throw new RangeError(`answer of ${this.#buffer.length} bytes ends before byte ${end}`);
    const bytes = this.#buffer.subarray(this.#position, end);
    this.#position = end;
    return bytes;
  }
}
