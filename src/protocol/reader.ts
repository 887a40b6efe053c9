/** The bytes ended, or their source was closed, in the middle of what was being read or before it. */
export class EndOfBytes extends Error {
  override readonly name = 'EndOfBytes';
}

/** Bytes that no peer who speaks the protocol sends. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

const EMPTY = Buffer.alloc(0);
const MAX_VARUINT_BYTES = 10;
/** Types, names, user names and the like. */
const DEFAULT_STRING_LIMIT_BYTES = 1024 * 1024;

/**
 * Reads the protocol's primitives from bytes that come in pieces: where they are cut changes nothing. Waits only when the piece at hand is used up.
 * One caller at a time. Rejects with `EndOfBytes` when nothing more comes, with `ProtocolError` for what cannot be.
 *
 * A subclass says where pieces come from.
 */
export abstract class ByteReader {
  /** The piece at hand, good until `more`. Fast loops (strings of a column) move `at` within it themselves. */
  chunk: Buffer = EMPTY;
  /** How much of `chunk` has been consumed. */
  at = 0;
  /** Bytes consumed before `chunk`. */
  #before = 0;

  /** Bytes consumed since the beginning. */
  get position(): number {
    return this.#before + this.at;
  }

  /** Bytes that can be read without waiting. */
  get available(): number {
    return this.chunk.length - this.at;
  }

  /** The next piece, never empty, whose memory may be that of the one before; rejects with `EndOfBytes` when there is none. */
  protected abstract nextChunk(): Promise<Buffer>;

  /** Waits for another piece, or for as many as bring `leastBytes`; what is not consumed yet stays, in front of them. */
  async more(leastBytes = 1): Promise<void> {
    const unread = this.leaveConsumed();
    const pieces = unread.length === 0 ? [] : [Buffer.from(unread)];
    let next = await this.nextChunk();
    for (let missing = leastBytes - next.length; missing > 0; missing -= next.length) {
      pieces.push(Buffer.from(next));
      next = await this.nextChunk();
    }
    this.chunk = pieces.length === 0 ? next : Buffer.concat([...pieces, next]);
  }

  /** Lets go of what was consumed, which a connection that waits for long need not keep; answers what was not. */
  protected leaveConsumed(): Buffer {
    const rest = this.chunk.subarray(this.at);
    this.#before += this.at;
    this.at = 0;
    this.chunk = rest.length === 0 ? EMPTY : rest;
    return rest;
  }

  async u8(): Promise<number> {
    if (this.at === this.chunk.length) await this.more();
    const byte = this.chunk[this.at] ?? 0;
    this.at += 1;
    return byte;
  }

  /** LEB128; values from 2^53 on are refused. */
  async varuint(): Promise<number> {
    let value = 0;
    let unit = 1;
    for (let i = 0; i < MAX_VARUINT_BYTES; i += 1) {
      const byte = await this.u8();
      value += (byte & 0x7f) * unit;
      if (value > Number.MAX_SAFE_INTEGER) break;
      if (byte < 0x80) return value;
      unit *= 128;
    }
    throw new ProtocolError('a variable-length number is too large');
  }

  /** LEB128 of 64 bits. */
  async varuint64(): Promise<bigint> {
    let value = 0n;
    for (let i = 0; i < MAX_VARUINT_BYTES; i += 1) {
      const byte = await this.u8();
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtocolError('a variable-length number is too long');
  }

  async i32(): Promise<number> {
    return (await this.bytes(4)).readInt32LE(0);
  }

  async u64(): Promise<bigint> {
    return (await this.bytes(8)).readBigUInt64LE(0);
  }

  /** The next `count` bytes; keep a copy when they must outlive the piece they stand in. */
  async bytes(count: number): Promise<Buffer> {
    checkCount(count);
    if (this.available >= count) {
      const found = this.chunk.subarray(this.at, this.at + count);
      this.at += count;
      return found;
    }
    const pieces: Buffer[] = [];
    for (let missing = count; missing > 0;) {
      if (this.available === 0) await this.more();
      const piece = this.chunk.subarray(this.at, this.at + missing);
      pieces.push(Buffer.from(piece));
      this.at += piece.length;
      missing -= piece.length;
    }
    return Buffer.concat(pieces, count);
  }

  async skip(count: number): Promise<void> {
    checkCount(count);
    let missing = count;
    for (;;) {
      const step = Math.min(missing, this.available);
      this.at += step;
      missing -= step;
      if (missing === 0) return;
      await this.more();
    }
  }

  /** A string's bytes: need not be UTF-8. */
  async stringBytes(limitBytes = DEFAULT_STRING_LIMIT_BYTES): Promise<Buffer> {
    const length = await this.varuint();
    if (length > limitBytes) throw new ProtocolError(`a string of ${length} bytes is longer than the ${limitBytes} allowed here`);
    return this.bytes(length);
  }

  async string(limitBytes?: number): Promise<string> {
    return (await this.stringBytes(limitBytes)).toString();
  }

  async skipString(limitBytes = DEFAULT_STRING_LIMIT_BYTES): Promise<void> {
    const length = await this.varuint();
    if (length > limitBytes) throw new ProtocolError(`a string of ${length} bytes is longer than the ${limitBytes} allowed here`);
    await this.skip(length);
  }

  /** Goes over some strings in a row. */
  async skipStrings(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) await this.skipString();
  }

  /** Goes over some numbers of up to 64 bits in a row. */
  async skipVaruints(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) await this.varuint64();
  }

  /** Says that the next `count` bytes, not consumed yet, may be passed on to whom they are meant for. Nothing to do where bytes are only read. */
  release(_count: number): void {
    // A relay overrides this.
  }

  /** Waits until `count` bytes can be read without waiting; consumes none. */
  async want(count: number): Promise<void> {
    checkCount(count);
    if (this.available < count) await this.more(count - this.available);
  }
}

/** What a peer claims is multiplied and added up: a number that cannot be counted to would be waited for without end. */
function checkCount(count: number): void {
  if (!Number.isSafeInteger(count) || count < 0) throw new ProtocolError(`${count} is no number of bytes`);
}

/** Reads pieces that are all there. */
export class BufferReader extends ByteReader {
  readonly #pieces: Buffer[];

  constructor(...pieces: readonly Buffer[]) {
    super();
    this.#pieces = pieces.filter((piece) => piece.length > 0);
  }

  protected override async nextChunk(): Promise<Buffer> {
    const next = this.#pieces.shift();
    if (next === undefined) throw new EndOfBytes('the bytes ended too early');
    return next;
  }
}
