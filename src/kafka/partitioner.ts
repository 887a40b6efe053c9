import type { PartitionerName } from '../engine/index.ts';

/** The message may go to any partition. */
export const ANY_PARTITION = -1;

/**
 * The partition, below `count`, of a message whose key is `source` from `keyStart` (-1: null) up to `keyEnd`. `consistent`: CRC-32 of the key; `murmur2`: as Java's
 * producers do; `fnv1a`: as Sarama's do. These put all messages without key into one partition; with `_random` they go to any, of `consistent_random` those with an empty
 * key, too. Source: librdkafka's src/rdkafka_msg.c.
 */
export function partitionOf(partitioner: PartitionerName, source: Buffer, keyStart: number, keyEnd: number, count: number): number {
  if (partitioner === 'random') return ANY_PARTITION;
  const [start, end] = keyStart < 0 ? [0, 0] : [keyStart, keyEnd];
  switch (partitioner) {
    case 'consistent_random':
      return start === end ? ANY_PARTITION : crc32(source, start, end) % count;
    case 'murmur2_random':
      return keyStart < 0 ? ANY_PARTITION : positive(murmur2(source, start, end)) % count;
    case 'fnv1a_random':
      return keyStart < 0 ? ANY_PARTITION : fnv1a(source, start, end) % count;
    case 'consistent':
      return crc32(source, start, end) % count;
    case 'murmur2':
      return positive(murmur2(source, start, end)) % count;
    case 'fnv1a':
      return fnv1a(source, start, end) % count;
  }
}

function positive(hash: number): number {
  return hash & 0x7fff_ffff;
}

const CRC32_TABLE = crc32Table(0xedb8_8320);

function crc32Table(polynomial: number): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ polynomial;
    table[byte] = crc >>> 0;
  }
  return table;
}

/** By hand, because keys are short: a call of the native one takes ten times as long for 16 bytes. */
function crc32(bytes: Buffer, start: number, end: number): number {
  let crc = -1;
  for (let position = start; position < end; position += 1) {
    crc = (CRC32_TABLE[(crc ^ (bytes[position] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ -1) >>> 0;
}

const MURMUR2_SEED = 0x9747_b28c;
const MURMUR2_FACTOR = 0x5bd1_e995;

/** As in Java's org.apache.kafka.common.utils.Utils. */
function murmur2(bytes: Buffer, start: number, end: number): number {
  let hash = MURMUR2_SEED ^ (end - start);
  let position = start;
  for (; position + 4 <= end; position += 4) {
    let word = Math.imul(bytes.readInt32LE(position), MURMUR2_FACTOR);
    word ^= word >>> 24;
    hash = Math.imul(hash, MURMUR2_FACTOR) ^ Math.imul(word, MURMUR2_FACTOR);
  }
  const left = end - position;
  if (left === 3) hash ^= (bytes[position + 2] as number) << 16;
  if (left >= 2) hash ^= (bytes[position + 1] as number) << 8;
  if (left >= 1) hash = Math.imul(hash ^ (bytes[position] as number), MURMUR2_FACTOR);
  hash = Math.imul(hash ^ (hash >>> 13), MURMUR2_FACTOR);
  return hash ^ (hash >>> 15);
}

const FNV_OFFSET = 0x811c_9dc5;
const FNV_PRIME = 0x0100_0193;

function fnv1a(bytes: Buffer, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let position = start; position < end; position += 1) hash = Math.imul(hash ^ (bytes[position] as number), FNV_PRIME);
  return Math.abs(hash | 0);
}
