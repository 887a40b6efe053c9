import type { Delivery, ManagedTable } from '../catalog/index.ts';
import type { TableStatus } from './table-status.ts';

/** One Kafka table for people and their tools: what it does, what it promises, and how far it got in this gateway. Names are those of the JSON. */
export interface TableReport {
  readonly database: string;
  readonly table: string;
  /** `no views` and `not ready`: nothing is read. */
  readonly state: TableStatus['state'] | 'no views' | 'not ready';
  /** Why it is not ready. */
  readonly reason?: string;
  readonly topics: readonly string[];
  readonly group: string;
  readonly views: readonly string[];
  readonly delivery: Delivery;
  readonly messages_read: number;
  readonly rows_inserted: number;
  readonly inserts: number;
  readonly commits: number;
  /** ISO 8601; null: never. */
  readonly last_commit: string | null;
  /** Newest last. */
  readonly exceptions: readonly { readonly time: string; readonly text: string }[];
}

/** `status`: of its stream; undefined when it has none. */
export function reportOf(table: ManagedTable, status: TableStatus | undefined): TableReport {
  const { database, views, notReady, delivery } = table;
  return {
    database,
    table: table.table,
    state: views.length === 0 ? 'no views' : notReady === undefined ? (status?.state ?? 'starting') : 'not ready',
    ...(notReady !== undefined && views.length > 0 && { reason: notReady }),
    topics: table.options.topics,
    group: table.options.groupName,
    views,
    delivery,
    messages_read: status?.messagesRead ?? 0,
    rows_inserted: status?.rowsInserted ?? 0,
    inserts: status?.inserts ?? 0,
    commits: status?.commits ?? 0,
    last_commit: status?.lastCommitAtMs === undefined ? null : isoTime(status.lastCommitAtMs),
    exceptions: (status?.exceptions ?? []).map(({ atMs, text }) => ({ time: isoTime(atMs), text })),
  };
}

function isoTime(atMs: number): string {
  return new Date(atMs).toISOString();
}
