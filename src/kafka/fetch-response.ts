import type { AbortedTransaction } from './record-batches.ts';
import { ResponseReader } from './response-reader.ts';

/** Fetch versions this file reads: those with record batches (4) up to the newest that kafkajs asks for (11). */
export const FETCH_VERSIONS = { min: 4, max: 11 } as const;

export interface FetchResponse {
  readonly throttleTimeMs: number;
  readonly topics: readonly FetchedTopic[];
}

export interface FetchedTopic {
  readonly topic: string;
  readonly partitions: readonly FetchResponsePartition[];
}

export interface FetchResponsePartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly abortedTransactions: readonly AbortedTransaction[];
  /** Views into the payload. */
  readonly recordSet: Buffer;
}

/**
 * Reads a Fetch answer's payload (behind the response header) without looking into the record sets.
 * Source: https://kafka.apache.org/protocol#The_Messages_Fetch, versions 4 to 11. Throws RangeError when it is cut off.
 */
export function readFetchResponse(version: number, payload: Buffer): FetchResponse {
  const reader = new ResponseReader(payload);
  const throttleTimeMs = reader.int32();
  if (version >= 7) reader.skip(2 + 4); // error code and id of a fetch session, which kafkajs does not use
  const topics = reader.array(() => ({
    topic: reader.string(),
    partitions: reader.array(() => readPartition(version, reader)),
  }));
  return { throttleTimeMs, topics };
}

function readPartition(version: number, reader: ResponseReader): FetchResponsePartition {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  reader.skip(version >= 5 ? 8 + 8 : 8); // last stable offset, log start offset
  const abortedTransactions = reader.array(() => ({ producerId: reader.bigInt64(), firstOffset: reader.int64() }));
  if (version >= 11) reader.skip(4); // preferred read replica: only with a rack id, which we do not send
  return { partition, errorCode, highWatermark, abortedTransactions, recordSet: reader.bytes() };
}
