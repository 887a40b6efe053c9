/** Writes the protocol's primitives one after the other; `bytes` is all of it. */
export class ByteWriter {
  readonly #pieces: Buffer[] = [];

  u8(value: number): this {
    return this.raw(Buffer.from([value]));
  }

  /** LEB128. */
  varuint(value: number): this {
    const bytes: number[] = [];
    let rest = value;
    while (rest >= 0x80) {
      bytes.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    bytes.push(rest);
    return this.raw(Buffer.from(bytes));
  }

  i32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return this.raw(bytes);
  }

  string(value: string | Buffer): this {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    return this.varuint(bytes.length).raw(bytes);
  }

  raw(bytes: Buffer): this {
    this.#pieces.push(bytes);
    return this;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
