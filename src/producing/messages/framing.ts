import type { Bytes } from './bytes.ts';

/**
 * How rows become one message. The server renders each row as a document of its own; a document of several rows is put together from what stands between their
 * documents' beginnings and ends, since a row's text does not depend on other rows in these formats (but for numbers, which are counted here).
 */
export interface Framing {
  /** Writes a row, which is the document `source[start, end)`; `index` counts the message's rows from 0. */
  row(out: Bytes, source: Buffer, start: number, end: number, index: number): void;
  /** Ends the message of `rows` rows; where it begins in `out`, 0 when nothing is answered. */
  end?(out: Bytes, rows: number): number;
}

/** Nothing in front, between and behind. */
export const CONCATENATED: Framing = {
  row: (out, source, start, end) => {
    out.append(source, start, end);
  },
};

/** `prefix` once in front, `between` between rows, `suffix` once behind them. */
export function framed(prefix: Buffer, between: Buffer, suffix: Buffer): Framing {
  return {
    row: (out, source, start, end, index) => {
      if (source.compare(prefix, 0, prefix.length, start, Math.min(start + prefix.length, end)) !== 0) {
        throw new Error(`a row's document does not begin as an empty one: ${JSON.stringify(prefix.toString('latin1'))}`);
      }
      out.append(index === 0 ? prefix : between);
      out.append(source, start + prefix.length, end - suffix.length);
    },
    end: (out) => {
      out.append(suffix);
      return 0;
    },
  };
}

const LINE_FEED = 10;

/** A first line, once: `{"meta":[…]}`, whose names are escaped. */
export const FIRST_LINE_ONCE: Framing = {
  row: (out, source, start, end, index) => {
    out.append(source, index === 0 ? start : source.indexOf(LINE_FEED, start) + 1, end);
  },
};

/** `Row 1:` and a line below it begin each row; between rows stands an empty line. */
const VERTICAL_HEAD_BYTES = Buffer.byteLength(verticalHead(1));

function verticalHead(number: number): string {
  const text = `Row ${number}:`;
  return `${text}\n${'─'.repeat(text.length)}\n`;
}

export const VERTICAL: Framing = {
  row: (out, source, start, end, index) => {
    out.append(Buffer.from(index === 0 ? verticalHead(1) : `\n${verticalHead(index + 1)}`));
    out.append(source, start + VERTICAL_HEAD_BYTES, end);
  },
};

/** A row is `<length><message>`; what stands behind the length is the message. */
export const PROTOBUF_WITHOUT_LENGTH: Framing = {
  row: (out, source, start, end) => {
    out.append(source, behindVaruint(source, start), end);
  },
};

const MOST_VARUINT_BYTES = 10;

/** A document is `<length><field 1: row>…`; room for the length is left in front of the rows. */
export const PROTOBUF_LIST: Framing = {
  row: (out, source, start, end, index) => {
    if (index === 0) out.append(Buffer.alloc(MOST_VARUINT_BYTES));
    out.append(source, behindVaruint(source, start), end);
  },
  end: (out) => {
    const bytes: number[] = [];
    let rest = out.length - MOST_VARUINT_BYTES;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
    const begin = MOST_VARUINT_BYTES - bytes.length;
    out.buffer.set(bytes, begin);
    return begin;
  },
};

function behindVaruint(source: Buffer, start: number): number {
  let at = start;
  while ((source[at] as number) > 127) at++;
  return at + 1;
}

/**
 * A document that counts its rows behind them, and what the query has read: nothing, says the real engine, and how long it took. `first` ends what stands in
 * front of the rows, `last` begins what stands behind the one row of a document; neither can stand in a name.
 */
function counted(first: string, between: string, last: (rows: number) => string): Framing {
  const first_ = Buffer.from(first);
  const between_ = Buffer.from(between);
  const last_ = Buffer.from(last(1));
  let tail = '';
  return {
    row: (out, source, start, end, index) => {
      const document = source.subarray(start, end);
      const head = document.indexOf(first_) + first_.length;
      const behind = document.lastIndexOf(last_);
      if (behind < head) throw new Error(`a row's document has no ${JSON.stringify(last(1))}`);
      if (index > 0) out.append(between_);
      out.append(document, index === 0 ? 0 : head, behind);
      tail = document.toString('utf8', behind + last_.length);
    },
    end: (out, rows) => {
      out.append(Buffer.from(last(rows) + tail.replace(NUMBER_READ, '$10')));
      return 0;
    },
  };
}

/** `"rows_read": 3`, `<bytes_read>165`. */
const NUMBER_READ = /((?:rows|bytes)_read(?:": |>))\d+/g;
const MOST_STATISTICS_BYTES = 200;

/** A document that ends in what the query has read, as the real engine writes it. */
export function withoutNumbersRead(document: Buffer): Buffer {
  const at = Math.max(document.length - MOST_STATISTICS_BYTES, document.lastIndexOf('"statistics":'));
  const end = document.toString('latin1', at).replace(NUMBER_READ, '$10');
  return Buffer.concat([document.subarray(0, at), Buffer.from(end, 'latin1')]);
}

export function jsonDocument(): Framing {
  return counted('\n\t"data":\n\t[\n', ',\n', (rows) => `\n\t],\n\n\t"rows": ${rows}`);
}

export function xmlDocument(): Framing {
  return counted('\n\t<data>\n', '', (rows) => `\t</data>\n\t<rows>${rows}</rows>`);
}

/** `{"name of the row": …}`; the server has numbered the names. */
export function objectOfRows(): Framing {
  return framed(Buffer.from('{\n'), Buffer.from(',\n'), Buffer.from('\n}\n'));
}
