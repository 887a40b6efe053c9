import type { Broker, Cluster, Kafka } from 'kafkajs';
import type { Logger } from '../logger.ts';
import { createKafkaClient, type ClientOptions, type KafkaClient } from './client.ts';
import { errorFields, KafkaError } from './errors.ts';
import { handOutRecordSets, type RecordSetMessage } from './raw-fetch.ts';
import { readRecordSet } from './record-batches.ts';
import type { FetchedPartition, RecordBatch } from './types.ts';

export interface SampleLimits {
  /** The newest so many offsets of each partition, all together. */
  readonly messages: number;
  /** No more is fetched once so many bytes have come. */
  readonly bytes: number;
  readonly timeoutMs: number;
}

/**
 * The newest messages of a topic, read outside of any group: nothing is joined or committed. Undefined when the topic does not exist, empty when there is no
 * message (any more). Throws `KafkaError` when no broker answers, or not in time.
 */
export async function sampleTopic(
  options: ClientOptions,
  topic: string,
  limits: SampleLimits,
  logger: Logger,
): Promise<readonly FetchedPartition[] | undefined> {
  const client = createKafkaClient(options, logger);
  const tooLate = new AbortController();
  const timer = setTimeout(() => {
    tooLate.abort();
    client.cut();
  }, limits.timeoutMs);
  try {
    return await new TopicReader(client, topic).newest(limits);
  } catch (error) {
    if (errorFields(error).type === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined;
    throw new KafkaError(tooLate.signal.aborted ? new Error(`no answer within ${limits.timeoutMs} ms`) : error);
  } finally {
    clearTimeout(timer);
    client.cut();
  }
}

interface PartitionOffset {
  readonly partition: number;
  readonly offset: string;
}

interface Bounds {
  readonly partition: number;
  readonly low: number;
  readonly high: number;
}

class TopicReader {
  readonly #cluster: Cluster;
  readonly #topic: string;

  constructor(client: KafkaClient, topic: string) {
    this.#topic = topic;
    this.#cluster = createCluster(client.kafka);
    handOutRecordSets(this.#cluster, client.openFetchSocket, { generation: () => 0, onOutOfRange: () => Promise.resolve() });
  }

  async newest({ messages, bytes }: SampleLimits): Promise<readonly FetchedPartition[]> {
    await this.#cluster.connect();
    await this.#cluster.addTargetTopic(this.#topic);
    const bounds = (await this.#bounds()).filter(({ low, high }) => low < high);
    const each = Math.ceil(messages / Math.max(1, bounds.length));
    const newest = await this.#readAll(bounds, ({ low, high }) => Math.max(low, high - each), bytes);
    // The newest offsets may hold no messages: marks of transactions, or what compaction took away.
    return newest.length > 0 ? newest : this.#readAll(bounds, ({ low }) => low, bytes);
  }

  async #bounds(): Promise<Bounds[]> {
    const partitions = this.#cluster.findTopicPartitionMetadata(this.#topic).map(({ partitionId }) => ({ partition: partitionId }));
    const [lows, highs] = [await this.#offsets(partitions, true), await this.#offsets(partitions, false)];
    return partitions.map(({ partition }) => ({ partition, low: lows.get(partition) ?? 0, high: highs.get(partition) ?? 0 }));
  }

  async #offsets(partitions: { partition: number }[], fromBeginning: boolean): Promise<Map<number, number>> {
    const answer: unknown = await this.#cluster.fetchTopicsOffset([{ topic: this.#topic, partitions, fromBeginning }]);
    const [found] = answer as { partitions: PartitionOffset[] }[];
    return new Map(found?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  }

  async #readAll(bounds: readonly Bounds[], from: (bounds: Bounds) => number, maxBytes: number): Promise<FetchedPartition[]> {
    const fetched: FetchedPartition[] = [];
    let left = maxBytes;
    for (const one of bounds) {
      const read = await this.#read(one, from(one), left);
      left -= read.reduce((total, { batches }) => total + batches.reduce((bytes, { records }) => bytes + records.length, 0), 0);
      fetched.push(...read);
      if (left <= 0) break;
    }
    return fetched;
  }

  /** Reads a partition from an offset to its end, or until `maxBytes` have come; an open transaction at the end is not waited for. */
  async #read({ partition, high }: Bounds, from: number, maxBytes: number): Promise<FetchedPartition[]> {
    const [leader] = Object.keys(this.#cluster.findLeaderForPartitions(this.#topic, [partition]));
    if (leader === undefined) return [];
    const broker = await this.#cluster.findBroker({ nodeId: leader });
    const fetched: FetchedPartition[] = [];
    let bytes = 0;
    for (let position = from; position < high && bytes < maxBytes;) {
      const { batches, nextOffset } = await this.#fetch(broker, partition, position);
      if (nextOffset === position) break;
      if (batches.length > 0) {
        fetched.push({ topic: this.#topic, partition, batches, fromOffset: position, nextOffset, highWatermark: high });
      }
      bytes += batches.reduce((total, { records }) => total + records.length, 0);
      position = nextOffset;
    }
    return fetched;
  }

  async #fetch(broker: Broker, partition: number, position: number): Promise<{ batches: RecordBatch[]; nextOffset: number }> {
    const wanted = { partition, fetchOffset: String(position), maxBytes: FETCH_BYTES };
    const request = { isolationLevel: READ_COMMITTED, maxWaitTime: FETCH_WAIT_MS, topics: [{ topic: this.#topic, partitions: [wanted] }] };
    const answer: unknown = await broker.fetch(request);
    const [topic] = (answer as { responses: { partitions: { messages: RecordSetMessage[] }[] }[] }).responses;
    const message = topic?.partitions[0]?.messages[0];
    if (message === undefined) return { batches: [], nextOffset: position };
    const { batches, nextOffset } = readRecordSet(message.recordSet);
    // The next fetch overwrites the bytes.
    return { batches: batches.map((batch) => ({ ...batch, records: Buffer.from(batch.records) })), nextOffset };
  }
}

const READ_COMMITTED = 1;
const FETCH_BYTES = 1024 * 1024;
const FETCH_WAIT_MS = 200;

/** kafkajs shows its clusters to partition assigners of a group only; here no group is joined. */
function createCluster(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === 'private:Kafka:createCluster');
  const create = symbol && (kafka as unknown as Record<symbol, (options: Readonly<Record<string, unknown>>) => Cluster>)[symbol];
  if (create === undefined) throw new Error('kafkajs has no createCluster, another version is installed than the one that is known');
  return create({ metadataMaxAge: METADATA_MAX_AGE_MS, allowAutoTopicCreation: false, isolationLevel: READ_COMMITTED });
}

const METADATA_MAX_AGE_MS = 300_000;
