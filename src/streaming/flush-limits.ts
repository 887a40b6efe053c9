import { blockRows, type FlushLimits } from '../batching/index.ts';
import type { KafkaTableOptions } from '../engine/index.ts';
import type { ServerDefaults } from './server-defaults.ts';

/** Large enough that a part is worth its merges, small enough that a backlog begins to flow at once. */
const EAGER_BYTES = 16 * 1024 * 1024;

/** The table's flush limits; what it leaves open comes from the server's profile, as in the real engine (kafka-engine, settings). */
export function flushLimits(options: KafkaTableOptions, defaults: ServerDefaults, maxBatchBytes: number): FlushLimits {
  const blockSize = options.maxBlockSize ?? Math.max(1, Math.floor(defaults.maxInsertBlockSize / options.numConsumers));
  // Each consumer reads a block; those that insert together put theirs together.
  const blocks = options.threadPerConsumer ? 1 : options.numConsumers;
  return {
    maxRows: blocks * blockRows(blockSize, options.pollMaxBatchSize ?? defaults.maxBlockSize),
    maxBytes: maxBatchBytes,
    eagerBytes: Math.min(maxBatchBytes, EAGER_BYTES),
    flushIntervalMs: options.flushIntervalMs ?? defaults.streamFlushIntervalMs,
  };
}
