import type { Batch } from '../batching/index.ts';
import { binaryDecoding } from './binary-fields.ts';
import { writeNote } from './notes.ts';
import type { RecordCursor } from './record-cursor.ts';
import { UNPROVABLE, type CarriedField, type MessageWriter } from './splicer.ts';
import { writeBytes } from './write-text.ts';

/** What all formats have in common whose rows get their metadata by their numbers. */
export const numbered = { isNumbered: true, forcedSettings: {}, ...binaryDecoding } as const;

/** Where the row that begins at `at` ends, or -1 when it does not end within `end`. */
export type EndOfRow = (bytes: Buffer, at: number, end: number) => number;

/** Rows that stand one behind the other in a message, as they are. */
export class NumberedRowsWriter implements MessageWriter {
  readonly #fields: readonly CarriedField[];
  readonly #endOfRow: EndOfRow;
  readonly #mostRows: number;

  /** A message of more than `mostRows` rows goes alone. */
  constructor(fields: readonly CarriedField[], endOfRow: EndOfRow, mostRows = Infinity) {
    this.#fields = fields;
    this.#endOfRow = endOfRow;
    this.#mostRows = mostRows;
  }

  write(batch: Batch, _source: number, message: RecordCursor): number {
    const { bytes, valueStart, valueEnd } = message;
    const rows = countRows(bytes, valueStart, valueEnd, this.#endOfRow, this.#mostRows);
    if (rows !== UNPROVABLE) writeNoted(batch, this.#fields, message, valueStart);
    return rows;
  }
}

/** The rows from `start` to `end`, or UNPROVABLE when one does not end there, or there are more than `mostRows`. */
export function countRows(bytes: Buffer, start: number, end: number, endOfRow: EndOfRow, mostRows: number): number {
  let rows = 0;
  for (let at = start; at < end; rows++) {
    at = endOfRow(bytes, at, end);
    if (at < 0 || rows === mostRows) return UNPROVABLE;
  }
  return rows;
}

/** Writes the message's bytes from `start` on, and its note. */
export function writeNoted(batch: Batch, fields: readonly CarriedField[], message: RecordCursor, start: number): void {
  batch.ensure(message.valueEnd - start);
  writeBytes(batch, message, start, message.valueEnd);
  writeNote(batch.notes, fields, message);
}
