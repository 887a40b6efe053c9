import type { MessageHeader } from './types.ts';

/** What a row says of its message beside key and value. */
export interface Traits {
  /** -1: none. */
  readonly timestampMs: number;
  /** -1: none. */
  readonly partition: number;
  readonly isTombstone: boolean;
  readonly headers: readonly MessageHeader[] | undefined;
}

export const NO_TRAITS: Traits = { timestampMs: -1, partition: -1, isTombstone: false, headers: undefined };

/** Reads what `MessageColumns.traits` packs, RowBinary of (Int64, Int32, UInt8, Array(String), Array(String)). Headers share the memory of `source`. */
export function readTraits(source: Buffer, start: number, end: number): Traits {
  if (start === end) return NO_TRAITS;
  const timestampMs = Number(source.readBigInt64LE(start));
  const cursor = new Cursor(source, start + 13);
  const names = cursor.strings();
  const values = cursor.strings();
  return {
    timestampMs: timestampMs > 0 ? timestampMs : -1,
    partition: source.readInt32LE(start + 8),
    isTombstone: source[start + 12] === 1,
    headers: names.length === 0 ? undefined : names.map((name, i) => ({ name, value: values[i] ?? Buffer.alloc(0) })),
  };
}

class Cursor {
  readonly #source: Buffer;
  #position: number;

  constructor(source: Buffer, position: number) {
    this.#source = source;
    this.#position = position;
  }

  strings(): Buffer[] {
    return Array.from({ length: this.#varuint() }, () => {
      const length = this.#varuint();
      this.#position += length;
      return this.#source.subarray(this.#position - length, this.#position);
    });
  }

  #varuint(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = this.#source[this.#position++] ?? 0;
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  }
}
