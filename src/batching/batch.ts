import type { ChunkPool } from './chunks.ts';

/** Consecutive messages of one source, with consecutive offsets and the same number of rows each. */
interface Run {
  readonly source: number;
  readonly firstOffset: number;
  readonly firstRow: number;
  readonly rowsPerMessage: number;
  messages: number;
}

/** One source's share of a batch: the offsets it covers, `next` exclusive. Messages without rows are covered, too. */
export interface OffsetRange {
  readonly source: number;
  readonly first: number;
  next: number;
}

/**
 * A batch in the making: the bytes of one INSERT's body, written into pooled chunks, and which messages they came from.
 *
 * It knows neither Kafka nor ClickHouse: a *source* is a small number that stands for a partition. Writers write straight into `chunk` at
 * `position` after `ensure(bytes)`, and close each message with `endMessage` (or take it back with `rollback`).
 */
export class Batch {
  /** The chunk being written and the place in it: public because the splicers' inner loop lives on them. */
  chunk: Buffer;
  /** The chunk again, for writers of whole words. */
  view: DataView;
  position = 0;
  readonly #pool: ChunkPool;
  readonly #full: Buffer[] = [];
  readonly #whole: Buffer[] = [];
  #fullBytes = 0;
  #rows = 0;
  #messages = 0;
  #messageStart = 0;
  #run: Run | undefined;
  readonly #runs: Run[] = [];
  readonly #ranges = new Map<number, OffsetRange>();
  #range: OffsetRange = { source: 0, first: 0, next: 0 };
  #beganAtMs: number | undefined;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
    this.chunk = EMPTY;
    this.view = EMPTY_VIEW;
  }

  get rows(): number {
    return this.#rows;
  }

  get messages(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#fullBytes + this.position;
  }

  /** When it began to cover anything; undefined before. */
  get beganAtMs(): number | undefined {
    return this.#beganAtMs;
  }

  /** The offsets it covers, a range a source; sources that were begun and brought nothing are left out. */
  get ranges(): readonly OffsetRange[] {
    return [...this.#ranges.values()].filter((range) => range.next > range.first);
  }

  get coversNothing(): boolean {
    return this.#beganAtMs === undefined;
  }

  /** Makes room for `bytes` bytes in one piece from `position` on. What a message has written so far moves along. */
  ensure(bytes: number): void {
    if (this.position + bytes <= this.chunk.length) return;
    const begun = this.chunk.subarray(this.#messageStart, this.position);
    const next = this.#pool.take(begun.length + bytes);
    begun.copy(next);
    if (this.#messageStart > 0) {
      this.#full.push(this.chunk.subarray(0, this.#messageStart));
      this.#fullBytes += this.#messageStart;
    }
    if (this.chunk !== EMPTY) this.#whole.push(this.chunk);
    this.chunk = next;
    this.view = new DataView(next.buffer, next.byteOffset, next.length);
    this.position = begun.length;
    this.#messageStart = 0;
  }

  /** The message written since the last call is complete: it came from the source last begun, at `offset`, and makes `rows` rows (0 is fine). */
  endMessage(offset: number, rows: number): void {
    const source = this.#range.source;
    this.cover(offset + 1);
    this.#messageStart = this.position;
    this.#messages += 1;
    if (rows === 0) return;
    const run = this.#run;
    if (run !== undefined && run.source === source && run.rowsPerMessage === rows && run.firstOffset + run.messages === offset) {
      run.messages += 1;
    } else {
      this.#run = { source, firstOffset: offset, firstRow: this.#rows, rowsPerMessage: rows, messages: 1 };
      this.#runs.push(this.#run);
    }
    this.#rows += rows;
  }

  /** Forgets what the current message has written. */
  rollback(): void {
    this.position = this.#messageStart;
  }

  /** Reading of `source` goes on at offset `at`: where its range begins, unless the batch covers some of it already. */
  begin(source: number, at: number): void {
    if (this.#range.source === source) return;
    const known = this.#ranges.get(source);
    this.#range = known ?? { source, first: at, next: at };
    if (known === undefined) this.#ranges.set(source, this.#range);
  }

  /** The source last begun has been read up to `next` (exclusive), with or without rows. */
  cover(next: number): void {
    if (next <= this.#range.next) return;
    this.#range.next = next;
    this.#beganAtMs ??= Date.now();
  }

  /** The message that made row number `row` (from 0), or undefined past the end. */
  messageOfRow(row: number): { source: number; offset: number } | undefined {
    if (row < 0 || row >= this.#rows) return undefined;
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#runs[middle] as Run).firstRow <= row) low = middle;
      else high = middle - 1;
    }
    const run = this.#runs[low] as Run;
    return { source: run.source, offset: run.firstOffset + Math.floor((row - run.firstRow) / run.rowsPerMessage) };
  }

  /** The body, in order, as views of the chunks: valid until `release`. */
  body(): Buffer[] {
    return this.position > 0 ? [...this.#full, this.chunk.subarray(0, this.position)] : [...this.#full];
  }

  /** Gives the memory back. The batch must not be used afterwards. */
  release(): void {
    if (this.chunk !== EMPTY) this.#whole.push(this.chunk);
    this.#pool.release(this.#whole.splice(0));
    this.chunk = EMPTY;
    this.position = 0;
    this.#full.length = 0;
  }
}

const EMPTY = Buffer.alloc(0);
const EMPTY_VIEW = new DataView(new ArrayBuffer(0));
