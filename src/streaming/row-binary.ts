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
    this.#parts.push(unsignedVarint(value.length), value);
    return this;
  }

  strings(values: readonly Buffer[]): this {
    this.#parts.push(unsignedVarint(values.length));
    for (const value of values) this.string(value);
    return this;
  }
}

function unsignedVarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
