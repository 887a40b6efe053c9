import type { ManagedTable } from '../catalog/index.ts';
import { clientOf, MAX_FETCH_WAIT_MS, type ConsumerOptions } from '../kafka/index.ts';
import { numberOf, type KafkaProperties } from '../librdkafka/index.ts';
import type { ServerDefaults } from './server-defaults.ts';

/** librdkafka's default session time-out, which the real engine runs with. */
const SESSION_TIMEOUT_MS = 45_000;
const HEARTBEAT_INTERVAL_MS = 3_000;
const REBALANCE_TIMEOUT_MS = 60_000;
/** How often consumers look for new partitions; the group deals them out anew then, within seconds when no member hangs. */
const METADATA_MAX_AGE_MS = 5_000;
const NEVER_MS = 2 ** 31 - 1;
/** A fetch that waits less keeps the broker busy for nothing; one that waits longer keeps the consumer from its heartbeats. */
const MIN_FETCH_WAIT_MS = 10;
/** Fetches of about a megabyte a partition cost the least CPU (measured; see README, benchmark). */
const MAX_BYTES_PER_PARTITION = 2 * 1024 * 1024;
const MAX_BYTES_PER_FETCH = 16 * 1024 * 1024;

/** How the table's consumer number `index` (from 0) joins its group and fetches. */
export function consumerOptions(table: ManagedTable, defaults: ServerDefaults, ownerId: string, index: number): ConsumerOptions {
  const { options } = table;
  const { consumer: properties } = options.properties;
  const client = clientOf(table, 'consumer');
  const given = (name: string, otherwise: number): number => numberOf(properties, name) ?? otherwise;
  const sessionTimeoutMs = given('session.timeout.ms', SESSION_TIMEOUT_MS);
  const pollTimeoutMs = Math.min(options.pollTimeoutMs ?? defaults.streamPollTimeoutMs, MAX_FETCH_WAIT_MS);
  return {
    ...client,
    clientId: options.numConsumers > 1 ? `${client.clientId}-${index}` : client.clientId,
    groupId: options.groupName,
    ownerId,
    topics: options.topics,
    startsAt: properties['auto.offset.reset'] === 'latest' ? 'latest' : 'earliest',
    sessionTimeoutMs,
    // A session that ends before the next heartbeat would end all the time.
    heartbeatIntervalMs: Math.min(given('heartbeat.interval.ms', HEARTBEAT_INTERVAL_MS), Math.floor(sessionTimeoutMs / 3)),
    rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
    minBytes: given('fetch.min.bytes', 1),
    maxBytesPerPartition: given('fetch.message.max.bytes', MAX_BYTES_PER_PARTITION),
    maxBytes: given('fetch.max.bytes', MAX_BYTES_PER_FETCH),
    maxWaitMs: Math.max(MIN_FETCH_WAIT_MS, Math.min(given('fetch.wait.max.ms', pollTimeoutMs), Math.floor(sessionTimeoutMs / 3))),
    metadataMaxAgeMs: metadataMaxAgeMs(properties),
  };
}

/** -1: new partitions are not looked for. */
function metadataMaxAgeMs(properties: KafkaProperties): number {
  const ageMs = numberOf(properties, 'topic.metadata.refresh.interval.ms') ?? numberOf(properties, 'metadata.max.age.ms');
  return ageMs === -1 ? NEVER_MS : (ageMs ?? METADATA_MAX_AGE_MS);
}
