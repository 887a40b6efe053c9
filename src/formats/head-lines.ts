import type { RecordCursor } from './record-cursor.ts';
import type { BodyHead, CarriedField } from './splicer.ts';

/** Which lines stand at the beginning of each message of a format. */
export type HeadKind = 'none' | 'names' | 'names-and-types';

/** How the lines of a head are found in a message, and made longer. */
export interface HeadDialect {
  /**
   * Reads one line that begins at `at`. Returns [where its fields begin, where the line ends, where the next line or row begins], or undefined when that
   * cannot be made out.
   */
  line(bytes: Buffer, at: number, end: number): readonly [number, number, number] | undefined;
  /** A line's beginning with these fields; the message's own follow. */
  fields(texts: readonly string[]): string;
  /** What stands behind a line. */
  readonly lineEnd: Buffer;
}

export const LINE_BREAK = Buffer.from('\n');

/**
 * The lines of names and types that each message begins with. The first message's become the head of the common body, with the carried fields in front;
 * a message with the same bytes there adds its rows without them, any other goes alone.
 */
export class HeadLines {
  readonly #head: BodyHead;
  readonly #dialect: HeadDialect;
  /** What is put in front of each line. */
  readonly #added: readonly Buffer[];
  #candidate: Buffer | undefined;

  constructor(head: BodyHead, dialect: HeadDialect, fields: readonly CarriedField[], kind: HeadKind) {
    const lines = { none: [], names: ['name'], 'names-and-types': ['name', 'type'] } as const;
    this.#head = head;
    this.#dialect = dialect;
    this.#added = lines[kind].map((what) => Buffer.from(dialect.fields(fields.map((field) => field[what])), 'latin1'));
  }

  /** Where the message's rows begin, or -1 when its head is another one than the body's, cannot be made out, or is all there is. */
  rowsFrom({ bytes, valueStart, valueEnd }: RecordCursor): number {
    if (this.#added.length === 0) return valueStart;
    const { bytes: fixed, own } = this.#head;
    if (fixed === undefined) return this.#measure(bytes, valueStart, valueEnd);
    const from = valueStart + own.length;
    return from < valueEnd && own.compare(bytes, valueStart, from) === 0 ? from : -1;
  }

  /** The message last asked about is in the body, and its head with it. */
  accept({ bytes, valueStart }: RecordCursor, rowsFrom: number): void {
    if (this.#added.length === 0 || this.#head.bytes !== undefined) return;
    this.#head.bytes = this.#candidate;
    this.#head.own = Buffer.from(bytes.subarray(valueStart, rowsFrom));
  }

  #measure(bytes: Buffer, start: number, end: number): number {
    const pieces: Buffer[] = [];
    let at = start;
    for (const added of this.#added) {
      const line = this.#dialect.line(bytes, at, end);
      if (line === undefined || line[2] >= end) return -1;
      pieces.push(added, bytes.subarray(line[0], line[1]), this.#dialect.lineEnd);
      at = line[2];
    }
    this.#candidate = Buffer.concat(pieces);
    return at;
  }
}
