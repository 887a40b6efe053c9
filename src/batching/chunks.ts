import type { MemoryBudget } from './budget.ts';

/** Size of a pooled chunk. 1 MiB keeps writes to the socket large and the slack of a small batch small. */
export const CHUNK_BYTES = 1024 * 1024;

/**
 * Hands out the buffers that batches are written into and takes them back, so that a steady stream allocates nothing.
 * Chunks of `CHUNK_BYTES` are kept for reuse; a larger one, made for a single huge message, is left to the collector.
 */
export class ChunkPool {
  readonly #free: Buffer[] = [];
  readonly #budget: MemoryBudget;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  /** A chunk of at least `bytes` bytes. Always succeeds: the caller asks `MemoryBudget.hasRoom` before it begins a message. */
  take(bytes: number): Buffer {
    const chunk = bytes <= CHUNK_BYTES ? (this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES)) : Buffer.allocUnsafeSlow(bytes);
    this.#budget.reserve(chunk.length);
    return chunk;
  }

  /** Gives chunks back. The caller must not touch them afterwards. */
  release(chunks: readonly Buffer[]): void {
    for (const chunk of chunks) {
      this.#budget.release(chunk.length);
      if (chunk.length === CHUNK_BYTES && this.#free.length < this.#budget.limitBytes / CHUNK_BYTES) this.#free.push(chunk);
    }
  }
}
