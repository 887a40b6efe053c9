import type { CarriedField } from './splicer.ts';
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

/**
 * The beginning of a JSON row: `{"<position>":70001,"<timestamp>":1700000000000`, or `{"<source>":1,…`. It is kept from row to row, because mostly only a
 * few digits of the next one differ: writing the numbers anew took a third of the time of a short message (measured).
 */
export class RowHead implements Bytes {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly #names: readonly Buffer[];
  readonly #carriesPosition: boolean;
  readonly #offset = new Digits();
  readonly #timestamp = new Digits();
  #source = -1;
  #length = 0;

  /** `fields`: source or position, then the timestamp if it is carried. Their names need no escaping. */
  constructor(fields: readonly CarriedField[]) {
    this.#names = fields.map((field, i) => Buffer.from(`${i === 0 ? '{' : ','}"${field.name}":`, 'latin1'));
    this.#carriesPosition = fields[0]?.what === 'position';
    this.bytes = Buffer.alloc(this.#names.reduce((total, name) => total + name.length + MAX_DIGITS, 0));
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
    return this.#names.length < 2 || this.#timestamp.change(this.bytes, timestampMs);
  }

  #rewrite(source: number, offset: number, timestampMs: number): void {
    const target = { chunk: this.bytes, position: 0 };
    const [first, second] = this.#names;
    target.position += (first as Buffer).copy(this.bytes);
    if (this.#carriesPosition) writePosition(target, offset, source);
    else writeInteger(target, source);
    if (offset > 0) this.#offset.written(offset, target.position - SOURCE_DIGITS);
    else this.#offset.forget();
    if (second !== undefined) {
      target.position += second.copy(this.bytes, target.position);
      writeInteger(target, timestampMs);
      if (timestampMs > 0) this.#timestamp.written(timestampMs, target.position);
      else this.#timestamp.forget();
    }
    this.#length = target.position;
  }
}
