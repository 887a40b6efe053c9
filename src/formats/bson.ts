import { numbered, NumberedRowsWriter } from './numbered.ts';
import type { Splicer } from './splicer.ts';

/** Its length and the byte at its end. */
const LEAST_DOCUMENT_BYTES = 5;

function endOfDocument(bytes: Buffer, at: number, end: number): number {
  const length = at + LEAST_DOCUMENT_BYTES <= end ? bytes.readInt32LE(at) : 0;
  return length >= LEAST_DOCUMENT_BYTES && at + length <= end && bytes[at + length - 1] === 0 ? at + length : -1;
}

/**
 * BSONEachRow: documents, each with its length in front, stand one behind the other as they are. A row is read until just as many bytes are
 * used; a document whose inside goes beyond its end never gets there, and the whole INSERT fails (ClickHouse `BSONEachRowRowInputFormat.cpp`, `readRow`).
 */
export const bsonEachRow: Splicer = { createWriter: (fields) => new NumberedRowsWriter(fields, endOfDocument), ...numbered };
