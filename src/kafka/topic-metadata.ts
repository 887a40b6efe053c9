import type { Broker } from 'kafkajs';
import { addressText } from './address.ts';
import { knownOperations } from './operations.ts';
import { errorFields } from './errors.ts';
import { FlexibleReader, FlexibleWriter, NO_TOPIC_ID, type RequestBody, type TopicId } from './flexible.ts';
import { brokerError, UNKNOWN_TOPIC } from './protocol-errors.ts';

/** A topic that exists. */
export interface TopicState {
  /** Another one once the topic was deleted and made anew; undefined when the broker is older than Kafka 2.8 and gives no ids. */
  readonly id: TopicId | undefined;
  readonly partitions: number;
}

/** What a broker says of its cluster and of the topics that it was asked for. */
export interface ClusterView {
  /** Addresses, as the brokers advertise them, by their ids. */
  readonly brokers: ReadonlyMap<number, string>;
  readonly topics: readonly DescribedTopic[];
}

export interface DescribedTopic {
  readonly name: string;
  /** Kafka's number of the error; 0: none. */
  readonly errorCode: number;
  readonly id: TopicId | undefined;
  /** The brokers that lead its partitions, one a partition; -1: none does at the moment. */
  readonly leaders: readonly number[];
  /** What may be done to it, a bit for each of Kafka's operations (`READ`, `WRITE`); undefined when the broker does not say. */
  readonly operations: number | undefined;
}

/** The first version with topic ids. Source: https://kafka.apache.org/protocol#The_Messages_Metadata */
const VERSION = 10;
const API_KEY = 3;

/** kafkajs' brokers, with what its types leave out. */
type AskedBroker = Omit<Broker, 'fetch'> & {
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>> | null;
  readonly connectionPool: { send(protocol: MetadataProtocol): Promise<ClusterView> };
};

interface MetadataProtocol {
  readonly request: { apiKey: number; apiVersion: number; apiName: string; encode: () => Promise<RequestBody> };
  readonly response: {
    decode: (payload: Buffer) => Promise<ClusterView>;
    parse: (decoded: ClusterView) => Promise<ClusterView>;
  };
}

/** Whether the connected broker knows this version of a request. */
export function speaks(broker: Omit<Broker, 'fetch'>, apiKey: number, version: number): boolean {
  return ((broker as AskedBroker).versions?.[apiKey]?.maxVersion ?? 0) >= version;
}

/**
 * Asks a connected broker which of the topics exist; the others are not in the answer, and are not created. Throws kafkajs' errors, also for a topic that we
 * must not know of or whose name is none.
 */
export async function readTopics(broker: Omit<Broker, 'fetch'>, topics: readonly string[]): Promise<ReadonlyMap<string, TopicState>> {
  const { topics: described } = await readCluster(broker, topics, { withOperations: false });
  const refused = described.find(({ errorCode, leaders }) => errorCode !== 0 && errorCode !== UNKNOWN_TOPIC && leaders.length === 0);
  if (refused !== undefined) throw brokerError(refused.errorCode);
  // A topic that does not exist has no partitions.
  const existing = described.filter(({ leaders }) => leaders.length > 0);
  return new Map(existing.map(({ name, id, leaders }) => [name, { id, partitions: leaders.length }]));
}

/** Asks a connected broker for its cluster and these topics, which are not created. `withOperations`: also what may be done to them. Throws kafkajs' errors. */
export async function readCluster(
  broker: Omit<Broker, 'fetch'>,
  topics: readonly string[],
  { withOperations }: { readonly withOperations: boolean },
): Promise<ClusterView> {
  if (!speaks(broker, API_KEY, VERSION)) return askOldBroker(broker, topics);
  const body = encode(topics, withOperations);
  const request = { apiKey: API_KEY, apiVersion: VERSION, apiName: 'Metadata', encode: async () => Promise.resolve(body) };
  const response = {
    decode: async (payload: Buffer) => Promise.resolve(decode(payload)),
    parse: async (decoded: ClusterView) => Promise.resolve(decoded),
  };
  return (broker as AskedBroker).connectionPool.send({ request, response });
}

function encode(topics: readonly string[], withOperations: boolean): RequestBody {
  const writer = new FlexibleWriter();
  writer.array(topics, (topic) => writer.uuid(NO_TOPIC_ID).string(topic).tags());
  // Topics are not created; what may be done to the cluster is not asked for.
  return writer.boolean(false).boolean(false).boolean(withOperations).tags().body();
}

function decode(payload: Buffer): ClusterView {
  const reader = new FlexibleReader(payload);
  reader.skip(4); // throttle time
  const brokers = reader.array((): [number, string] => {
    const id = reader.int32();
    const host = reader.string();
    const address = addressText({ host, port: reader.int32() });
    reader.string(); // rack
    reader.tags();
    return [id, address];
  });
  reader.string(); // cluster
  reader.skip(4); // controller
  return { brokers: new Map(brokers), topics: reader.array(() => readTopic(reader)) };
}

function readTopic(reader: FlexibleReader): DescribedTopic {
  const errorCode = reader.int16();
  const name = reader.string();
  const id = reader.uuid();
  reader.skip(1); // is internal
  const leaders = reader.array(() => readLeader(reader));
  const operations = reader.int32();
  reader.tags();
  return { name, errorCode, id: id === NO_TOPIC_ID ? undefined : id, leaders, operations: knownOperations(operations) };
}

function readLeader(reader: FlexibleReader): number {
  reader.skip(2 + 4); // error code, partition
  const leader = reader.int32();
  reader.skip(4); // epoch
  for (let lists = 0; lists < 3; lists += 1) reader.array(() => reader.skip(4)); // replicas, those in sync, those offline
  reader.tags();
  return leader;
}

async function askOldBroker(broker: Omit<Broker, 'fetch'>, names: readonly string[]): Promise<ClusterView> {
  const brokers = new Map<number, string>();
  const topics: DescribedTopic[] = [];
  // One by one: a topic that does not exist fails the whole request.
  for (const name of names) {
    try {
      const answer = await broker.metadata([name]);
      for (const { nodeId, ...address } of answer.brokers) brokers.set(nodeId, addressText(address));
      for (const { partitionMetadata } of answer.topicMetadata) {
        topics.push({ name, errorCode: 0, id: undefined, leaders: partitionMetadata.map(({ leader }) => leader), operations: undefined });
      }
    } catch (error) {
      const { type, code } = errorFields(error);
      if (type === undefined || typeof code !== 'number') throw error;
      topics.push({ name, errorCode: code, id: undefined, leaders: [], operations: undefined });
    }
  }
  return { brokers, topics };
}
