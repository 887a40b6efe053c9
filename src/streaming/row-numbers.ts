import type { Batch } from '../batching/index.ts';
import { SOURCES_OF_A_POSITION, readNotes, type CarriedField, type NotedField, type NotedTexts } from '../formats/index.ts';
import { quoteIdentifier } from '../sql/index.ts';
import { bytesLiteral, packNumbers } from './packed-values.ts';

/**
 * A table expression that gives each row what its message's note says, by the number of the row, for formats whose rows cannot carry it: all
 * columns of `rows` (a table expression, too), and the fields. It is bytes, since keys are.
 *
 * It counts on the rows of the batches being all that is read, in their order and in one block.
 */
export function withNotedFields(
  rows: string,
  columns: readonly string[],
  fields: readonly CarriedField[],
  batches: readonly Batch[],
): Buffer {
  const [{ name }] = fields as readonly [CarriedField];
  return new NotedRows(name, batches).select(rows, columns.map(quoteIdentifier), fields);
}

class NotedRows {
  readonly #batches: readonly Batch[];
  readonly #secret: string;
  /** `'…' AS name` */
  readonly #blobs: Buffer[] = [];
  readonly #message: string;
  readonly #messages: number;

  constructor(secret: string, batches: readonly Batch[]) {
    this.#secret = secret;
    this.#batches = batches;
    this.#messages = this.#runs().reduce((total, run) => total + run.messages, 0);
    this.#message = this.#messageOfRow(quoteIdentifier(`${secret}_row`));
  }

  select(rows: string, columns: readonly string[], fields: readonly CarriedField[]): Buffer {
    const notes = this.#batches.flatMap((batch) => batch.notes.body());
    const noted = readNotes(notes, fields, this.#messages);
    const values = fields.map((field, i) => `${this.#value(field, noted[i])} AS ${quoteIdentifier(field.name)}`);
    const row = quoteIdentifier(`${this.#secret}_row`);
    const from = `(SELECT ${[...columns, `rowNumberInAllBlocks() AS ${row}`].join(', ')} FROM ${rows})`;
    return Buffer.concat([
      Buffer.from('('),
      ...this.#blobs.flatMap((blob, i) => [Buffer.from(i === 0 ? 'WITH ' : ', '), blob]),
      Buffer.from(` SELECT ${[...columns, ...values].join(', ')} FROM ${from})`),
    ]);
  }

  #runs(): Batch['runs'] {
    return this.#batches.flatMap((batch) => batch.runs);
  }

  /** The number of a row's message, in the order of the batches. */
  #messageOfRow(row: string): string {
    const runs = this.#runs();
    const [first] = runs;
    if (first === undefined || runs.every((run) => run.rowsPerMessage === first.rowsPerMessage)) {
      return first === undefined || first.rowsPerMessage === 1 ? row : `intDiv(${row}, ${first.rowsPerMessage})`;
    }
    const numbers = new Float64Array(runs.reduce((total, run) => total + run.messages * run.rowsPerMessage, 0));
    let [at, message] = [0, 0];
    for (const run of runs) {
      for (let i = 0; i < run.messages; i++, message++) {
        numbers.fill(message, at, at + run.rowsPerMessage);
        at += run.rowsPerMessage;
      }
    }
    return this.#packed(numbers, row);
  }

  #value({ what }: CarriedField, noted: NotedField | undefined): string {
    switch (noted?.kind) {
      case 'numbers':
        return `toInt64(${this.#packed(noted.numbers, this.#message)})`;
      case 'texts':
        return this.#text(noted.texts, this.#message);
      case 'lists':
        return this.#list(noted.lists, noted.texts);
      case undefined:
        return what === 'position' ? this.#position() : `toUInt32(${this.#source()})`;
    }
  }

  #position(): string {
    const offsets = this.#ofMessages((run, i) => run.firstOffset + i);
    return `toUInt64(${this.#packed(offsets, this.#message)}) * ${SOURCES_OF_A_POSITION} + ${this.#source()}`;
  }

  #source(): string {
    const sources = this.#ofMessages((run) => run.source);
    return this.#packed(sources, this.#message);
  }

  #ofMessages(value: (run: Batch['runs'][number], i: number) => number): Float64Array {
    const values = new Float64Array(this.#messages);
    let at = 0;
    for (const run of this.#runs()) for (let i = 0; i < run.messages; i++) values[at++] = value(run, i);
    return values;
  }

  #text({ bytes, starts }: NotedTexts, index: string): string {
    if (bytes.length === 0) return `''`;
    const start = this.#packed(starts.subarray(0, -1), index);
    const lengths = starts.subarray(1).map((end, i) => end - (starts[i] as number));
    return `substring(${this.#blob(bytes)}, ${start} + 1, ${this.#packed(lengths, index)})`;
  }

  #list(lists: Float64Array, texts: NotedTexts): string {
    if (lists.at(-1) === 0) return `CAST([], 'Array(String)')`;
    const item = quoteIdentifier(`${this.#secret}_item`);
    const [first, end] = [lists.subarray(0, -1), lists.subarray(1)].map((bounds) => `toUInt64(${this.#packed(bounds, this.#message)})`);
    return `arrayMap(${item} -> ${this.#text(texts, item)}, range(${first}, ${end}))`;
  }

  #packed(values: Float64Array, index: string): string {
    return packNumbers(values, index, (bytes) => this.#blob(bytes));
  }

  #blob(bytes: Buffer): string {
    const name = quoteIdentifier(`${this.#secret}_${this.#blobs.length}`);
    this.#blobs.push(Buffer.concat([bytesLiteral(bytes), Buffer.from(` AS ${name}`)]));
    return name;
  }
}
