import type { ManagedTable } from '../catalog/index.ts';
import { clickhouseError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { within } from '../pauses.ts';
import { VIEW_CHANGE_MS } from './company.ts';
import { TableStream, VIEW_CHANGE_WAIT_MS, type DeadLetter, type StreamContext } from './table-stream.ts';
import { reportOf, type TableReport } from './table-report.ts';

/** How long a statement waits for the streams to follow it. */
const SETTLE_MS = 10_000;
/** How long a table that is dropped, detached or changed may take to finish what is under way. */
const STOP_GRACE_MS = 2_000;
/** How long a statement that makes a view waits for the stream's first consumer: longer than the other members take to hear of a rebalance. */
const JOIN_WAIT_MS = 10_000;
/** How long a statement that changes a view waits for the INSERTs under way. */
const HOLD_WAIT_MS = 10_000;
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
  /** What stands in the way of exactly-once, as it was told last. */
  readonly #prevented = new Map<string, string>();
  /** The last step of each table that has any to do. */
  readonly #steps = new Map<string, Promise<void>>();
  readonly #wanted = new Map<string, ManagedTable>();
  /** Statements under way that make or change a view: the tables of each. */
  readonly #viewChanges = new Set<ReadonlySet<string>>();
  #tables: readonly ManagedTable[] = [];
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(context: StreamContext) {
    this.#context = context;
    this.#logger = context.logger;
  }

  /**
   * Brings the running streams in line with `tables`. Each table is worked on by itself, so that a broker or target that does not answer holds up nobody
   * else. Resolves when all is done, streams that had to stop having left their groups, or after `SETTLE_MS`. Never rejects.
   */
  reconcile(tables: readonly ManagedTable[]): Promise<void> {
    this.#tables = tables;
    this.#align();
    return within(SETTLE_MS, this.#settled());
  }

  /**
   * A view on these tables is about to be made or changed: their rows carry every virtual column, since the new view may read any of them and the catalog
   * does not know it yet, nor does a stream that starts meanwhile. Resolves when no row without them is under way, here or in another gateway (that one
   * has learned from the group that it is not alone: `Company`), and what was under way is in and committed. From then on nothing is inserted until `resume`,
   * to be called when the statement is over, and rows stay as they are until `end`, when the catalog knows what became of it; either happens by itself after
   * `VIEW_CHANGE_MS`.
   */
  async prepareForViewChange(
    names: readonly { readonly database: string; readonly table: string }[],
  ): Promise<{ readonly resume: () => void; readonly end: () => void }> {
    const keys = new Set(names.map(keyOf));
    this.#viewChanges.add(keys);
    const held: (() => void)[] = [];
    const resume = (): void => {
      for (const release of held.splice(0)) release();
    };
    const end = (): void => {
      clearTimeout(timer);
      resume();
      if (this.#viewChanges.delete(keys)) this.#align();
    };
    const timer = setTimeout(end, VIEW_CHANGE_MS).unref();
    await Promise.all([...keys].map((key) => this.#enqueue(key, () => this.#widen(key))));
    const streams = [...keys].flatMap((key) => this.#streams.get(key) ?? []);
    held.push(...(await Promise.all(streams.map((stream) => stream.holdInserts(HOLD_WAIT_MS)))));
    return { resume, end };
  }

  /** All tables that can be read, those that do not stream as well. */
  status(): TableReport[] {
    return this.#tables.map((table) => reportOf(table, this.#streams.get(keyOf(table))?.status()));
  }

  /**
   * Inserts dead letters of a table as its rows; answers for each why it still cannot be read, or undefined. Throws BAD_ARGUMENTS when the table does not
   * stream: its rows would come to no view.
   */
  async replay(id: { readonly database: string; readonly table: string }, letters: readonly DeadLetter[]): Promise<(string | undefined)[]> {
    const stream = this.#streams.get(keyOf(id));
    if (stream !== undefined) return stream.replay(letters);
    const reason = this.#notReady.get(keyOf(id)) ?? 'no materialized view reads it';
    throw clickhouseError(
      'BAD_ARGUMENTS',
      `Dead letters of ${id.database}.${id.table} cannot be replayed: the table does not stream (${reason})`,
    );
  }

  /** Drains all streams: running batches finish and are committed, within `graceMs`. No stream starts afterwards. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    await within(graceMs, this.#settled());
    await Promise.all([...this.#streams.values()].map((stream) => stream.stop({ graceMs, flush: true })));
    this.#streams.clear();
  }

  /** One table's steps happen one after the other; those of different tables do not wait for each other. */
  #enqueue(key: string, step: () => Promise<void>): Promise<void> {
    const before = this.#steps.get(key) ?? Promise.resolve();
    const after = before.then(async () => {
      try {
        if (!this.#isClosed) await step();
      } catch (error) {
        this.#logger.error({ err: error, table: key }, 'stream could not be changed');
      }
      if (this.#steps.get(key) === after) this.#steps.delete(key);
    });
    this.#steps.set(key, after);
    return after;
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#steps.values());
  }

  #align(): void {
    this.#wanted.clear();
    const existing = new Set(this.#tables.map(keyOf));
    for (const told of [this.#notReady, this.#prevented]) for (const key of told.keys()) if (!existing.has(key)) told.delete(key);
    for (const table of this.#tables) {
      this.#noteReadiness(table);
      this.#noteDelivery(table);
      if (table.views.length > 0 && table.notReady === undefined) this.#wanted.set(keyOf(table), table);
    }
    for (const key of new Set([...this.#streams.keys(), ...this.#wanted.keys()])) void this.#enqueue(key, () => this.#alignOne(key));
  }

  /** Looks at what is wanted when its turn comes, not when it was asked for. */
  async #alignOne(key: string): Promise<void> {
    const running = this.#streams.get(key);
    const wanted = this.#wanted.get(key);
    if (running !== undefined && wanted !== undefined && !mustRestart(running.table, wanted)) return this.#change(key, running, wanted);
    if (running !== undefined) {
      this.#streams.delete(key);
      await running.stop({ graceMs: STOP_GRACE_MS, flush: false });
    }
    const now = this.#wanted.get(key);
    if (now !== undefined && !this.#isClosed) await this.#start(key, now);
  }

  async #change(key: string, running: TableStream, wanted: ManagedTable): Promise<void> {
    const table = this.#asWideAsNeeded(key, wanted);
    if (running.table.usedVirtualColumns.join() !== table.usedVirtualColumns.join()) await running.useTable(table, VIEW_CHANGE_WAIT_MS);
  }

  async #widen(key: string): Promise<void> {
    const stream = this.#streams.get(key);
    if (stream === undefined) return;
    await stream.joined(JOIN_WAIT_MS);
    await this.#change(key, stream, stream.table);
  }

  /** The table, with every virtual column in use while a view on it is being made or changed. */
  #asWideAsNeeded(key: string, table: ManagedTable): ManagedTable {
    const isChanging = [...this.#viewChanges].some((keys) => keys.has(key));
    return isChanging ? { ...table, usedVirtualColumns: table.virtualColumns } : table;
  }

  async #start(key: string, table: ManagedTable): Promise<void> {
    try {
      const defaults = await this.#context.serverDefaults();
      if (this.#isClosed) return;
      const stream = new TableStream(this.#asWideAsNeeded(key, table), defaults, this.#context);
      this.#streams.set(key, stream);
      stream.start();
    } catch (error) {
      this.#logger.warn({ err: error, table: `${table.database}.${table.table}` }, 'stream not started yet');
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#align(), START_RETRY_MS);
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

  #noteDelivery({ database, table, views, notReady, delivery: { prevents } }: ManagedTable): void {
    const key = keyOf({ database, table });
    const told = views.length === 0 || notReady !== undefined || prevents.length === 0 ? undefined : JSON.stringify(prevents);
    if (this.#prevented.get(key) === told) return;
    if (told !== undefined) {
      this.#prevented.set(key, told);
      this.#logger.warn({ table: `${database}.${table}`, prevents }, 'delivery is at least once');
      return;
    }
    this.#prevented.delete(key);
    if (views.length > 0 && notReady === undefined) this.#logger.info({ table: `${database}.${table}` }, 'delivery is exactly once');
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
