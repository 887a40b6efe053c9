import { ResponseReader } from './response-reader.ts';
import type { TopicPartition } from './types.ts';

/** From the first version with record batches up to the last one in the older encoding. Source: https://kafka.apache.org/protocol#The_Messages_Produce */
export const PRODUCE_VERSIONS = { min: 3, max: 8 } as const;
/** Brokers refuse zstd in older versions. */
export const ZSTD_PRODUCE_VERSION = 7;
const ERROR_MESSAGE_VERSION = 8;
const LOG_START_OFFSET_VERSION = 5;

const ALL_IN_SYNC_REPLICAS = -1;

/** One record batch, in pieces. */
export interface ProducedBatch extends TopicPartition {
  readonly parts: readonly Buffer[];
}

/** What the leader answered for a partition. */
export interface ProduceResult extends TopicPartition {
  /** 0: all replicas in sync have the batch. */
  readonly errorCode: number;
  /** The broker's own words; mostly empty. */
  readonly errorMessage: string;
}

export interface ProduceAnswer {
  readonly results: readonly ProduceResult[];
  /** So long the broker wants no further request. */
  readonly throttleTimeMs: number;
}

/** A request's body, in pieces: the batches are not copied. A partition may come once. `timeoutMs`: how long the leader waits for the other replicas. */
export function writeProduceRequest(transactionalId: string, timeoutMs: number, batches: readonly ProducedBatch[]): Buffer[] {
  const topics = new Map<string, ProducedBatch[]>();
  for (const batch of batches) {
    const known = topics.get(batch.topic);
    if (known === undefined) topics.set(batch.topic, [batch]);
    else known.push(batch);
  }
  const parts = [string(transactionalId), int16(ALL_IN_SYNC_REPLICAS), int32(timeoutMs), int32(topics.size)];
  for (const [topic, ofTopic] of topics) {
    parts.push(string(topic), int32(ofTopic.length));
    for (const batch of ofTopic) {
      parts.push(int32(batch.partition), int32(batch.parts.reduce((bytes, { length }) => bytes + length, 0)), ...batch.parts);
    }
  }
  return parts;
}

/** Reads an answer's payload (behind the response header). Throws RangeError when it is cut off. */
export function readProduceAnswer(version: number, payload: Buffer): ProduceAnswer {
  const reader = new ResponseReader(payload);
  const topics = reader.array(() => {
    const topic = reader.string();
    return reader.array(() => ({ topic, ...readPartition(version, reader) }));
  });
  return { results: topics.flat(), throttleTimeMs: reader.int32() };
}

function readPartition(version: number, reader: ResponseReader): Omit<ProduceResult, 'topic'> {
  const partition = reader.int32();
  const errorCode = reader.int16();
  reader.skip(8 + 8); // offset of the first record, time at which it was appended
  if (version >= LOG_START_OFFSET_VERSION) reader.skip(8);
  if (version < ERROR_MESSAGE_VERSION) return { partition, errorCode, errorMessage: '' };
  const ofRecords = reader.array(() => {
    reader.skip(4); // which record
    return reader.string();
  });
  const errorMessage = reader.string();
  return { partition, errorCode, errorMessage: ofRecords.find((text) => text !== '') ?? errorMessage };
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function string(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([int16(bytes.length), bytes]);
}
