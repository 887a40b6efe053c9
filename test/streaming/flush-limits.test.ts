import test from 'ava';
import type { KafkaTableOptions } from '../../src/engine/index.ts';
import { flushLimits } from '../../src/streaming/flush-limits.ts';

const SERVER = {
  maxInsertBlockSize: 1_048_449,
  maxBlockSize: 65_409,
  streamFlushIntervalMs: 7500,
  streamPollTimeoutMs: 500,
  deduplication: {},
};

function maxRows(options: Partial<KafkaTableOptions>): number {
  const table = { numConsumers: 1, threadPerConsumer: false, ...options } as unknown as KafkaTableOptions;
  return flushLimits(table, SERVER, 64 * 1024 * 1024).maxRows;
}

test('a table without a block size inserts about as many rows at once as the server’s max_insert_block_size, however many consumers share the work', (t) => {
  t.is(maxRows({}), 17 * 65_409);
  t.is(maxRows({ numConsumers: 4 }), 4 * 5 * 65_409);
});

test('a consumer that inserts alone takes its share of max_insert_block_size', (t) => {
  t.is(maxRows({ numConsumers: 4, threadPerConsumer: true }), 5 * 65_409);
});

test('kafka_max_block_size is what one consumer reads for a block', (t) => {
  t.is(maxRows({ maxBlockSize: 1000, pollMaxBatchSize: 100 }), 1000);
  t.is(maxRows({ maxBlockSize: 1000, pollMaxBatchSize: 100, numConsumers: 3 }), 3000);
  t.is(maxRows({ maxBlockSize: 1000, pollMaxBatchSize: 100, numConsumers: 3, threadPerConsumer: true }), 1000);
});
