import type { RowSink } from './rendered-rows.ts';
import { NO_TRAITS, type Traits } from './traits.ts';
import { withOwnHeaders } from './joined-rows.ts';

/** Rows `[from, to)` of a part that are one message, or one row that is a tombstone. */
export interface DocumentSpan {
  readonly partIndex: number;
  readonly from: number;
  readonly to: number;
  readonly key: Buffer | undefined;
  readonly traits: Traits;
}

/** Sorts rows into messages without their values. */
export class DocumentSpans implements RowSink {
  readonly #mostRows: number;
  readonly #ready: DocumentSpan[] = [];
  #open: DocumentSpan | undefined;
  #part = 0;
  #offset = 0;

  constructor(mostRows: number) {
    this.#mostRows = mostRows;
  }

  row(partIndex: number, source: Buffer, keyStart: number, keyEnd: number, _from: number, _to: number, traits: Traits | undefined): void {
    if (partIndex !== this.#part) {
      this.end();
      this.#part = partIndex;
      this.#offset = 0;
    }
    const row = this.#offset++;
    const isTombstone = traits?.isTombstone === true;
    if (isTombstone) this.end();
    this.#open = {
      partIndex,
      from: this.#open?.from ?? row,
      to: row + 1,
      key: keyStart === -1 ? undefined : Buffer.from(source.subarray(keyStart, keyEnd)),
      traits: traits === undefined ? NO_TRAITS : withOwnHeaders(traits),
    };
    if (isTombstone || this.#open.to - this.#open.from === this.#mostRows) this.end();
  }

  /** No row is added to the message that is open. */
  end(): void {
    if (this.#open !== undefined) this.#ready.push(this.#open);
    this.#open = undefined;
  }

  /** The messages that are whole, each told once. */
  take(): DocumentSpan[] {
    return this.#ready.splice(0);
  }
}
