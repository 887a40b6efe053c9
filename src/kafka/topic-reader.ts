import type { Broker, Cluster } from 'kafkajs';
import type { KafkaClient } from './client.ts';
import { createCluster, isolationLevelOf } from './cluster.ts';
import { handOutRecordSets, type RecordSetMessage } from './raw-fetch.ts';
import { readRecordSet } from './record-batches.ts';
import type { FetchedPartition, RecordBatch } from './types.ts';

interface PartitionOffset {
  readonly partition: number;
  readonly offset: string;
}

/** The offsets that a partition has: `low` up to `high` (exclusive). */
export interface Bounds {
  readonly partition: number;
  readonly low: number;
  readonly high: number;
}

/** Reads partitions outside of any group: nothing is joined or committed. Aborted transactions are left out unless the client reads them, open ones not waited for. */
export class TopicReader {
  readonly #cluster: Cluster;
  readonly #isolationLevel: number;

  constructor(client: KafkaClient) {
    this.#cluster = createCluster(client);
    this.#isolationLevel = isolationLevelOf(client);
    handOutRecordSets(this.#cluster, client.openFetchSocket, { generation: () => 0, onOutOfRange: () => Promise.resolve() });
  }

  /** Call before anything else; throws when one of the topics does not exist. */
  async open(topics: readonly string[]): Promise<void> {
    await this.#cluster.connect();
    for (const topic of topics) await this.#cluster.addTargetTopic(topic);
  }

  async bounds(topic: string): Promise<Bounds[]> {
    const partitions = this.#cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ partition: partitionId }));
    const [lows, highs] = [await this.#offsets(topic, partitions, true), await this.#offsets(topic, partitions, false)];
    return partitions.map(({ partition }) => ({ partition, low: lows.get(partition) ?? 0, high: highs.get(partition) ?? 0 }));
  }

  async #offsets(topic: string, partitions: { partition: number }[], fromBeginning: boolean): Promise<Map<number, number>> {
    const answer: unknown = await this.#cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning }]);
    const [found] = answer as { partitions: PartitionOffset[] }[];
    return new Map(found?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  }

  /** Reads a partition from an offset up to another, or until `maxBytes` have come, or nothing comes any more. */
  async read(
    topic: string,
    { partition, high }: Pick<Bounds, 'partition' | 'high'>,
    from: number,
    maxBytes: number,
  ): Promise<FetchedPartition[]> {
    const [leader] = Object.keys(this.#cluster.findLeaderForPartitions(topic, [partition]));
    if (leader === undefined) return [];
    const broker = await this.#cluster.findBroker({ nodeId: leader });
    const fetched: FetchedPartition[] = [];
    let bytes = 0;
    for (let position = from; position < high && bytes < maxBytes;) {
      const { batches, nextOffset } = await this.#fetch(broker, topic, partition, position);
      if (nextOffset === position) break;
      fetched.push({ topic, partition, batches, fromOffset: position, nextOffset, highWatermark: high });
      bytes += batches.reduce((total, { records }) => total + records.length, 0);
      position = nextOffset;
    }
    return fetched;
  }

  async #fetch(
    broker: Broker,
    topic: string,
    partition: number,
    position: number,
  ): Promise<{ batches: RecordBatch[]; nextOffset: number }> {
    const wanted = { partition, fetchOffset: String(position), maxBytes: FETCH_BYTES };
    const request = { isolationLevel: this.#isolationLevel, maxWaitTime: FETCH_WAIT_MS, topics: [{ topic, partitions: [wanted] }] };
    const answer: unknown = await broker.fetch(request);
    const [answered] = (answer as { responses: { partitions: { messages: RecordSetMessage[] }[] }[] }).responses;
    const message = answered?.partitions[0]?.messages[0];
    if (message === undefined) return { batches: [], nextOffset: position };
    const { batches, nextOffset } = readRecordSet(message.recordSet);
    // The next fetch overwrites the bytes.
    return { batches: batches.map((batch) => ({ ...batch, records: Buffer.from(batch.records) })), nextOffset };
  }
}

const FETCH_BYTES = 1024 * 1024;
const FETCH_WAIT_MS = 200;
