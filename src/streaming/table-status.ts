/** What a person wants to know about one table's stream. Times are milliseconds since the epoch; undefined: never. */
export interface TableStatus {
  readonly state: 'starting' | 'streaming' | 'retrying' | 'stopped';
  /** Newest last, ten at most, as in `system.kafka_consumers`. */
  readonly exceptions: readonly { readonly atMs: number; readonly text: string }[];
  readonly messagesRead: number;
  readonly rowsInserted: number;
  readonly inserts: number;
  readonly commits: number;
  readonly lastCommitAtMs?: number;
}

const KEPT_EXCEPTIONS = 10;

/** Collects one table's figures; every part of its stream writes here, readers take `snapshot()`. */
export class StatusRecorder {
  state: TableStatus['state'] = 'starting';
  messagesRead = 0;
  rowsInserted = 0;
  inserts = 0;
  #commits = 0;
  #lastCommitAtMs: number | undefined;
  readonly #exceptions: { atMs: number; text: string }[] = [];

  /** Notes a failure. Returns false when it only repeats the last one, so that logs are not flooded. */
  exception(text: string): boolean {
    const isNew = this.#exceptions.at(-1)?.text !== text;
    this.#exceptions.push({ atMs: Date.now(), text });
    if (this.#exceptions.length > KEPT_EXCEPTIONS) this.#exceptions.shift();
    return isNew;
  }

  committed(): void {
    this.#commits += 1;
    this.#lastCommitAtMs = Date.now();
  }

  snapshot(): TableStatus {
    return {
      state: this.state,
      exceptions: [...this.#exceptions],
      messagesRead: this.messagesRead,
      rowsInserted: this.rowsInserted,
      inserts: this.inserts,
      commits: this.#commits,
      ...(this.#lastCommitAtMs === undefined ? {} : { lastCommitAtMs: this.#lastCommitAtMs }),
    };
  }
}
