import type { Batch } from '../batching/index.ts';
import { BinaryFields, binaryDecoding } from './binary-fields.ts';
import type { RecordCursor } from './record-cursor.ts';
import { rowSkipper, type Skip } from './row-skipper.ts';
import { UNPROVABLE, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { writeBytes } from './write-text.ts';

/** RowBinary: each row gets the carried fields in front. Where a row ends is told by its columns' types. */
class RowBinaryWriter implements MessageWriter {
  readonly #fields: BinaryFields;
  readonly #skip: Skip;

  constructor(fields: BinaryFields, skip: Skip) {
    this.#fields = fields;
    this.#skip = skip;
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    return writeRows(batch, this.#fields, this.#skip, source, message, message.valueStart);
  }
}

/** Writes the rows from `start` to the end of the message. Returns their number, or UNPROVABLE with the batch as it was. */
export function writeRows(batch: Batch, fields: BinaryFields, skip: Skip, source: number, message: RecordCursor, start: number): number {
  const { bytes, valueEnd } = message;
  const fieldBytes = fields.maxBytes(message);
  let rows = 0;
  for (let at = start; at < valueEnd; rows++) {
    const end = skip(bytes, at, valueEnd);
    if (end < 0) {
      batch.rollback();
      return UNPROVABLE;
    }
    batch.ensure(fieldBytes + end - at);
    fields.write(batch, source, message);
    writeBytes(batch, message, at, end);
    at = end;
  }
  return rows;
}

function rowBinaryOf(hasDefaultFlags: boolean): Splicer {
  return {
    createWriter(fields: readonly CarriedField[], { columns, settings }) {
      const isAsEver = HAS_OTHER_LAYOUT.every((name) => (settings[name] ?? '0') === '0');
      const types = columns.map(({ type }) => type);
      const skip = isAsEver ? rowSkipper(types, hasDefaultFlags) : undefined;
      return skip === undefined ? undefined : new RowBinaryWriter(new BinaryFields(fields, hasDefaultFlags), skip);
    },
    isPositional: true,
    forcedSettings: {},
    ...binaryDecoding,
  };
}

/** Settings that change how a value is written. */
const HAS_OTHER_LAYOUT = ['input_format_binary_read_json_as_string'];

export const rowBinary = rowBinaryOf(false);

export const rowBinaryWithDefaults = rowBinaryOf(true);
