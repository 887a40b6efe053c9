import { createRequire } from 'node:module';
import { crc32 } from '@node-rs/crc32';
import test from 'ava';
import fc from 'fast-check';
import type { PartitionerName } from '../../src/engine/index.ts';
import { ANY_PARTITION, partitionOf } from '../../src/kafka/index.ts';
import { useKafka, useTopic } from '../helpers/index.ts';
import { librdkafkaPartitions } from './librdkafka/client.ts';

const kafkajsMurmur2 = createRequire(import.meta.url)('kafkajs/src/producer/partitioners/default/murmur2') as (key: Buffer) => number;

const PARTITIONS = 7;

function of(partitioner: PartitionerName, key: Buffer): number {
  const source = Buffer.concat([Buffer.from('before'), key, Buffer.from('after')]);
  return partitionOf(partitioner, source, 6, 6 + key.length, PARTITIONS);
}

const someKeys = Array.from({ length: 200 }, (_, i) =>
  Buffer.from('ключ key 🗝 0123456789'.repeat(2)).subarray(i % 19, (i % 19) + 1 + (i % 41)),
);

const landing = test.macro({
  exec: async (t, partitioner: PartitionerName, keys: readonly Buffer[]) => {
    const topic = await useTopic(t, PARTITIONS);
    const expected = await librdkafkaPartitions(await useKafka(t), topic, partitioner, keys);
    t.true(new Set(expected).size > 1);
    t.deepEqual(
      keys.map((key) => of(partitioner, key)),
      expected,
    );
  },
  title: (_, partitioner: string) => `${partitioner}: messages with the same key land in the partition that librdkafka sends them to`,
});

test(landing, 'consistent_random', someKeys);
for (const partitioner of ['murmur2_random', 'fnv1a_random', 'consistent', 'murmur2', 'fnv1a'] as const)
  test(landing, partitioner, [Buffer.alloc(0), ...someKeys]);

test('consistent_random is the CRC-32 of the key', (t) => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1 }), (key) => of('consistent_random', Buffer.from(key)) === crc32(key) % PARTITIONS));
  t.pass();
});

test('murmur2_random is the partition of Java producers', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array(),
      (key) => of('murmur2_random', Buffer.from(key)) === (kafkajsMurmur2(Buffer.from(key)) & 0x7fff_ffff) % PARTITIONS,
    ),
  );
  t.pass();
});

test('messages without key may go to any partition, and those with an empty one where librdkafka lets them', (t) => {
  const withoutKey = (partitioner: PartitionerName): number => partitionOf(partitioner, Buffer.from('value'), -1, -1, PARTITIONS);
  const partitions = (['consistent_random', 'murmur2_random', 'random'] as const).map((partitioner) => [
    withoutKey(partitioner),
    of(partitioner, Buffer.alloc(0)),
  ]);
  t.is(withoutKey('fnv1a_random'), ANY_PARTITION);
  for (const partitioner of ['consistent', 'murmur2', 'fnv1a'] as const) t.is(withoutKey(partitioner), of(partitioner, Buffer.alloc(0)));
  const ofEmpty = (kafkajsMurmur2(Buffer.alloc(0)) & 0x7fff_ffff) % PARTITIONS;
  t.deepEqual(partitions, [
    [ANY_PARTITION, ANY_PARTITION],
    [ANY_PARTITION, ofEmpty],
    [ANY_PARTITION, ANY_PARTITION],
  ]);
});
