import { createRequire } from 'node:module';
import type { Broker, Cluster, ISocketFactory } from 'kafkajs';
import { FETCH_BY_ID_VERSION, readFetchById, writeFetchById, type FetchRequest as SentRequest } from './fetch-by-id.ts';
import { keepFetchedBytes, reuseReceiveBuffer } from './fetch-connection.ts';
import { FETCH_VERSIONS, readFetchResponse, type FetchResponse, type FetchResponsePartition } from './fetch-response.ts';
import type { RequestBody, TopicId } from './flexible.ts';
import { OFFSET_OUT_OF_RANGE } from './protocol-errors.ts';
import type { RecordSet } from './record-batches.ts';
import { TopicIds } from './topic-ids.ts';
import { speaks } from './topic-metadata.ts';
import type { TopicPartition } from './types.ts';

/**
 * kafkajs decodes every record of a fetch into an object. Here a fetch of one consumer hands out whole record sets instead, as one
 * pseudo message a partition, while groups, SASL, TLS, metadata and retries stay kafkajs's. Nothing process-wide is replaced: the
 * `cluster` that kafkajs gives to its partition assigners belongs to one consumer, and only `fetch` of its brokers is wrapped.
 *
 * What is relied on, beyond the published types: `Broker.fetch` gets its protocol from `this.lookupRequest(apiKey, versions)`, a protocol
 * is `{ request: { apiVersion }, response: { decode, parse } }`, and `ConsumerGroup.fetch` makes one `Batch` of each partition's
 * `messages`, `abortedTransactions` and `highWatermark`. Hence the exact version.
 */
export const KAFKAJS_VERSION = '2.2.4';

/** Throws when another kafkajs is installed than the one whose inner parts are known. */
export function checkKafkajsVersion(installed: string = installedVersion()): void {
  if (installed === KAFKAJS_VERSION) return;
  throw new Error(`kafkajs ${installed} is installed, but reading record batches from it is only known to work with ${KAFKAJS_VERSION}`);
}

function installedVersion(): string {
  const { version } = createRequire(import.meta.url)('kafkajs/package.json') as { version: string };
  return version;
}

/** The pseudo message that stands for all that a fetch brought for a partition. */
export interface RecordSetMessage {
  /** The offset that was asked for, so that kafkajs keeps the message. */
  readonly offset: string;
  readonly recordSet: RecordSet;
  /** What `generation()` said when the fetch began. */
  readonly generation: number;
  /** Without this call the bytes are overwritten by the next fetch, which begins when `eachBatch` has settled. */
  readonly keepBytes: () => void;
}

export interface RawFetchHooks {
  /** The group generation in which a fetch from this broker began. */
  generation(nodeId: string): number;
  /** The broker has no such offset (any more). The partition is left out of the fetch; the next one waits until this resolves. */
  onOutOfRange(partitions: readonly OutOfRange[]): Promise<void>;
}

export interface OutOfRange extends TopicPartition {
  readonly offset: bigint;
}

/**
 * Makes all fetches of the consumer that owns `cluster` raw. Call once, before it connects. `openSocket` is used for connections that fetch.
 * A consumer that joins a group reads the topics that it found then, by their ids, and no others of the same names (`TopicIds`).
 */
export function handOutRecordSets(cluster: Cluster, openSocket: ISocketFactory, hooks: RawFetchHooks): void {
  const findBroker = cluster.findBroker.bind(cluster);
  const wrapped = new WeakSet<Broker>();
  const ids = new TopicIds();
  ids.watch(cluster);
  cluster.findBroker = async (node) => {
    const broker = await findBroker(node);
    reuseReceiveBuffer(broker, openSocket);
    if (!wrapped.has(broker)) {
      wrapped.add(broker);
      broker.fetch = rawFetch(broker as unknown as FetchingBroker, ids, hooks);
    }
    return broker;
  };
}

type FetchRequest = Parameters<Broker['fetch']>[0];
type FetchingBroker = Omit<Broker, 'fetch'> & {
  readonly nodeId: number;
  readonly fetch: (this: FetchingBroker, request: FetchRequest) => Promise<unknown>;
  readonly lookupRequest: (apiKey: number, versions: unknown) => ProtocolFactory;
};
type ProtocolFactory = (request: SentRequest) => Protocol;

interface Protocol {
  readonly request: { readonly apiKey: number; readonly apiVersion: number; readonly apiName: string; encode(): Promise<RequestBody> };
  readonly response: {
    decode(payload: Buffer): Promise<unknown>;
    /** Throws for a partition with an error code, else answers its argument. */
    parse(decoded: unknown): Promise<unknown>;
  };
}

function rawFetch(broker: FetchingBroker, ids: TopicIds, hooks: RawFetchHooks): Broker['fetch'] {
  const { fetch } = broker;
  return async (request) => {
    const call = new FetchCall(request, idsOf(request, ids, broker), hooks.generation(String(broker.nodeId)), () => {
      keepFetchedBytes(broker);
    });
    // A view of the broker for this one call: kafkajs replaces `lookupRequest` at every connect.
    const lookupRequest: FetchingBroker['lookupRequest'] = (apiKey, versions) => (sent) =>
      call.readRaw(broker.lookupRequest(apiKey, versions)(sent), sent);
    const answer = await fetch.call(Object.create(broker, { lookupRequest: { value: lookupRequest } }) as FetchingBroker, request);
    if (call.outOfRange.length > 0) await hooks.onOutOfRange(call.outOfRange);
    return answer;
  };
}

const FETCH = 1;

