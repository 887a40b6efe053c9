import type { Batch } from '../batching/index.ts';
import { ByteFinder, DelimitedPrefix, delimitedDecoding, writeRow } from './delimited.ts';
import type { RecordCursor } from './record-cursor.ts';
import { UNPROVABLE, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BACKSLASH = 0x5c;

/**
 * TabSeparated: the carried fields go in front of each line. A line break always ends a row, except behind a backslash; such
 * messages, and those with carriage returns or empty lines, whose meaning depends on the place in the text, are left to the exact path.
 */
class TabSeparatedWriter implements MessageWriter {
  readonly #prefix: DelimitedPrefix;
  readonly #newlines = new ByteFinder(NEWLINE);

  constructor(fields: readonly CarriedField[]) {
    this.#prefix = new DelimitedPrefix(fields, 0x09);
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const bytes = message.bytes;
    const end = message.valueEnd;
    let rows = 0;
    for (let start = message.valueStart; start < end;) {
      const newline = this.#newlines.find(bytes, start, end);
      const rowEnd = newline < 0 ? end : newline;
      const last = bytes[rowEnd - 1];
      if (rowEnd === start || last === BACKSLASH || last === CARRIAGE_RETURN) {
        batch.rollback();
        return UNPROVABLE;
      }
      writeRow(batch, this.#prefix, source, message, start, rowEnd);
      rows += 1;
      start = rowEnd + 1;
    }
    return rows;
  }
}

/** Settings that act once a message or change where a row ends. */
const UNSAFE = ['input_format_tsv_skip_first_lines', 'input_format_tsv_crlf_end_of_line'];

/** TabSeparated, also called TSV. */
export const tabSeparated: Splicer = {
  createWriter: (fields, { settings }) =>
    UNSAFE.some((name) => (settings[name] ?? '0') !== '0') ? undefined : new TabSeparatedWriter(fields),
  forcedSettings: { input_format_tsv_detect_header: '0' },
  ...delimitedDecoding,
};
