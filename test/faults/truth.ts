import kafkajs from 'kafkajs';
import { END_KEY } from './producers.ts';
import type { Topic } from './schema.ts';

/** What one partition holds in the end, as a reader with `read_committed` sees it; in the order of offsets. */
export interface PartitionTruth {
  readonly topic: string;
  readonly partition: number;
  readonly readable: number[];
  readonly broken: number[];
  /** Sum of the numbers in readable messages. */
  sum: bigint;
  /** When the producer wrote each message, in milliseconds since 1970, by offset. */
  readonly writtenAtMs: Map<number, number>;
}

/** Reads the topics from the beginning to the last message of every partition (`Producers.writeEnds`). */
export async function readTruth(brokers: string, topics: readonly Topic[]): Promise<PartitionTruth[]> {
  const kafka = new kafkajs.Kafka({ clientId: 'faults-truth', brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `faults-truth-${process.pid}`, readUncommitted: false });
  const partitions = new Map<string, PartitionTruth>();
  for (const topic of topics) {
    for (let partition = 0; partition < topic.partitions; partition += 1) {
      partitions.set(`${topic.name} ${partition}`, {
        topic: topic.name,
        partition,
        readable: [],
        broken: [],
        sum: 0n,
        writtenAtMs: new Map(),
      });
    }
  }
  const open = new Set(partitions.keys());
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: topics.map(({ name }) => name), fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      const run = consumer.run({
        eachBatch: async ({ batch }) => {
          const key = `${batch.topic} ${batch.partition}`;
          const truth = partitions.get(key);
          if (truth === undefined) throw new Error(`nobody knows of ${key}`);
          for (const message of batch.messages) {
            add(truth, message);
            if (message.key?.toString() === END_KEY) open.delete(key);
          }
          if (open.size === 0) resolve();
          return Promise.resolve();
        },
      });
      run.catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return [...partitions.values()];
}

function add(truth: PartitionTruth, message: kafkajs.KafkaMessage): void {
  const offset = Number(message.offset);
  truth.writtenAtMs.set(offset, Number(message.timestamp));
  const n = numberIn(message.value?.toString() ?? '');
  if (n === undefined) {
    truth.broken.push(offset);
  } else {
    truth.readable.push(offset);
    truth.sum += BigInt(n);
  }
}

function numberIn(value: string): number | undefined {
  try {
    const { n } = JSON.parse(value) as { n: unknown };
    return typeof n === 'number' ? n : undefined;
  } catch {
    return undefined;
  }
}
