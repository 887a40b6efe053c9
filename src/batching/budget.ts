/**
 * The bytes of message data that the whole process may hold, shared by all tables.
 *
 * It never refuses: `reserve` may go over the limit. Tables look at `hasRoom` between record batches; where there is none, a table first
 * delivers what it holds before it takes more. So each one always gets on, in smaller batches, and none waits for another's trouble.
 */
export class MemoryBudget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  hasRoom(): boolean {
    return this.#usedBytes < this.limitBytes;
  }

  reserve(bytes: number): void {
    this.#usedBytes += bytes;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
