import { MAX_DIGITS, SOURCE_DIGITS, viewOf, writeInteger, writePosition, type Bytes } from './write-text.ts';

/** The digits of a number inside bytes, which are changed in place as long as there are as many of them. */
class Digits {
  #value = 0;
  #end = 0;
  /** Numbers from `#least` to below `#limit` have as many digits. */
  #least = 1;
  #limit = 0;

  /** A number from 1 on was written, and ends there. */
  written(value: number, end: number): void {
    this.#value = value;
    this.#end = end;
    this.#least = 1;
    for (this.#limit = 10; this.#limit <= value; this.#limit *= 10) this.#least = this.#limit;
  }

  /** Nothing is written that could be changed. */
  forget(): void {
    this.#limit = 0;
  }

  /** Changes the number in place. False when it has another length: then nothing was changed. */
  change(bytes: Buffer, value: number): boolean {
    if (value >= this.#limit || value < this.#least) return false;
    let [before, after, at] = [this.#value, value, this.#end];
    while (before !== after) {
      const [tens, tensBefore] = [Math.floor(after / 10), Math.floor(before / 10)];
      bytes[--at] = 0x30 + (after - tens * 10);
      [after, before] = [tens, tensBefore];
    }
    this.#value = value;
    return true;
  }
}

/** What stands around the numbers of a row's head. */
export interface RowHeadText {
  readonly beforePosition: string;
  /** Behind the position's number; the timestamp's follows if it is carried. */
  readonly afterPosition: string;
  /** Behind the timestamp's number. */
  readonly afterTimestamp: string;
}

/**
 * The beginning of a JSON row: `{"<position>":70001,"<timestamp>":1700000000000`, or `{"<source>":1,…`. It is kept from row to row, because mostly only a
 * few digits of the next one differ: writing the numbers anew took a third of the time of a short message (measured).
 */
export class RowHead implements Bytes {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly #texts: readonly Buffer[];
  readonly #carriesPosition: boolean;
  readonly #carriesTimestamp: boolean;
  readonly #offset = new Digits();
  readonly #timestamp = new Digits();
  #source = -1;
  #length = 0;

  constructor(carries: { position: boolean; timestamp: boolean }, text: RowHeadText) {
    this.#texts = [text.beforePosition, text.afterPosition, text.afterTimestamp].map((piece) => Buffer.from(piece, 'latin1'));
    this.#carriesPosition = carries.position;
    this.#carriesTimestamp = carries.timestamp;
    this.bytes = Buffer.alloc(this.#texts.reduce((total, piece) => total + piece.length + MAX_DIGITS, 0));
    this.view = viewOf(this.bytes);
  }

  get length(): number {
    return this.#length;
  }

  set(source: number, offset: number, timestampMs: number): void {
    if (source === this.#source && this.#changePosition(offset) && this.#changeTimestamp(timestampMs)) return;
    this.#source = source;
    this.#rewrite(source, offset, timestampMs);
  }

  #changePosition(offset: number): boolean {
    return !this.#carriesPosition || this.#offset.change(this.bytes, offset);
  }

  #changeTimestamp(timestampMs: number): boolean {
    return !this.#carriesTimestamp || this.#timestamp.change(this.bytes, timestampMs);
  }

  #rewrite(source: number, offset: number, timestampMs: number): void {
    const target = { chunk: this.bytes, position: 0 };
    const [beforePosition, afterPosition, afterTimestamp] = this.#texts as [Buffer, Buffer, Buffer];
    target.position += beforePosition.copy(this.bytes);
    if (this.#carriesPosition) writePosition(target, offset, source);
    else writeInteger(target, source);
    if (offset > 0) this.#offset.written(offset, target.position - SOURCE_DIGITS);
    else this.#offset.forget();
    target.position += afterPosition.copy(this.bytes, target.position);
    if (this.#carriesTimestamp) {
      writeInteger(target, timestampMs);
      if (timestampMs > 0) this.#timestamp.written(timestampMs, target.position);
      else this.#timestamp.forget();
      target.position += afterTimestamp.copy(this.bytes, target.position);
    }
    this.#length = target.position;
  }
}
