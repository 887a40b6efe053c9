import type { Batch } from '../batching/index.ts';
import { writeNote } from './notes.ts';
import { countRows, numbered, NumberedRowsWriter, writeNoted } from './numbered.ts';
import type { RecordCursor } from './record-cursor.ts';
import { UNPROVABLE, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { MOST_VARUINT_BYTES, varuint, varuintBytes, writeVaruint } from './varuint.ts';
import { writeBytes } from './write-text.ts';

/**
 * More rows than this in one message go in an INSERT of their own: what is noted of a message is then given once instead of row by row.
 */
const MOST_ROWS = 1_000_000;

/** Where the length-delimited piece that begins at `at` ends, or -1 when it does not end within `end`. */
function endOfPiece(bytes: Buffer, at: number, end: number): number {
  const length = varuint.read(bytes, at, end);
  return length < 0 || varuint.next + length > end ? -1 : varuint.next + length;
}

/** ProtobufSingle: a message is one row, and gets its length in front. */
class ProtobufSingleWriter implements MessageWriter {
  readonly #fields: readonly CarriedField[];

  constructor(fields: readonly CarriedField[]) {
    this.#fields = fields;
  }

  write(batch: Batch, _source: number, message: RecordCursor): number {
    const length = message.valueEnd - message.valueStart;
    batch.ensure(MOST_VARUINT_BYTES + length);
    writeVaruint(batch, length);
    writeBytes(batch, message, message.valueStart, message.valueEnd);
    writeNote(batch.notes, this.#fields, message);
    return 1;
  }
}

/** Field 1, length-delimited: a row in the envelope of ProtobufList. */
const ROW_TAG = 0x0a;

function endOfEnvelopedRow(bytes: Buffer, at: number, end: number): number {
  return bytes[at] === ROW_TAG ? endOfPiece(bytes, at + 1, end) : -1;
}

/**
 * ProtobufList: one envelope, its length in front, whose field 1 is repeated once a row. The rows of all messages stand in one envelope; its
 * length is written when it is known (`Splicer.bodyLead`).
 */
class ProtobufListWriter implements MessageWriter {
  readonly #fields: readonly CarriedField[];

  constructor(fields: readonly CarriedField[]) {
    this.#fields = fields;
  }

  write(batch: Batch, _source: number, message: RecordCursor): number {
    const { bytes, valueStart, valueEnd } = message;
    if (endOfPiece(bytes, valueStart, valueEnd) !== valueEnd) return UNPROVABLE;
    const start = varuint.next;
    const rows = countRows(bytes, start, valueEnd, endOfEnvelopedRow, MOST_ROWS);
    if (rows === UNPROVABLE || rows === 0) return UNPROVABLE;
    writeNoted(batch, this.#fields, message, start);
    return rows;
  }
}

/**
 * Protobuf: messages with their length in front. They stand one behind the other as they are, and each is one row: the server reads
 * just as many bytes as the length says, and gives up (the whole INSERT) where a message's inside would reach beyond it
 * (ClickHouse `src/Formats/ProtobufReader.cpp`, `endMessage`).
 */
export const protobuf: Splicer = { createWriter: (fields) => new NumberedRowsWriter(fields, endOfPiece, MOST_ROWS), ...numbered };

export const protobufSingle: Splicer = { createWriter: (fields) => new ProtobufSingleWriter(fields), bodyFormat: 'Protobuf', ...numbered };

export const protobufList: Splicer = {
  createWriter: (fields) => new ProtobufListWriter(fields),
  bodyLead: varuintBytes,
  ...numbered,
};
