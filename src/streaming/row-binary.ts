import { varuintBytes } from '../formats/index.ts';

/** Writes rows in ClickHouse's RowBinary format, value by value; for the few rows that do not come from messages as they are. */
export class RowBinaryRows {
  readonly #parts: Buffer[] = [];

  get chunks(): readonly Buffer[] {
    return this.#parts;
  }

  int64(value: number): this {
    const part = Buffer.alloc(8);
    part.writeBigInt64LE(BigInt(value));
    this.#parts.push(part);
    return this;
  }

  string(value: Buffer): this {
    this.#parts.push(varuintBytes(value.length), value);
    return this;
  }

  strings(values: readonly Buffer[]): this {
    this.#parts.push(varuintBytes(values.length));
    for (const value of values) this.string(value);
    return this;
  }
}
