import type { Topic } from './schema.ts';

/** How long an INSERT into a Kafka table waits for Kafka's acknowledgement, in milliseconds. */
export const DELIVERY_TIMEOUT_MS = 3000;

/** Key of rows that only wait until everything before them is in Kafka. */
export const FLUSH_KEY = 'flush';

/** A topic that is written through ClickHouse. Its rows have `_key`, `w` (who wrote them) and `n` (a number of his). */
export interface OutTable {
  /** In the report. */
  readonly target: string;
  readonly topic: string;
  /** The Kafka table that writes to it, with its database. */
  readonly queue: string;
  /** What writers insert into; absent: only a pipe writes. */
  readonly source?: string;
  /** Rows are selected into it, without tokens: an INSERT whose outcome nobody knows is not repeated, and must be there whole or not at all. */
  readonly isSelected?: true;
  /** Each of these topics' messages is in it once: `w` is the partition and `n` the offset. */
  readonly pipeOf?: readonly Topic[];
}

export const OUT_PARTITIONS = 3;

/** Kafka tables that are written to, with what they need, in `database`. */
export function createOutSchema(
  database: string,
  options: { readonly brokers: string; readonly flushIntervalMs: number; readonly piped: Topic },
): {
  readonly tables: readonly OutTable[];
  readonly kafkaTables: readonly string[];
  readonly readers: readonly (readonly [group: string, topics: readonly Topic[]])[];
  readonly refusable: readonly string[];
  readonly statements: readonly string[];
} {
  const { brokers, flushIntervalMs, piped } = options;
  const queue = (name: string, topic: string): string =>
    `CREATE TABLE ${database}.${name} (w UInt64, n UInt64) ENGINE = Kafka('${brokers}', '${topic}', '${topic}-group', 'JSONEachRow')
     SETTINGS kafka_delivery_timeout_ms = ${DELIVERY_TIMEOUT_MS}`;
  const [byView, byInsert, bySelect, pipe] = ['faults-by-view', 'faults-by-insert', 'faults-by-select', 'faults-pipe'] as const;
  const selected = `${database}.by_select_queue`;
  return {
    tables: [
      { target: 'out by view', topic: byView, queue: `${database}.by_view_queue`, source: `${database}.by_view_source` },
      { target: 'out by insert', topic: byInsert, queue: `${database}.by_insert_queue`, source: `${database}.by_insert_queue` },
      { target: 'out by select', topic: bySelect, queue: selected, source: selected, isSelected: true },
      { target: 'pipe', topic: pipe, queue: `${database}.pipe_queue`, pipeOf: [piped] },
    ],
    kafkaTables: ['by_view_queue', 'by_insert_queue', 'by_select_queue', 'pipe_queue', 'piped_queue'],
    readers: [['faults-piped', [piped]]],
    refusable: ['by_view_source'],
    statements: [
      `CREATE TABLE ${database}.by_view_source (w UInt64, n UInt64, _key String) ENGINE = MergeTree ORDER BY (w, n) SETTINGS non_replicated_deduplication_window = 10000`,
      queue('by_view_queue', byView),
      queue('by_insert_queue', byInsert),
      queue('by_select_queue', bySelect),
      queue('pipe_queue', pipe),
      `CREATE TABLE ${database}.piped_queue (n UInt64) ENGINE = Kafka('${brokers}', '${piped.name}', 'faults-piped', 'JSONEachRow')
       SETTINGS kafka_flush_interval_ms = ${flushIntervalMs}`,
      `CREATE MATERIALIZED VIEW ${database}.by_view TO ${database}.by_view_queue AS SELECT w, n, _key FROM ${database}.by_view_source`,
      `CREATE MATERIALIZED VIEW ${database}.pipe TO ${database}.pipe_queue AS
       SELECT _partition AS w, _offset AS n, toString(_partition) AS _key FROM ${database}.piped_queue`,
    ],
  };
}
