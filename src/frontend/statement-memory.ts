import { clickhouseError } from '../errors.ts';

/** What the statements of all clients that are being read may take together: whoever sends them need not have proved who he is. */
export class StatementMemory {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False when there is no room; then nothing was taken. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#maxBytes) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** What one statement has taken of it so far. */
export class StatementShare {
  readonly #memory: StatementMemory;
  #bytes = 0;

  constructor(memory: StatementMemory) {
    this.#memory = memory;
  }

  /** Throws an exception for the client when there is no room. */
  take(bytes: number): void {
    if (!this.#memory.take(bytes)) throw clickhouseError('MEMORY_LIMIT_EXCEEDED', NO_STATEMENT_MEMORY);
    this.#bytes += bytes;
  }

  giveAll(): void {
    this.#memory.give(this.#bytes);
    this.#bytes = 0;
  }
}

/** 256 MiB. */
export const STATEMENT_MEMORY_BYTES = 256 << 20;
export const NO_STATEMENT_MEMORY = 'The gateway is reading too many long statements at once: try again later';

/** Unless said otherwise: statements that are longer, 64 MiB, are not read. */
export const MAX_STATEMENT_BYTES = 64 << 20;
/** As much is read of every statement. */
const MIN_STATEMENT_LIMIT_BYTES = 1024 * 1024 + 64 * 1024;

/**
 * Beyond it a statement cannot be ours: the server refuses it for its length. A limit in the user's profile is not known here, so some more is read. `asked`: the client's
 * `max_query_size`, if it sets one.
 */
export function statementLimitBytes(asked: number | undefined, maxStatementBytes: number): number {
  if (asked === 0) return maxStatementBytes;
  return Math.min(Math.max(asked ?? 0, MIN_STATEMENT_LIMIT_BYTES), maxStatementBytes);
}
