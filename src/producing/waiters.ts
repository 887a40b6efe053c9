import type { ClickHouseException } from '../errors.ts';
import type { Part } from './position.ts';

interface Waiter {
  /** UUIDs of the parts that it waits for. */
  readonly awaited: Set<string>;
  /** UUIDs of those that may be its own. */
  readonly own: ReadonlySet<string>;
  readonly queryId: string | undefined;
  readonly resolve: () => void;
  readonly reject: (error: ClickHouseException) => void;
}

/** INSERTs whose rows are in the outbox and not in Kafka yet. */
export class Waiters {
  readonly #waiters = new Set<Waiter>();

  /**
   * Resolves when all of `parts` are sent; rejects with what `fail` is called with, or when `signal` is aborted with `late()`. Parts up to block `since` are of others (unless block
   * numbers have begun anew, and none is behind it), and parts of other queries than `queryId`, where that is known.
   */
  wait(
    parts: readonly Part[],
    {
      since = -1,
      queryId,
      signal,
      late,
    }: {
      readonly since?: number | undefined;
      readonly queryId?: string | undefined;
      readonly signal: AbortSignal;
      readonly late: () => ClickHouseException;
    },
  ): Promise<void> {
    const after = parts.filter(({ block }) => block > since);
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', expire);
        settle();
      };
      const expire = (): void => {
        end(() => reject(late()));
      };
      const waiter: Waiter = {
        awaited: new Set(parts.map(({ uuid }) => uuid)),
        queryId,
        own: new Set((after.length > 0 ? after : parts).map(({ uuid }) => uuid)),
        resolve: () => {
          end(resolve);
        },
        reject: (error) => {
          end(() => reject(error));
        },
      };
      this.#waiters.add(waiter);
      if (waiter.awaited.size === 0) waiter.resolve();
      else if (signal.aborted) expire();
      else signal.addEventListener('abort', expire);
    });
  }

  get isEmpty(): boolean {
    return this.#waiters.size === 0;
  }

  /** Only these parts are not sent yet. */
  stillWaiting(unsent: readonly Part[]): void {
    const left = new Set(unsent.map(({ uuid }) => uuid));
    for (const waiter of [...this.#waiters]) {
      for (const uuid of waiter.awaited) if (!left.has(uuid)) waiter.awaited.delete(uuid);
      if (waiter.awaited.size === 0) waiter.resolve();
    }
  }

  /** Whoever inserted this part by `query` (`QUERY_COLUMN`), as far as can be told, hears that it will not be sent; all hear it without one. */
  fail(error: () => ClickHouseException, part?: Part, query?: string): void {
    for (const waiter of [...this.#waiters])
      if (part === undefined || (waiter.own.has(part.uuid) && mayBeOf(query, waiter.queryId))) waiter.reject(error());
  }
}

/** Whether a part that `query` brought (`QUERY_COLUMN`) may be of the query with this id; true when either is not known. */
export function mayBeOf(query: string | undefined, queryId: string | undefined): boolean {
  return query === undefined || queryId === undefined || query.startsWith(`${queryId} `);
}
