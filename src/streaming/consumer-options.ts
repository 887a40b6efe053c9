import type { ManagedTable } from '../catalog/index.ts';
import { clientOf, type ConsumerOptions } from '../kafka/index.ts';

import type { ServerDefaults } from './server-defaults.ts';

/** librdkafka's default session time-out, which the real engine runs with. */
const SESSION_TIMEOUT_MS = 45_000;
const HEARTBEAT_INTERVAL_MS = 3_000;
const REBALANCE_TIMEOUT_MS = 60_000;
/** How often consumers look for new partitions; the group deals them out anew then, within seconds when no member hangs. */
const METADATA_MAX_AGE_MS = 5_000;
/** A fetch that waits less keeps the broker busy for nothing; one that waits longer keeps the consumer from its heartbeats. */
const MIN_FETCH_WAIT_MS = 10;
const MAX_FETCH_WAIT_MS = 500;
/** Fetches of about a megabyte a partition cost the least CPU (measured; see README, benchmark). */
const MAX_BYTES_PER_PARTITION = 2 * 1024 * 1024;
const MAX_BYTES_PER_FETCH = 16 * 1024 * 1024;

/** How the table's consumer number `index` (from 0) joins its group and fetches. */
export function consumerOptions(table: ManagedTable, defaults: ServerDefaults, ownerId: string, index: number): ConsumerOptions {
  const { options } = table;
  const client = clientOf(table, 'consumer');
  return {
    ...client,
    clientId: options.numConsumers > 1 ? `${client.clientId}-${index}` : client.clientId,
    groupId: options.groupName,
    ownerId,
    topics: options.topics,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
    rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
    maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
    maxBytes: MAX_BYTES_PER_FETCH,
    maxWaitMs: Math.max(MIN_FETCH_WAIT_MS, Math.min(options.pollTimeoutMs ?? defaults.streamPollTimeoutMs, MAX_FETCH_WAIT_MS)),
    metadataMaxAgeMs: METADATA_MAX_AGE_MS,
  };
}
