import type { Broker } from 'kafkajs';
import { errorFields } from './errors.ts';
import { FlexibleReader, FlexibleWriter, NO_TOPIC_ID, type RequestBody, type TopicId } from './flexible.ts';
import { brokerError, UNKNOWN_TOPIC } from './protocol-errors.ts';

/** A topic that exists. */
export interface TopicState {
  /** Another one once the topic was deleted and made anew; undefined when the broker is older than Kafka 2.8 and gives no ids. */
  readonly id: TopicId | undefined;
  readonly partitions: number;
}

/** The first version with topic ids. Source: https://kafka.apache.org/protocol#The_Messages_Metadata */
const VERSION = 10;
const API_KEY = 3;

/** kafkajs' brokers, with what its types leave out. */
type AskedBroker = Omit<Broker, 'fetch'> & {
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>> | null;
  readonly connectionPool: { send(protocol: MetadataProtocol): Promise<ReadonlyMap<string, TopicState>> };
};

interface MetadataProtocol {
  readonly request: { apiKey: number; apiVersion: number; apiName: string; encode: () => Promise<RequestBody> };
  readonly response: {
    decode: (payload: Buffer) => Promise<ReadonlyMap<string, TopicState>>;
    parse: (decoded: ReadonlyMap<string, TopicState>) => Promise<ReadonlyMap<string, TopicState>>;
  };
}

/** Whether the connected broker knows this version of a request. */
export function speaks(broker: Omit<Broker, 'fetch'>, apiKey: number, version: number): boolean {
  return ((broker as AskedBroker).versions?.[apiKey]?.maxVersion ?? 0) >= version;
}

/** Asks a connected broker which of the topics exist; the others are not in the answer, and are not created. Throws kafkajs' errors. */
export async function readTopics(broker: Omit<Broker, 'fetch'>, topics: readonly string[]): Promise<ReadonlyMap<string, TopicState>> {
  if (!speaks(broker, API_KEY, VERSION)) return withoutIds(broker, topics);
  const request = { apiKey: API_KEY, apiVersion: VERSION, apiName: 'Metadata', encode: async () => Promise.resolve(encode(topics)) };
  const response = {
    decode: async (payload: Buffer) => Promise.resolve(decode(payload)),
    parse: async (decoded: ReadonlyMap<string, TopicState>) => Promise.resolve(decoded),
  };
  return (broker as AskedBroker).connectionPool.send({ request, response });
}

function encode(topics: readonly string[]): RequestBody {
  const writer = new FlexibleWriter();
  writer.array(topics, (topic) => writer.uuid(NO_TOPIC_ID).string(topic).tags());
  // Topics are not created; operations that one may do are not asked for.
  return writer.boolean(false).boolean(false).boolean(false).tags().body();
}

function decode(payload: Buffer): ReadonlyMap<string, TopicState> {
  const reader = new FlexibleReader(payload);
  reader.skip(4); // throttle time
  reader.array(() => {
    reader.skip(4); // node
    reader.string(); // host
    reader.skip(4); // port
    reader.string(); // rack
    reader.tags();
  });
  reader.string(); // cluster
  reader.skip(4); // controller
  return new Map(reader.array(() => readTopic(reader)).filter(([, topic]) => topic.partitions > 0));
}

/** A topic that does not exist has no partitions. Throws for one that we must not know of, or whose name is none. */
function readTopic(reader: FlexibleReader): [string, TopicState] {
  const errorCode = reader.int16();
  const name = reader.string();
  const id = reader.uuid();
  reader.skip(1); // is internal
  const partitions = reader.array(() => skipPartition(reader)).length;
  reader.skip(4); // authorized operations
  reader.tags();
  if (errorCode !== 0 && errorCode !== UNKNOWN_TOPIC && partitions === 0) throw brokerError(errorCode);
  return [name, { id: id === NO_TOPIC_ID ? undefined : id, partitions }];
}

function skipPartition(reader: FlexibleReader): void {
  reader.skip(2 + 4 + 4 + 4); // error code, partition, leader and its epoch
  for (let lists = 0; lists < 3; lists += 1) reader.array(() => reader.skip(4)); // replicas, those in sync, those offline
  reader.tags();
}

async function withoutIds(broker: Omit<Broker, 'fetch'>, topics: readonly string[]): Promise<ReadonlyMap<string, TopicState>> {
  const found = new Map<string, TopicState>();
  // One by one: a topic that does not exist fails the whole request.
  for (const topic of topics) {
    try {
      const { topicMetadata } = await broker.metadata([topic]);
      for (const { partitionMetadata } of topicMetadata) found.set(topic, { id: undefined, partitions: partitionMetadata.length });
    } catch (error) {
      if (errorFields(error).type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
    }
  }
  return found;
}
