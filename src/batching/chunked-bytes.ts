import type { ChunkPool } from './chunks.ts';

/**
 * Bytes written into pooled chunks, piece by piece; a piece never lies in two chunks. Writers write straight into `chunk` at `position` after
 * `ensure(bytes)`; `mark` ends a piece, `rollback` takes back what was written since.
 */
export class ChunkedBytes {
  /** The chunk being written and the place in it: public because the splicers' inner loop lives on them. */
  chunk: Buffer = EMPTY;
  /** The chunk again, for writers of whole words. */
  view: DataView = EMPTY_VIEW;
  position = 0;
  readonly #pool: ChunkPool;
  readonly #full: Buffer[] = [];
  readonly #whole: Buffer[] = [];
  #fullBytes = 0;
  #pieceStart = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  get bytes(): number {
    return this.#fullBytes + this.position;
  }

  /** Makes room for `bytes` bytes in one piece from `position` on. What the current piece has so far moves along. */
  ensure(bytes: number): void {
    if (this.position + bytes <= this.chunk.length) return;
    const begun = this.chunk.subarray(this.#pieceStart, this.position);
    const next = this.#pool.take(begun.length + bytes);
    begun.copy(next);
    if (this.#pieceStart > 0) {
      this.#full.push(this.chunk.subarray(0, this.#pieceStart));
      this.#fullBytes += this.#pieceStart;
    }
    if (this.chunk !== EMPTY) this.#whole.push(this.chunk);
    this.chunk = next;
    this.view = new DataView(next.buffer, next.byteOffset, next.length);
    this.position = begun.length;
    this.#pieceStart = 0;
  }

  /** The current piece is complete. */
  mark(): void {
    this.#pieceStart = this.position;
  }

  /** Forgets what the current piece has. */
  rollback(): void {
    this.position = this.#pieceStart;
  }

  /** All bytes, in order, as views of the chunks: valid until `release`. */
  body(): Buffer[] {
    return this.position > 0 ? [...this.#full, this.chunk.subarray(0, this.position)] : [...this.#full];
  }

  /** Gives the memory back. Nothing may be written or read afterwards. */
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
