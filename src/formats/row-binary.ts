import type { Batch } from '../batching/index.ts';
import { BinaryFields, binaryDecoding } from './binary-fields.ts';
import type { RecordCursor } from './record-cursor.ts';
import { rowSkipper, type Skip } from './row-skipper.ts';
import { UNPROVABLE, type BodyTable, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { MOST_VARUINT_BYTES, writeVaruint } from './varuint.ts';
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
      const skip = skipperOf(columns, settings, hasDefaultFlags);
      return skip === undefined ? undefined : new RowBinaryWriter(new BinaryFields(fields, hasDefaultFlags), skip);
    },
    isPositional: true,
    forcedSettings: {},
    ...binaryDecoding,
  };
}

/**
 * RowBinaryWithNames and RowBinaryWithNamesAndTypes: a message whose head names the table's columns in their order, with their types, goes on as
 * RowBinary does. Any other head is left to the server.
 */
class HeadedRowBinaryWriter implements MessageWriter {
  readonly #fields: BinaryFields;
  readonly #skip: Skip;
  readonly #head: Buffer;

  constructor(fields: BinaryFields, skip: Skip, head: Buffer) {
    this.#fields = fields;
    this.#skip = skip;
    this.#head = head;
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const rowsFrom = message.valueStart + this.#head.length;
    if (rowsFrom > message.valueEnd || this.#head.compare(message.bytes, message.valueStart, rowsFrom) !== 0) return UNPROVABLE;
    return writeRows(batch, this.#fields, this.#skip, source, message, rowsFrom);
  }
}

function headOf(columns: BodyTable['columns'], hasTypes: boolean): Buffer {
  const texts = [...columns.map(({ name }) => name), ...(hasTypes ? columns.map(({ type }) => type) : [])].map((text) => Buffer.from(text));
  const head = {
    chunk: Buffer.alloc(texts.reduce((total, text) => total + MOST_VARUINT_BYTES + text.length, MOST_VARUINT_BYTES)),
    position: 0,
  };
  writeVaruint(head, columns.length);
  for (const text of texts) {
    writeVaruint(head, text.length);
    head.position += text.copy(head.chunk, head.position);
  }
  return head.chunk.subarray(0, head.position);
}

function headedRowBinary(hasTypes: boolean): Splicer {
  return {
    ...rowBinary,
    createWriter(fields, { columns, settings }) {
      const skip = skipperOf(columns, settings, false);
      return skip === undefined ? undefined : new HeadedRowBinaryWriter(new BinaryFields(fields), skip, headOf(columns, hasTypes));
    },
    bodyFormat: 'RowBinary',
    findsEmptyBroken: true,
  };
}

function skipperOf(columns: BodyTable['columns'], settings: BodyTable['settings'], hasDefaultFlags: boolean): Skip | undefined {
  const isAsEver = HAS_OTHER_LAYOUT.every((name) => (settings[name] ?? '0') === '0');
  const types = columns.map(({ type }) => type);
  return isAsEver ? rowSkipper(types, hasDefaultFlags) : undefined;
}

/** Settings that change how a value is written. */
const HAS_OTHER_LAYOUT = ['input_format_binary_read_json_as_string'];

export const rowBinary = rowBinaryOf(false);

export const rowBinaryWithDefaults = rowBinaryOf(true);

export const rowBinaryWithNames = headedRowBinary(false);

export const rowBinaryWithNamesAndTypes = headedRowBinary(true);
