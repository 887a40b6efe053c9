import { RowCutter } from './row-cutter.ts';

/**
 * How a row looks as a line of a format whose rows are lines, with one column more in front of it, its head:
 * `<open><head><close><the row without its own beginning>`. The last byte of `close` gives way to `beginning`, which the row then begins with.
 */
export interface LineShape {
  readonly open: string;
  readonly close: string;
  readonly beginning?: string;
}

/** The column that holds the head. */
export const HEAD_COLUMN = '_sluice_row';

/** Formats whose rows are lines, each ended by the only line feed in it, by lower-case name. */
export const LINE_SHAPES: Readonly<Record<string, LineShape>> = {
  jsonstringseachrow: { open: `{"${HEAD_COLUMN}":"`, close: '",', beginning: '{' },
  jsoncompactstringseachrow: { open: '["', close: '", ', beginning: '[' },
  ...sameFor({ open: '', close: '\t' }, ['tabseparated', 'tsv']),
  tskv: { open: `${HEAD_COLUMN}=`, close: '\t' },
};

function sameFor(shape: LineShape, formats: readonly string[]): Record<string, LineShape> {
  return Object.fromEntries(formats.map((format) => [format, shape]));
}

/** SQL for the head: `<part>,<offset>,<traits in hex>,<key in hex, or - without one>`. `part`, `traits` and `key` are SQL for numbers and strings. */
export function headColumn(part: string, traits: string, key: string): string {
  return `concat(toString(${part}), ',', toString(_part_offset), ',', hex(${traits}), ',', ifNull(hex(${key}), '-')) AS ${HEAD_COLUMN}`;
}

const LINE_FEED = 10;
const COMMA = 44;
const MINUS = 45;

/** Rows as lines with a head: the server writes them far quicker than one document for each row. */
export class LineRows extends RowCutter {
  readonly #openBytes: number;
  readonly #close: Buffer;
  readonly #beginning: number | undefined;
  #at = 0;

  constructor({ open, close, beginning }: LineShape) {
    super();
    this.#openBytes = Buffer.byteLength(open);
    this.#close = Buffer.from(close);
    this.#beginning = beginning?.charCodeAt(0);
  }

  override find(window: Buffer, begin: number, filled: number): boolean {
    const lineEnd = window.indexOf(LINE_FEED, begin);
    if (lineEnd === -1 || lineEnd >= filled) return false;
    this.#at = begin + this.#openBytes;
    this.part = this.#number(window);
    this.offset = this.#number(window);
    this.traitsStart = this.#at;
    this.traitsEnd = this.#bytes(window);
    this.#expect(window, COMMA);
    if (window[this.#at] === MINUS) {
      this.#at++;
      this.keyStart = this.keyEnd = -1;
    } else {
      this.keyStart = this.#at;
      this.keyEnd = this.#bytes(window);
    }
    for (const byte of this.#close) this.#expect(window, byte);
    this.valueStart = this.#at;
    this.valueEnd = lineEnd + 1;
    if (this.#beginning !== undefined) window[--this.valueStart] = this.#beginning;
    return true;
  }

  /** A number and the comma behind it. */
  #number(window: Buffer): number {
    let value = 0;
    let digit = (window[this.#at] as number) - 48;
    for (; digit >= 0 && digit <= 9; digit = (window[this.#at] as number) - 48) {
      value = value * 10 + digit;
      this.#at++;
    }
    this.#expect(window, COMMA);
    return value;
  }

  /** Writes what the hexadecimal digits mean in place of them; answers where it ends. */
  #bytes(window: Buffer): number {
    let to = this.#at;
    for (;;) {
      const high = digitOf(window[this.#at] as number);
      if (high === -1) return to;
      window[to++] = high * 16 + digitOf(window[this.#at + 1] as number);
      this.#at += 2;
    }
  }

  #expect(window: Buffer, byte: number): void {
    if (window[this.#at++] !== byte) throw new Error('the outbox answered a line that is no row of it');
  }
}

/** Of a digit as the server's `hex` writes it; -1: it is none. */
function digitOf(character: number): number {
  if (character >= 48 && character <= 57) return character - 48;
  return character >= 65 && character <= 70 ? character - 55 : -1;
}
