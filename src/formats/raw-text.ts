import type { Batch } from '../batching/index.ts';
import { BinaryFields, binaryDecoding } from './binary-fields.ts';
import { ByteFinder } from './byte-finder.ts';
import { RowScanner } from './row-scanner.ts';
import type { RecordCursor } from './record-cursor.ts';
import { UNPROVABLE, type BodyTable, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { MOST_VARUINT_BYTES, writeVaruint } from './varuint.ts';
import { isSpace, writeBytes } from './write-text.ts';

/** Rows of one text each, as RowBinary: the carried fields, the text's length, the text. */
class TextRows {
  readonly #fields: BinaryFields;

  constructor(fields: readonly CarriedField[]) {
    this.#fields = new BinaryFields(fields);
  }

  write(batch: Batch, source: number, message: RecordCursor, start: number, end: number): void {
    batch.ensure(this.#fields.maxBytes(message) + MOST_VARUINT_BYTES + end - start);
    this.#fields.write(batch, source, message);
    writeVaruint(batch, end - start);
    writeBytes(batch, message, start, end);
  }
}

/** RawBLOB: a message is a row. */
class RawBlobWriter implements MessageWriter {
  readonly #rows: TextRows;

  constructor(rows: TextRows) {
    this.#rows = rows;
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    this.#rows.write(batch, source, message, message.valueStart, message.valueEnd);
    return 1;
  }
}

/** LineAsString: a line is a row, whatever is in it; a line break at the very end begins no other. */
class LinesWriter implements MessageWriter {
  readonly #rows: TextRows;
  readonly #newlines = new ByteFinder(0x0a);

  constructor(rows: TextRows) {
    this.#rows = rows;
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const { bytes, valueStart, valueEnd } = message;
    let rows = 0;
    for (let start = valueStart; start < valueEnd; rows++) {
      const found = this.#newlines.find(bytes, start, valueEnd);
      const end = found < 0 ? valueEnd : found;
      this.#rows.write(batch, source, message, start, end);
      start = end + 1;
    }
    return rows;
  }
}

/** JSONAsString and JSONAsObject: each object is a row, as it is written. */
class ObjectsWriter implements MessageWriter {
  readonly #rows: TextRows;
  readonly #scanner = new RowScanner('objects');

  constructor(rows: TextRows) {
    this.#rows = rows;
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const { bytes } = message;
    let { valueStart: start, valueEnd: end } = message;
    while (start < end && isSpace(bytes[start])) start++;
    while (end > start && isSpace(bytes[end - 1])) end--;
    if (start === end) return UNPROVABLE;
    const objects = this.#scanner.scan(bytes, start, end);
    if (objects === undefined) return UNPROVABLE;
    for (let i = 0; i < objects.length; i += 2) {
      this.#rows.write(batch, source, message, objects[i] as number, objects[i + 1] as number);
    }
    return objects.length / 2;
  }
}

type WriterOfRows = new (rows: TextRows) => MessageWriter;

/** Formats for tables with one column; with any other the server has to say what is wrong. */
function ofOneColumn(Writer: WriterOfRows, isType: (type: string) => boolean, forcedSettings: Splicer['forcedSettings'] = {}): Splicer {
  return {
    createWriter(fields: readonly CarriedField[], { columns }: BodyTable) {
      const [column] = columns;
      return columns.length === 1 && column !== undefined && isType(column.type) ? new Writer(new TextRows(fields)) : undefined;
    },
    bodyFormat: 'RowBinary',
    isPositional: true,
    forcedSettings,
    ...binaryDecoding,
  };
}

const isString = (type: string): boolean => type === 'String';

export const rawBlob = ofOneColumn(RawBlobWriter, isString);

export const lineAsString = ofOneColumn(LinesWriter, isString);

export const jsonAsString = ofOneColumn(ObjectsWriter, isString);

export const jsonAsObject = ofOneColumn(ObjectsWriter, (type) => /^JSON(?:\(|$)/.test(type), {
  input_format_binary_read_json_as_string: '1',
});
