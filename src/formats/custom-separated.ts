import type { Batch } from '../batching/index.ts';
import { ByteFinder } from './byte-finder.ts';
import { HeadLines, type HeadKind } from './head-lines.ts';
import type { RecordCursor } from './record-cursor.ts';
import { hexDecoding, RowPrefix, writeRow } from './row-prefix.ts';
import { UNPROVABLE, type BodyTable, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { hasByteOrderMark } from './write-text.ts';

const BACKSLASH = 0x5c;

/** How a table's rows look, and around which bytes its strings stand. */
interface CustomDialect {
  readonly fieldDelimiter: string;
  readonly rowBefore: Buffer;
  readonly rowAfter: Buffer;
  readonly isEscaped: boolean;
  /** Empty where strings stand without. */
  readonly quote: string;
}

/**
 * CustomSeparated: the carried fields go in front of each row's. A row ends where the text for that comes next; messages in which it may stand inside a
 * quoted or escaped field, or in which it is missing behind the last row, are left to the exact path, and so are empty rows.
 */
class CustomSeparatedWriter implements MessageWriter {
  readonly #dialect: CustomDialect;
  readonly #prefix: RowPrefix;
  readonly #head: HeadLines;
  readonly #rowEnds: ByteFinder;
  readonly #quotes: ByteFinder | undefined;

  constructor(fields: readonly CarriedField[], dialect: CustomDialect, head: BodyTable['head'], kind: HeadKind) {
    const { fieldDelimiter, rowBefore, rowAfter, quote } = dialect;
    this.#dialect = dialect;
    this.#rowEnds = new ByteFinder(rowAfter);
    this.#quotes = quote === '' ? undefined : new ByteFinder(quote.charCodeAt(0));
    const quoteOf = ({ type }: CarriedField): string => (type === 'String' ? quote : '');
    const start = rowBefore.toString('latin1');
    this.#prefix = new RowPrefix(fields, { start, before: quoteOf, after: (field) => quoteOf(field) + fieldDelimiter });
    this.#head = new HeadLines(
      head,
      {
        line: (bytes, at, end) => {
          const rowEnd = this.#endOfRow(bytes, at, end);
          return rowEnd < 0 ? undefined : [at + rowBefore.length, rowEnd, rowEnd + rowAfter.length];
        },
        fields: (texts) => start + texts.map((text) => quote + text + quote + fieldDelimiter).join(''),
        lineEnd: rowAfter,
      },
      fields,
      kind,
    );
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const { bytes, valueEnd } = message;
    const { rowBefore, rowAfter } = this.#dialect;
    const rowsFrom = this.#head.rowsFrom(message);
    if (rowsFrom < 0 || hasByteOrderMark(bytes, message.valueStart)) return UNPROVABLE;
    let rows = 0;
    for (let start = rowsFrom; start < valueEnd;) {
      const rowEnd = this.#endOfRow(bytes, start, valueEnd);
      if (rowEnd < 0) {
        batch.rollback();
        return UNPROVABLE;
      }
      writeRow(batch, this.#prefix, source, message, start + rowBefore.length, rowEnd, rowAfter);
      rows += 1;
      start = rowEnd + rowAfter.length;
    }
    this.#head.accept(message, rowsFrom);
    return rows;
  }

  /** Where the fields of the row at `start` end, or -1 when that is not plain. */
  #endOfRow(bytes: Buffer, start: number, end: number): number {
    const { rowBefore, rowAfter, isEscaped } = this.#dialect;
    const from = start + rowBefore.length;
    const rowEnd = this.#rowEnds.find(bytes, from, end);
    if (rowEnd <= from || rowEnd + rowAfter.length > end || rowBefore.compare(bytes, start, from) !== 0) return -1;
    return (isEscaped && bytes[rowEnd - 1] === BACKSLASH) || this.#isInQuotes(bytes, from, rowEnd) ? -1 : rowEnd;
  }

  /** Whether a string may be open at the end of `[start, end)`. */
  #isInQuotes(bytes: Buffer, start: number, end: number): boolean {
    let isOpen = false;
    for (let at = start; this.#quotes !== undefined && at < end; at++) {
      at = this.#quotes.find(bytes, at, end);
      if (at < 0) break;
      isOpen = !isOpen;
    }
    return isOpen;
  }
}

/** By escaping rule: the quote around strings. */
const QUOTES: Readonly<Record<string, string>> = { escaped: '', raw: '', csv: '"', json: '"', quoted: "'" };

/** Text that comes once a message, or between rows only. */
const UNSAFE = ['format_custom_result_before_delimiter', 'format_custom_result_after_delimiter', 'format_custom_row_between_delimiter'];

/** Undefined when rows cannot be told apart, or a delimiter could be part of what is carried (digits, hexadecimal, names). */
function dialectOf(settings: Readonly<Record<string, string>>): CustomDialect | undefined {
  const rule = (settings['format_custom_escaping_rule'] ?? 'Escaped').toLowerCase();
  const quote = QUOTES[rule];
  const fieldDelimiter = settings['format_custom_field_delimiter'] ?? '\t';
  const rowAfter = settings['format_custom_row_after_delimiter'] ?? '\n';
  if (quote === undefined || UNSAFE.some((name) => (settings[name] ?? '') !== '')) return undefined;
  if (!/^[^\w.+\\'"-]/.test(fieldDelimiter) || rowAfter === '') return undefined;
  return {
    fieldDelimiter: Buffer.from(fieldDelimiter).toString('latin1'),
    rowBefore: Buffer.from(settings['format_custom_row_before_delimiter'] ?? ''),
    rowAfter: Buffer.from(rowAfter),
    isEscaped: rule === 'escaped',
    quote,
  };
}

/** CustomSeparated, without or with rows of names and types. */
export const customSeparated = (kind: HeadKind): Splicer => ({
  isPositional: true,
  createWriter(fields, { settings, head }) {
    const dialect = dialectOf(settings);
    return dialect && new CustomSeparatedWriter(fields, dialect, head, kind);
  },
  forcedSettings: { input_format_custom_detect_header: '0', format_csv_allow_single_quotes: '0' },
  ...hexDecoding,
});
