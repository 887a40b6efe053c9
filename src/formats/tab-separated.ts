import type { Batch } from '../batching/index.ts';
import { ByteFinder } from './byte-finder.ts';
import { isCutOff } from './cut-end.ts';
import { HeadLines, LINE_BREAK, type HeadKind } from './head-lines.ts';
import type { RecordCursor } from './record-cursor.ts';
import { hexDecoding, RowPrefix, writeRow } from './row-prefix.ts';
import { UNPROVABLE, type BodyTable, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { hasByteOrderMark } from './write-text.ts';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BACKSLASH = 0x5c;

/**
 * TabSeparated: the carried fields go in front of each line. A line break always ends a row, except behind a backslash (in the raw dialect there too); such
 * messages, and those with carriage returns, empty lines, a byte order mark or a last field that is cut off, whose meaning depends on the place in the text, are left to the exact path.
 */
class TabSeparatedWriter implements MessageWriter {
  readonly #prefix: RowPrefix;
  readonly #head: HeadLines;
  readonly #isRaw: boolean;
  readonly #newlines = new ByteFinder(NEWLINE);

  constructor(fields: readonly CarriedField[], isRaw: boolean, head: BodyTable['head'], kind: HeadKind) {
    this.#prefix = new RowPrefix(fields, { start: '', before: () => '', after: () => '\t' });
    this.#isRaw = isRaw;
    const line = (bytes: Buffer, at: number, end: number): readonly [number, number, number] | undefined => {
      const newline = this.#endOfRow(bytes, at, end);
      return newline < 0 ? undefined : [at, newline, newline + 1];
    };
    this.#head = new HeadLines(
      head,
      { line, fields: (texts) => texts.map((text) => `${text}\t`).join(''), lineEnd: LINE_BREAK },
      fields,
      kind,
    );
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const bytes = message.bytes;
    const end = message.valueEnd;
    const rowsFrom = this.#head.rowsFrom(message);
    if (rowsFrom < 0 || hasByteOrderMark(bytes, message.valueStart)) return UNPROVABLE;
    let rows = 0;
    for (let start = rowsFrom; start < end;) {
      const rowEnd = this.#endOfRow(bytes, start, end);
      if (rowEnd < 0 || (rowEnd === end && !this.#isRaw && isCutOff(bytes, start, end))) {
        batch.rollback();
        return UNPROVABLE;
      }
      writeRow(batch, this.#prefix, source, message, start, rowEnd);
      rows += 1;
      start = rowEnd + 1;
    }
    this.#head.accept(message, rowsFrom);
    return rows;
  }

  /** The position of the line break that ends the row, or `end`; -1 where that is not plain. */
  #endOfRow(bytes: Buffer, start: number, end: number): number {
    const newline = this.#newlines.find(bytes, start, end);
    const rowEnd = newline < 0 ? end : newline;
    const last = bytes[rowEnd - 1];
    return rowEnd === start || last === CARRIAGE_RETURN || (last === BACKSLASH && !this.#isRaw) ? -1 : rowEnd;
  }
}

/** Settings that act once a message or change where a row ends. */
const UNSAFE = ['input_format_tsv_skip_first_lines', 'input_format_tsv_crlf_end_of_line'];

/** TabSeparated and TabSeparatedRaw, without or with lines of names and types. */
export const tabSeparated = (kind: HeadKind, dialect: 'escaped' | 'raw' = 'escaped'): Splicer => ({
  isPositional: true,
  createWriter: (fields, { settings, head }) =>
    UNSAFE.some((name) => (settings[name] ?? '0') !== '0') ? undefined : new TabSeparatedWriter(fields, dialect === 'raw', head, kind),
  forcedSettings: { input_format_tsv_detect_header: '0' },
  ...hexDecoding,
});
