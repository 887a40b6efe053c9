import type { FetchResponse, FetchResponsePartition } from './fetch-response.ts';
import { FlexibleReader, FlexibleWriter, type RequestBody, type TopicId } from './flexible.ts';
import { knownErrorCode } from './protocol-errors.ts';

/** The first Fetch version that names topics by their ids (Kafka 3.1). Source: https://kafka.apache.org/protocol#The_Messages_Fetch */
export const FETCH_BY_ID_VERSION = 13;

/** What kafkajs asks for. */
export interface FetchRequest {
  readonly maxWaitTime: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isolationLevel: number;
  readonly rackId?: string;
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly fetchOffset: string; readonly maxBytes: number }[];
  }[];
}

const CONSUMER = -1;
const NO_SESSION = { id: 0, epoch: -1 } as const;
const UNKNOWN = -1;

/** The request's body with ids instead of names; `idOf` knows all of its topics. */
export function writeFetchById(request: FetchRequest, idOf: (topic: string) => TopicId): RequestBody {
  const writer = new FlexibleWriter();
  writer.int32(CONSUMER).int32(request.maxWaitTime).int32(request.minBytes).int32(request.maxBytes).int8(request.isolationLevel);
  writer.int32(NO_SESSION.id).int32(NO_SESSION.epoch);
  writer.array(request.topics, ({ topic, partitions }) => {
    writer.uuid(idOf(topic));
    writer.array(partitions, ({ partition, fetchOffset, maxBytes }) => {
      writer.int32(partition).int32(UNKNOWN).int64(BigInt(fetchOffset)); // epoch of the leader
      writer.int32(UNKNOWN).int64(BigInt(UNKNOWN)).int32(maxBytes).tags(); // epoch of what was fetched last, beginning of a follower's log
    });
    writer.tags();
  });
  writer.array([], () => undefined); // topics that leave the session
  return writer
    .string(request.rackId ?? '')
    .tags()
    .body();
}

/** Reads the answer; `nameOf` knows the ids that were asked for. Throws RangeError when it is cut off. */
export function readFetchById(payload: Buffer, nameOf: (id: TopicId) => string): FetchResponse {
  const reader = new FlexibleReader(payload);
  const throttleTimeMs = reader.int32();
  reader.skip(2 + 4); // error code and id of a fetch session
  const topics = reader.array(() => {
    const topic = nameOf(reader.uuid());
    const partitions = reader.array(() => readPartition(reader));
    reader.tags();
    return { topic, partitions };
  });
  return { throttleTimeMs, topics };
}

function readPartition(reader: FlexibleReader): FetchResponsePartition {
  const partition = reader.int32();
  const errorCode = knownErrorCode(reader.int16());
  const highWatermark = reader.int64();
  reader.skip(8 + 8); // last stable offset, log start offset
  const abortedTransactions = reader.array(() => {
    const aborted = { producerId: reader.bigInt64(), firstOffset: reader.int64() };
    reader.tags();
    return aborted;
  });
  reader.skip(4); // preferred read replica: only with a rack id
  const recordSet = reader.bytes();
  reader.tags();
  return { partition, errorCode, highWatermark, abortedTransactions, recordSet };
}
