import { ChunkedBytes } from './chunked-bytes.ts';
import type { ChunkPool } from './chunks.ts';

/** Consecutive messages of one source, with consecutive offsets and the same number of rows each (from 1). */
export interface Run {
  readonly source: number;
  readonly firstOffset: number;
  readonly firstRow: number;
  readonly rowsPerMessage: number;
  readonly messages: number;
}

type GrowingRun = { -readonly [K in keyof Run]: Run[K] };

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
export class Batch extends ChunkedBytes {
  readonly #pool: ChunkPool;
  #notes: ChunkedBytes | undefined;
  #rows = 0;
  #messages = 0;
  #run: GrowingRun | undefined;
  readonly #runs: GrowingRun[] = [];
  readonly #ranges: OffsetRange[] = [];
  /** The newest range of each source. */
  readonly #newest = new Map<number, OffsetRange>();
  #range: OffsetRange = { source: 0, first: 0, next: 0 };
  #beganAtMs: number | undefined;

  constructor(pool: ChunkPool) {
    super(pool);
    this.#pool = pool;
  }

  /** What a writer notes aside of each message that makes rows, in their order: taken back and given back like the body. */
  get notes(): ChunkedBytes {
    return (this.#notes ??= new ChunkedBytes(this.#pool));
  }

  /** The messages that made rows, in the order of the body. */
  get runs(): readonly Run[] {
    return this.#runs;
  }

  get rows(): number {
    return this.#rows;
  }

  get messages(): number {
    return this.#messages;
  }

  /** Of the body and the notes. */
  override get bytes(): number {
    return super.bytes + (this.#notes?.bytes ?? 0);
  }

  get bodyBytes(): number {
    return super.bytes;
  }

  /** When it began to cover anything; undefined before. */
  get beganAtMs(): number | undefined {
    return this.#beganAtMs;
  }

  /** The offsets it covers: a range a source, unless offsets were left out in between. Sources that were begun and brought nothing are not in it. */
  get ranges(): readonly OffsetRange[] {
    return this.#ranges.filter((range) => range.next > range.first);
  }

  get coversNothing(): boolean {
    return this.#beganAtMs === undefined;
  }

  /** The message written since the last call is complete: it came from the source last begun, at `offset`, and makes `rows` rows (0 is fine). */
  endMessage(offset: number, rows: number): void {
    const source = this.#range.source;
    this.cover(offset + 1);
    this.mark();
    this.#notes?.mark();
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
  override rollback(): void {
    super.rollback();
    this.#notes?.rollback();
  }

  /** Reading of `source` goes on at offset `at`: where a range begins, unless the last one goes as far. */
  begin(source: number, at: number): void {
    if (this.#range.source === source && this.#range.next >= at) return;
    const known = this.#newest.get(source);
    this.#range = known !== undefined && known.next >= at ? known : { source, first: at, next: at };
    if (this.#range === known) return;
    this.#newest.set(source, this.#range);
    this.#ranges.push(this.#range);
  }

  /** The source last begun has been read up to `next` (exclusive), with or without rows. */
  cover(next: number): void {
    if (next <= this.#range.next) return;
    this.#range.next = next;
    this.#beganAtMs ??= performance.now();
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

  /** Gives the memory back. The batch must not be used afterwards. */
  override release(): void {
    super.release();
    this.#notes?.release();
  }
}
