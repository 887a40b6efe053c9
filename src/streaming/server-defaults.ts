import type { ServiceClient } from '../clickhouse/index.ts';

/** Profile-level settings of the server that stand in for what a table does not say (kafka-engine, "settings"). */
export interface ServerDefaults {
  readonly maxInsertBlockSize: number;
  readonly maxBlockSize: number;
  readonly streamFlushIntervalMs: number;
  readonly streamPollTimeoutMs: number;
}

/** Reads the service account's settings: once a stream starts, so that a changed profile counts for the next one. */
export function serverDefaultsReader(client: Pick<ServiceClient, 'rows'>): () => Promise<ServerDefaults> {
  return async () => {
    const [row] = await client.rows<Record<keyof ServerDefaults, string>>(
      `SELECT toString(getSetting('max_insert_block_size')) AS maxInsertBlockSize,
              toString(getSetting('max_block_size')) AS maxBlockSize,
              toString(toUInt64(getSetting('stream_flush_interval_ms'))) AS streamFlushIntervalMs,
              toString(toUInt64(getSetting('stream_poll_timeout_ms'))) AS streamPollTimeoutMs`,
    );
    if (row === undefined) throw new Error('the server did not tell its settings');
    return {
      maxInsertBlockSize: Number(row.maxInsertBlockSize),
      maxBlockSize: Number(row.maxBlockSize),
      streamFlushIntervalMs: Number(row.streamFlushIntervalMs),
      streamPollTimeoutMs: Number(row.streamPollTimeoutMs),
    };
  };
}
