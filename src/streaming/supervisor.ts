import type { ManagedTable } from '../catalog/index.ts';
import type { Logger } from '../logger.ts';
import { TableStream, type StreamContext } from './table-stream.ts';
import type { TableStatus } from './table-status.ts';

/** How long a table that is dropped, detached or changed may take to finish what is under way. */
const STOP_GRACE_MS = 2_000;
/** How long a statement that makes a view waits for the INSERTs that were under way before it. */
const VIEW_CHANGE_WAIT_MS = 30_000;

/** Longer than any statement that makes a view takes. */
const WIDE_MS = 60_000;
const START_RETRY_MS = 1_000;

/**
 * Compares the tables that should stream (they have views, and all of them are ready) with those that do, and starts, stops or changes streams until they
 * agree. Level-triggered: it may be called at any time and as often as one likes.
 */
export class Supervisor {
  readonly #context: StreamContext;
  readonly #logger: Logger;
  readonly #streams = new Map<string, TableStream>();
  readonly #notReady = new Map<string, string>();
  #queue: Promise<void> = Promise.resolve();
  /** Tables whose rows carry every virtual column for a while, since a view is being made on them. */
  readonly #wideUntilMs = new Map<string, number>();
  #tables: readonly ManagedTable[] = [];
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(context: StreamContext) {
    this.#context = context;
    this.#logger = context.logger;
  }

  /** Brings the running streams in line with `tables`. Resolves when every stream that had to stop has left its group. Never rejects. */
  reconcile(tables: readonly ManagedTable[]): Promise<void> {
    return this.#enqueue(() => this.#align(tables));
  }

  /**
   * A view on these tables is about to be made or changed: for the next minute their rows carry every virtual column, since the new view may read any of
   * them and the catalog does not know it yet. Resolves when no row without them is under way.
   */
  prepareForViewChange(names: readonly { readonly database: string; readonly table: string }[]): Promise<void> {
    return this.#enqueue(async () => {
      for (const name of names) {
        const stream = this.#streams.get(keyOf(name));
        if (stream === undefined) continue;
        this.#wideUntilMs.set(keyOf(name), Date.now() + WIDE_MS);
        await stream.useTable({ ...stream.table, usedVirtualColumns: stream.table.virtualColumns }, VIEW_CHANGE_WAIT_MS);
      }
      setTimeout(() => void this.#alignAgain(), WIDE_MS + 1).unref();
    });
  }

  status(): { readonly database: string; readonly table: string; readonly status: TableStatus }[] {
    return [...this.#streams.values()].map((stream) => ({
      database: stream.table.database,
      table: stream.table.table,
      status: stream.status(),
    }));
  }

  /** Drains all streams: running batches finish and are committed, within `graceMs`. No stream starts afterwards. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    await this.#queue;
    await Promise.all([...this.#streams.values()].map((stream) => stream.stop({ graceMs, flush: true })));
    this.#streams.clear();
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(async () => {
      if (!this.#isClosed) await work();
    });
    return this.#queue;
  }

  /** With the tables as they are when its turn comes, not as they are now. */
  #alignAgain(): Promise<void> {
    return this.#enqueue(() => this.#align(this.#tables));
  }

  async #align(tables: readonly ManagedTable[]): Promise<void> {
    this.#tables = tables;
    const wanted = new Map<string, ManagedTable>();
    for (const table of tables) {
      this.#noteReadiness(table);
      if (table.views.length > 0 && table.notReady === undefined) wanted.set(keyOf(table), table);
    }
    const stopping: Promise<void>[] = [];
    for (const [key, stream] of this.#streams) {
      const table = wanted.get(key);
      if (table !== undefined && !mustRestart(stream.table, table)) continue;
      this.#streams.delete(key);
      stopping.push(stream.stop({ graceMs: STOP_GRACE_MS, flush: false }));
    }
    await Promise.all(stopping);
    await Promise.all([...wanted].map(([key, table]) => this.#startOrChange(key, table)));
  }

  async #startOrChange(key: string, table: ManagedTable): Promise<void> {
    const running = this.#streams.get(key);
    if (running === undefined) {
      await this.#start(key, table);
    } else if (running.table.usedVirtualColumns.join() !== table.usedVirtualColumns.join() && !this.#isHeldWide(key)) {
      await running.useTable(table, VIEW_CHANGE_WAIT_MS);
    }
  }

  #isHeldWide(key: string): boolean {
    return Date.now() < (this.#wideUntilMs.get(key) ?? 0);
  }

  async #start(key: string, table: ManagedTable): Promise<void> {
    try {
      const stream = new TableStream(table, await this.#context.serverDefaults(), this.#context);
      this.#streams.set(key, stream);
      stream.start();
    } catch (error) {
      this.#logger.warn({ err: error, table: `${table.database}.${table.table}` }, 'stream not started yet');
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => void this.#alignAgain(), START_RETRY_MS);
    }
  }

  #noteReadiness(table: ManagedTable): void {
    const key = keyOf(table);
    if (this.#notReady.get(key) === table.notReady) return;
    if (table.notReady === undefined) this.#notReady.delete(key);
    else {
      this.#notReady.set(key, table.notReady);
      this.#logger.warn({ table: `${table.database}.${table.table}`, reason: table.notReady }, 'not streaming');
    }
  }
}

function keyOf({ database, table }: { readonly database: string; readonly table: string }): string {
  return JSON.stringify([database, table]);
}

/** Everything but the set of virtual columns in use needs a new stream. */
function mustRestart(running: ManagedTable, wanted: ManagedTable): boolean {
  return streamFingerprint(running) !== streamFingerprint(wanted);
}

function streamFingerprint({ uuid, options, columns, virtualColumns }: ManagedTable): string {
  return JSON.stringify([uuid, options, columns, virtualColumns]);
}
