import test from 'ava';
import type { Broker } from 'kafkajs';
import { readFetchById, writeFetchById } from '../../src/kafka/fetch-by-id.ts';
import { FlexibleReader, FlexibleWriter } from '../../src/kafka/flexible.ts';
import { readCluster, readTopics } from '../../src/kafka/topic-metadata.ts';

const ID = '00112233445566778899aabbccddeeff';

const int16 = (value: number): Buffer => Buffer.from([(value >> 8) & 0xff, value & 0xff]);
const int32 = (value: number): Buffer => Buffer.from([(value >> 24) & 0xff, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff]);
const int64 = (value: number): Buffer => Buffer.concat([int32(0), int32(value)]);
/** A length in front: one more than what it counts. */
const compact = (value: Buffer | string): Buffer => Buffer.concat([Buffer.from([Buffer.byteLength(value) + 1]), Buffer.from(value)]);
const items = (...parts: readonly Buffer[]): Buffer => Buffer.concat([Buffer.from([parts.length + 1]), ...parts]);
const TAGS = Buffer.from([0]);
/** One field number 7 of three bytes. */
const NEWER_FIELD = Buffer.from([1, 7, 3, 1, 2, 3]);

/** A Fetch answer of version 13: one topic with partition 2, one aborted transaction, three bytes of records. */
function fetchAnswer(errorCode = 0): Buffer {
  const aborted = items(Buffer.concat([int64(77), int64(55), TAGS]));
  const head = [int32(2), int16(errorCode), int64(90), int64(80), int64(10), aborted, int32(-1)];
  const partition = Buffer.concat([...head, compact('abc'), NEWER_FIELD]);
  const topic = Buffer.concat([Buffer.from(ID, 'hex'), items(partition), TAGS]);
  return Buffer.concat([TAGS, int32(1500), int16(0), int32(0), items(topic), TAGS]);
}

test('a fetch answer by topic ids is read, newer fields are passed over', (t) => {
  const partition = { partition: 2, errorCode: 0, highWatermark: 90, abortedTransactions: [{ producerId: 77n, firstOffset: 55 }] };
  t.deepEqual(
    readFetchById(fetchAnswer(), (id) => `topic ${id}`),
    { throttleTimeMs: 1500, topics: [{ topic: `topic ${ID}`, partitions: [{ ...partition, recordSet: Buffer.from('abc') }] }] },
  );
});

test('an id that is no topic’s any more is a topic that does not exist', (t) => {
  for (const code of [100, 103]) t.is(readFetchById(fetchAnswer(code), () => 't').topics[0]?.partitions[0]?.errorCode, 3);
});

test('a fetch answer by topic ids that is cut off anywhere is an error', (t) => {
  const whole = fetchAnswer();
  // All but the last byte, which ends the answer and is not looked at.
  for (let end = 0; end < whole.length - 1; end += 1) {
    t.throws(() => readFetchById(whole.subarray(0, end), () => 't'), { instanceOf: RangeError }, `cut at byte ${end}`);
  }
});

test('a fetch request by topic ids is written as the protocol says', (t) => {
  const topics = [{ topic: 't', partitions: [{ partition: 3, fetchOffset: '70', maxBytes: 9 }] }];
  const { buffer } = writeFetchById({ maxWaitTime: 5, minBytes: 1, maxBytes: 8, isolationLevel: 1, topics }, () => ID);
  const head = [TAGS, int32(-1), int32(5), int32(1), int32(8), Buffer.from([1]), int32(0), int32(-1)];
  const none = Buffer.alloc(8, 0xff);
  const partition = Buffer.concat([int32(3), int32(-1), int64(70), int32(-1), none, int32(9), TAGS]);
  const topic = Buffer.concat([Buffer.from(ID, 'hex'), items(partition), TAGS]);
  t.deepEqual(buffer, Buffer.concat([...head, items(topic), items(), compact(''), TAGS]));
});

test('long strings have lengths of several bytes', (t) => {
  const long = 'ü'.repeat(10_000);
  const { buffer } = new FlexibleWriter()
    .string(long)
    .array([1, 2], () => undefined)
    .body();
  const reader = new FlexibleReader(buffer);
  t.is(reader.string(), long);
});

test('a broker that is older than topic ids is asked as before', async (t) => {
  const known = { topic: 'known', partitionMetadata: [{ leader: 1 }, { leader: -1 }] };
  const broker = {
    versions: { 3: { minVersion: 0, maxVersion: 9 } },
    metadata: async ([topic]: string[]) =>
      topic === 'known'
        ? Promise.resolve({ brokers: [{ nodeId: 1, host: 'k', port: 9092 }], topicMetadata: [known] })
        : Promise.reject(Object.assign(new Error('unknown'), { type: 'UNKNOWN_TOPIC_OR_PARTITION', code: 3 })),
  };
  const found = await readTopics(broker as unknown as Broker, ['known', 'missing']);
  t.deepEqual([...found], [['known', { id: undefined, partitions: 2 }]]);
  const { brokers, topics } = await readCluster(broker as unknown as Broker, ['known', 'missing'], { withOperations: true });
  t.deepEqual([...brokers], [[1, 'k:9092']]);
  t.like(topics, [
    { name: 'known', errorCode: 0, leaders: [1, -1], operations: undefined },
    { name: 'missing', errorCode: 3, leaders: [] },
  ]);
});
