import type { Batch } from '../batching/index.ts';
import { ByteFinder } from './byte-finder.ts';
import type { RecordCursor } from './record-cursor.ts';
import { hexDecoding, RowPrefix, writeRow } from './row-prefix.ts';
import { UNPROVABLE, type CarriedField, type MessageWriter, type Splicer } from './splicer.ts';
import { hasByteOrderMark } from './write-text.ts';

const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;

/**
 * TSKV: `a=1\tb=x` becomes `<position>=70001\ta=1\tb=x`. The server wants a line break behind every row, even the last one; messages without it, with an
 * escaped one, with empty lines or a byte order mark are left to the exact path.
 */
class TskvWriter implements MessageWriter {
  readonly #prefix: RowPrefix;
  readonly #newlines = new ByteFinder(NEWLINE);

  constructor(fields: readonly CarriedField[]) {
    this.#prefix = new RowPrefix(fields, { start: '', before: ({ name }) => `${name}=`, after: () => '\t' });
  }

  write(batch: Batch, source: number, message: RecordCursor): number {
    const { bytes, valueStart, valueEnd } = message;
    if (bytes[valueEnd - 1] !== NEWLINE || hasByteOrderMark(bytes, valueStart)) return UNPROVABLE;
    let rows = 0;
    for (let start = valueStart; start < valueEnd;) {
      const rowEnd = this.#newlines.find(bytes, start, valueEnd);
      if (rowEnd === start || bytes[rowEnd - 1] === BACKSLASH) {
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

export const tskv: Splicer = {
  createWriter: (fields) => new TskvWriter(fields),
  forcedSettings: {},
  ...hexDecoding,
};
