import { Bytes } from './bytes.ts';
import type { Framing } from './framing.ts';
import type { RowSink } from './rendered-rows.ts';
import { NO_TRAITS, type Traits } from './traits.ts';
import type { MessageSink } from './types.ts';

const NO_FRAMING_END: NonNullable<Framing['end']> = () => 0;

/** Every row is a message as it is. */
export function oneRowEach(sink: MessageSink): RowSink {
  return {
    row: (partIndex, source, keyStart, keyEnd, valueStart, valueEnd, traits) => {
      if (traits === undefined) sink.message(partIndex, source, keyStart, keyEnd, valueStart, valueEnd, -1, -1, undefined);
      else if (traits.isTombstone) tombstone(sink, partIndex, source, keyStart, keyEnd, traits);
      else sink.message(partIndex, source, keyStart, keyEnd, valueStart, valueEnd, traits.timestampMs, traits.partition, traits.headers);
    },
  };
}

export function tombstone(sink: MessageSink, partIndex: number, source: Buffer, keyStart: number, keyEnd: number, traits: Traits): void {
  sink.message(partIndex, source, keyStart, keyEnd, -1, -1, traits.timestampMs, traits.partition, traits.headers);
}

/**
 * So many rows of one part are a message; the last message of a part, and the one in front of a tombstone, may have fewer. What the last row says of its message
 * holds for it.
 */
export class JoinedRows implements RowSink {
  readonly #sink: MessageSink;
  readonly #framing: Framing;
  readonly #rowsPerMessage: number;
  readonly #body = new Bytes();
  readonly #key = new Bytes();
  #hasKey = false;
  #traits: Traits = NO_TRAITS;
  #rows = 0;
  #part = 0;

  constructor(sink: MessageSink, framing: Framing, rowsPerMessage: number) {
    this.#sink = sink;
    this.#framing = framing;
    this.#rowsPerMessage = rowsPerMessage;
  }

  row(
    partIndex: number,
    source: Buffer,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    traits: Traits | undefined,
  ): void {
    if (partIndex !== this.#part) this.end();
    this.#part = partIndex;
    if (traits?.isTombstone === true) {
      this.end();
      tombstone(this.#sink, partIndex, source, keyStart, keyEnd, traits);
      return;
    }
    this.#framing.row(this.#body, source, valueStart, valueEnd, this.#rows++);
    this.#hasKey = keyStart !== -1;
    this.#key.clear();
    if (this.#hasKey) this.#key.append(source, keyStart, keyEnd);
    this.#traits = traits === undefined ? NO_TRAITS : withOwnHeaders(traits);
    if (this.#rows === this.#rowsPerMessage) this.end();
  }

  /** Tells the message that is open, if one is. */
  end(): void {
    if (this.#rows === 0) return;
    const start = (this.#framing.end ?? NO_FRAMING_END)(this.#body, this.#rows);
    const end = this.#body.length;
    this.#body.append(this.#key.buffer, 0, this.#key.length);
    const { timestampMs, partition, headers } = this.#traits;
    const keyStart = this.#hasKey ? end : -1;
    const keyEnd = this.#hasKey ? this.#body.length : -1;
    this.#sink.message(this.#part, this.#body.buffer, keyStart, keyEnd, start, end, timestampMs, partition, headers);
    this.#body.clear();
    this.#rows = 0;
  }
}

/** The row's own memory is written over before its message is whole. */
export function withOwnHeaders(traits: Traits): Traits {
  if (traits.headers === undefined) return traits;
  return { ...traits, headers: traits.headers.map(({ name, value }) => ({ name: Buffer.from(name), value: Buffer.from(value) })) };
}
