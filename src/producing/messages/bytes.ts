const FIRST_BYTES = 64 * 1024;

/** Bytes that are written one behind the other, again and again: the memory stays. */
export class Bytes {
  buffer = Buffer.allocUnsafe(FIRST_BYTES);
  length = 0;

  clear(): void {
    this.length = 0;
  }

  append(source: Buffer, start = 0, end = source.length): void {
    const needed = this.length + end - start;
    if (needed > this.buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2));
      this.buffer.copy(larger, 0, 0, this.length);
      this.buffer = larger;
    }
    source.copy(this.buffer, this.length, start, end);
    this.length = needed;
  }
}
