/**
 * The newer encoding of Kafka's requests and answers (KIP-482, "flexible versions"), which kafkajs does not know: lengths are unsigned varints one
 * larger than what they count, 0 for null, and every structure ends with tagged fields. Topics have ids in it.
 */

/** What kafkajs' connections send: the bytes behind the request's header. */
export interface RequestBody {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

const NO_TAGS = 0;
const UUID_BYTES = 16;

/** A topic's id, 32 hexadecimal digits. Kafka's tools print the same bytes in base64. */
export type TopicId = string;

/** The id of a topic that has none: its broker speaks the older versions. */
export const NO_TOPIC_ID: TopicId = '0'.repeat(2 * UUID_BYTES);

export class FlexibleWriter {
  readonly #parts: Buffer[] = [];

  /** Writes the end of the request's header first, which kafkajs leaves out: its header is of the older form, without tagged fields. */
  constructor() {
    this.tags();
  }

  int8(value: number): this {
    return this.#number(1, (bytes) => bytes.writeInt8(value));
  }

  int32(value: number): this {
    return this.#number(4, (bytes) => bytes.writeInt32BE(value));
  }

  int64(value: bigint): this {
    return this.#number(8, (bytes) => bytes.writeBigInt64BE(value));
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  uuid(id: TopicId): this {
    this.#parts.push(Buffer.from(id, 'hex'));
    return this;
  }

  string(value: string): this {
    const bytes = Buffer.from(value, 'utf8');
    this.#varint(bytes.length + 1);
    this.#parts.push(bytes);
    return this;
  }

  array<T>(items: readonly T[], writeItem: (item: T) => void): this {
    this.#varint(items.length + 1);
    for (const item of items) writeItem(item);
    return this;
  }

  /** The end of a structure. */
  tags(): this {
    return this.int8(NO_TAGS);
  }

  body(): RequestBody {
    const bytes = Buffer.concat(this.#parts);
    return { buf: bytes, buffer: bytes };
  }

  #number(length: number, write: (bytes: Buffer) => void): this {
    const bytes = Buffer.alloc(length);
    write(bytes);
    this.#parts.push(bytes);
    return this;
  }

  #varint(value: number): void {
    const bytes: number[] = [];
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
    this.#parts.push(Buffer.from([...bytes, rest]));
  }
}

/** Reads an answer behind its correlation id. Every function throws RangeError where the answer is cut off. */
export class FlexibleReader {
  readonly #buffer: Buffer;
  #position = 0;

  /** Reads the end of the answer's header first, which kafkajs leaves to us. */
  constructor(buffer: Buffer) {
    this.#buffer = buffer;
    this.tags();
  }

  skip(bytes: number): void {
    this.#take(bytes);
  }

  int16(): number {
    return this.#take(2).readInt16BE();
  }

  int32(): number {
    return this.#take(4).readInt32BE();
  }

  /** Offsets are safe integers. */
  int64(): number {
    return Number(this.bigInt64());
  }

  bigInt64(): bigint {
    return this.#take(8).readBigInt64BE();
  }

  uuid(): TopicId {
    return this.#take(UUID_BYTES).toString('hex');
  }

  /** A null string is an empty one. */
  string(): string {
    return this.bytes().toString('utf8');
  }

  /** A view; null bytes are empty ones. */
  bytes(): Buffer {
    return this.#take(Math.max(0, this.#varint() - 1));
  }

  /** A null array is an empty one. */
  array<T>(readItem: () => T): T[] {
    const items: T[] = [];
    for (let left = this.#varint() - 1; left > 0; left -= 1) items.push(readItem());
    return items;
  }

  /** The end of a structure: fields that were added later, which nobody here asks for. */
  tags(): void {
    for (let left = this.#varint(); left > 0; left -= 1) {
      this.#varint();
      this.#take(this.#varint());
    }
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#take(1).readUInt8();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  #take(length: number): Buffer {
    const end = this.#position + length;
    if (end > this.#buffer.length) throw new RangeError(`answer of ${this.#buffer.length} bytes ends before byte ${end}`);
    const bytes = this.#buffer.subarray(this.#position, end);
    this.#position = end;
    return bytes;
  }
}
