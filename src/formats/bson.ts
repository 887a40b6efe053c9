import type { Batch } from '../batching/index.ts';
import { writeNote } from './notes.ts';
import { numbered } from './numbered.ts';
import type { RecordCursor } from './record-cursor.ts';
import { UNPROVABLE, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { writeBytes } from './write-text.ts';

/** Its length and the byte at its end. */
const LEAST_DOCUMENT_BYTES = 5;

/**
 * BSONEachRow: documents, each with its length in front, stand one behind the other as they are. A row is read until just as many bytes are
 * used; a document whose inside goes beyond its end never gets there, and the whole INSERT fails (ClickHouse `BSONEachRowRowInputFormat.cpp`, `readRow`).
 */
class BsonWriter implements MessageWriter {
  readonly #fields: readonly CarriedField[];

  constructor(fields: readonly CarriedField[]) {
    this.#fields = fields;
  }

  write(batch: Batch, _source: number, message: RecordCursor): number {
    const { bytes, valueStart, valueEnd } = message;
    let rows = 0;
    for (let at = valueStart; at < valueEnd; rows++) {
      at = endOfDocument(bytes, at, valueEnd);
      if (at < 0) return UNPROVABLE;
    }
    batch.ensure(valueEnd - valueStart);
    writeBytes(batch, message, valueStart, valueEnd);
    writeNote(batch.notes, this.#fields, message);
    return rows;
  }
}

function endOfDocument(bytes: Buffer, at: number, end: number): number {
  const length = at + LEAST_DOCUMENT_BYTES <= end ? bytes.readInt32LE(at) : 0;
  return length >= LEAST_DOCUMENT_BYTES && at + length <= end && bytes[at + length - 1] === 0 ? at + length : -1;
}

export const bsonEachRow: Splicer = { createWriter: (fields) => new BsonWriter(fields), ...numbered };
