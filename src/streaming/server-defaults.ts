import type { ServiceClient } from '../clickhouse/index.ts';

/** Profile-level settings of the server that stand in for what a table does not say (kafka-engine, "settings"). */
export interface ServerDefaults {
  readonly maxInsertBlockSize: number;
  readonly maxBlockSize: number;
  readonly streamFlushIntervalMs: number;
  readonly streamPollTimeoutMs: number;
  /** What makes the server heed deduplication tokens in our INSERTs, whatever the profile says: settings that this server knows. */
  readonly deduplication: Readonly<Record<string, string>>;
}

/** Ours are INSERT … SELECT, and what the server thinks of the SELECT does not matter: it is the same each time. */
const DEDUPLICATION: Readonly<Record<string, string>> = {
  insert_deduplicate: '1',
  deduplicate_insert: 'enable',
  deduplicate_insert_select: 'enable_even_for_bad_queries',
  deduplicate_blocks_in_dependent_materialized_views: '1',
};

/** Reads the service account's settings: once a stream starts, so that a changed profile counts for the next one. */
export function serverDefaultsReader(client: Pick<ServiceClient, 'rows'>): () => Promise<ServerDefaults> {
  return async () => {
    const names = Object.keys(DEDUPLICATION)
      .map((name) => `'${name}'`)
      .join(', ');
    const [row] = await client.rows<Record<Exclude<keyof ServerDefaults, 'deduplication'>, string> & { known: readonly string[] }>(
      `SELECT toString(getSetting('max_insert_block_size')) AS maxInsertBlockSize,
              toString(getSetting('max_block_size')) AS maxBlockSize,
              toString(toUInt64(getSetting('stream_flush_interval_ms'))) AS streamFlushIntervalMs,
              toString(toUInt64(getSetting('stream_poll_timeout_ms'))) AS streamPollTimeoutMs,
              (SELECT groupArray(name) FROM system.settings WHERE name IN (${names})) AS known`,
    );
    if (row === undefined) throw new Error('the server did not tell its settings');
    return {
      maxInsertBlockSize: Number(row.maxInsertBlockSize),
      maxBlockSize: Number(row.maxBlockSize),
      streamFlushIntervalMs: Number(row.streamFlushIntervalMs),
      streamPollTimeoutMs: Number(row.streamPollTimeoutMs),
      deduplication: Object.fromEntries(Object.entries(DEDUPLICATION).filter(([name]) => row.known.includes(name))),
    };
  };
}