/** The ids of the topics asked for, unless the broker or one of the topics has none. */
function idsOf({ topics }: FetchRequest, ids: TopicIds, broker: FetchingBroker): ReadonlyMap<string, TopicId> | undefined {
  if (!speaks(broker, FETCH, FETCH_BY_ID_VERSION)) return undefined;
  const found = new Map<string, TopicId>();
  for (const { topic } of topics) {
    const id = ids.of(topic);
    if (id === undefined) return undefined;
    found.set(topic, id);
  }
  return found;
}

/** A Fetch answer in the shape that kafkajs' consumer group takes. */
interface KafkajsFetchResponse {
  readonly throttleTime: number;
  readonly clientSideThrottleTime: number;
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly KafkajsFetchedPartition[] }[];
}

interface KafkajsFetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: string;
  readonly abortedTransactions: readonly never[];
  readonly messages: readonly RecordSetMessage[];
}

/** One Fetch request and what becomes of its answer. */
class FetchCall {
  /** Partitions whose offset the broker does not have, once the answer was read. */
  readonly outOfRange: OutOfRange[] = [];
  readonly #offsets = new Map<string, string>();
  readonly #ids: ReadonlyMap<string, TopicId> | undefined;
  readonly #generation: number;
  readonly #keepBytes: () => void;

  /** `ids`: of all topics, by which they are asked for; by their names otherwise. */
  constructor(request: FetchRequest, ids: ReadonlyMap<string, TopicId> | undefined, generation: number, keepBytes: () => void) {
    this.#ids = ids;
    this.#generation = generation;
    this.#keepBytes = keepBytes;
    for (const { topic, partitions } of request.topics) {
      for (const { partition, fetchOffset } of partitions) this.#offsets.set(`${partition}:${topic}`, fetchOffset);
    }
  }

  /** The same request, with an answer whose record sets are left as bytes. */
  readRaw(protocol: Protocol, sent: SentRequest): Protocol {
    if (this.#ids !== undefined) return this.#byId(protocol, sent, this.#ids);
    const version = protocol.request.apiVersion;
    if (version < FETCH_VERSIONS.min || version > FETCH_VERSIONS.max) {
      throw new Error(`Local: Required feature not supported by broker: fetch version ${version}; Kafka 0.11 or newer is needed`);
    }
    return { ...protocol, response: this.#response(protocol, (payload) => readFetchResponse(version, payload)) };
  }

  #byId(protocol: Protocol, sent: SentRequest, ids: ReadonlyMap<string, TopicId>): Protocol {
    const names = new Map([...ids].map(([name, id]) => [id, name]));
    const encode = async (): Promise<RequestBody> => Promise.resolve(writeFetchById(sent, (topic) => known(ids, topic)));
    return {
      ...protocol,
      request: { ...protocol.request, apiVersion: FETCH_BY_ID_VERSION, encode },
      response: this.#response(protocol, (payload) => readFetchById(payload, (id) => known(names, id))),
    };
  }

  #response(protocol: Protocol, read: (payload: Buffer) => FetchResponse): Protocol['response'] {
    return {
      decode: async (payload) => Promise.resolve(this.#toKafkajs(read(payload))),
      parse: async (decoded) => protocol.response.parse(this.#takeOutOfRange(decoded as KafkajsFetchResponse)),
    };
  }

  #toKafkajs(response: FetchResponse): KafkajsFetchResponse {
    return {
      throttleTime: 0,
      clientSideThrottleTime: response.throttleTimeMs,
      responses: response.topics.map(({ topic, partitions }) => ({
        topicName: topic,
        partitions: partitions.map((partition) => this.#partition(topic, partition)),
      })),
    };
  }

  #partition(topic: string, fetched: FetchResponsePartition): KafkajsFetchedPartition {
    const { partition, errorCode, highWatermark } = fetched;
    const messages = errorCode === 0 && fetched.recordSet.length > 0 ? [this.#message(topic, fetched)] : [];
    // kafkajs must not filter aborted records: it cannot look into the record set.
    return { partition, errorCode, highWatermark: String(highWatermark), abortedTransactions: [], messages };
  }

  #message(topic: string, { partition, abortedTransactions, recordSet: bytes }: FetchResponsePartition): RecordSetMessage {
    const offset = this.#offsetOf(topic, partition);
    const recordSet = { topic, partition, fetchOffset: Number(offset), bytes, abortedTransactions };
    return { offset, recordSet, generation: this.#generation, keepBytes: this.#keepBytes };
  }

  // kafkajs' own recovery commits the offset -2 for the partition, which destroys the committed offset and its metadata, and it drops
  // what the fetch brought for the other partitions.
  #takeOutOfRange(response: KafkajsFetchResponse): KafkajsFetchResponse {
    const isLost = ({ errorCode }: KafkajsFetchedPartition): boolean => errorCode === OFFSET_OUT_OF_RANGE;
    const responses = response.responses.map(({ topicName, partitions }) => {
      for (const { partition } of partitions.filter(isLost)) {
        this.outOfRange.push({ topic: topicName, partition, offset: BigInt(this.#offsetOf(topicName, partition)) });
      }
      return { topicName, partitions: partitions.filter((partition) => !isLost(partition)) };
    });
    return { ...response, responses };
  }

  #offsetOf(topic: string, partition: number): string {
    const offset = this.#offsets.get(`${partition}:${topic}`);
    if (offset === undefined) throw new Error(`the broker answered for topic ${topic}, partition ${partition}, which was not asked for`);
    return offset;
  }
}

function known(names: ReadonlyMap<string, string>, name: string): string {
  const found = names.get(name);
  if (found === undefined) throw new Error(`the broker answered for topic ${name}, which was not asked for`);
  return found;
}
