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

/**
 * `prefix` once in front, `between` between rows, `suffix` once behind them; a row's own document has `frontBytes` in front of the row and as many as `suffix`
 * behind it.
 */
export function framed(prefix: Buffer, between: Buffer, suffix: Buffer, frontBytes = prefix.length): Framing {
  return {
    row: (out, source, start, end, index) => {
      out.append(index === 0 ? prefix : between);
      out.append(source, start + frontBytes, end - suffix.length);
    },
    end: (out) => {
      out.append(suffix);
      return 0;
    },
  };
}

const LINE_FEED = 10;

/** The document's first line once in front, and rows behind their own documents' first lines: `{"meta":[…]}`, whose names are escaped. */
export function withFirstLine(document: Buffer): Framing {
  const line = document.subarray(0, document.indexOf(LINE_FEED) + 1);
  return {
    row: (out, source, start, end, index) => {
      if (index === 0) out.append(line);
      out.append(source, source.indexOf(LINE_FEED, start) + 1, end);
    },
  };
}

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

interface CountedFormat {
  /** Ends what stands in front of the rows. */
  readonly first: string;
  readonly between: string;
  /** Begins what stands behind the rows. Neither can stand in a name or value. */
  readonly last: (rows: number) => string;
}

export const JSON_DOCUMENT: CountedFormat = {
  first: '\n\t"data":\n\t[\n',
  between: ',\n',
  last: (rows) => `\n\t],\n\n\t"rows": ${rows}`,
};

export const XML_DOCUMENT: CountedFormat = { first: '\n\t<data>\n', between: '', last: (rows) => `\t</data>\n\t<rows>${rows}</rows>` };

/**
 * A document that counts its rows behind them and tells what the query has read: nothing, says the real engine, and how long it took. What stands in front of the
 * rows is that of the document `empty`: a row's own one names other types (without LowCardinality).
 */
export function counted({ first, between, last }: CountedFormat, empty: Buffer): Framing {
  const head = empty.subarray(0, empty.indexOf(first) + first.length);
  const separator = Buffer.from(between);
  const lastOfOne = Buffer.from(last(1));
  let tail = '';
  return {
    row: (out, source, start, end, index) => {
      const document = source.subarray(start, end);
      const from = document.indexOf(first) + first.length;
      const behind = document.lastIndexOf(lastOfOne);
      if (behind < from) throw new Error(`a row's document has no ${JSON.stringify(last(1))}`);
      out.append(index === 0 ? head : separator);
      out.append(document, from, behind);
      tail = document.toString('utf8', behind + lastOfOne.length);
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
  const at = Math.max(document.length - MOST_STATISTICS_BYTES, 0);
  const end = document.toString('latin1', at).replace(NUMBER_READ, '$10');
  return Buffer.concat([document.subarray(0, at), Buffer.from(end, 'latin1')]);
}

/** `{"name of the row": …}`; the server has numbered the names. */
export function objectOfRows(): Framing {
  return framed(Buffer.from('{\n'), Buffer.from(',\n'), Buffer.from('\n}\n'));
}
