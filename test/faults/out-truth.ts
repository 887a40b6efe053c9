import kafkajs from 'kafkajs';
import { waitFor } from '../parts/wait-for.ts';
import { FLUSH_KEY, type OutTable } from './out-schema.ts';
import { END_KEY } from './producers.ts';

/** One message of a topic that was written through ClickHouse, in its order within the partition. */
export interface OutMessage {
  readonly partition: number;
  readonly key: string;
  /** Undefined for what nobody wrote so. */
  readonly w: number | undefined;
  readonly n: number | undefined;
  /** When the gateway sent it, in milliseconds since 1970. */
  readonly sentAtMs: number;
}

// A transaction that nobody ends is aborted by the broker after two minutes.
const READ_TIMEOUT_MS = 150_000;

/** What a reader with `read_committed` sees in each of the tables' topics, by target. Each partition ends with a message whose key is `END_KEY`. Throws when it does not come to all ends. */
export async function readOut(
  brokers: string,
  tables: readonly OutTable[],
  partitions: number,
): Promise<ReadonlyMap<string, readonly OutMessage[]>> {
  const kafka = new kafkajs.Kafka({ clientId: 'faults-out', brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `faults-out-${process.pid}`, readUncommitted: false });
  const found = new Map<string, OutMessage[]>(tables.map(({ topic }) => [topic, []]));
  const open = new Set(tables.flatMap(({ topic }) => Array.from({ length: partitions }, (_, partition) => `${topic} ${partition}`)));
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: tables.map(({ topic }) => topic), fromBeginning: true });
    await consumer.run({
      eachBatch: async ({ batch }) => {
        for (const message of batch.messages) {
          const key = message.key?.toString() ?? '';
          if (key === END_KEY) open.delete(`${batch.topic} ${batch.partition}`);
          else if (key !== FLUSH_KEY)
            found
              .get(batch.topic)
              ?.push({ partition: batch.partition, key, ...numbersIn(message.value), sentAtMs: Number(message.timestamp) });
        }
        return Promise.resolve();
      },
    });
    await waitFor(() => open.size === 0, { timeoutMs: READ_TIMEOUT_MS, message: `the ends of ${[...open].join(', ')}` });
  } finally {
    await consumer.disconnect();
  }
  return new Map(tables.map(({ target, topic }) => [target, found.get(topic) ?? []]));
}

function numbersIn(value: Buffer | null): Pick<OutMessage, 'w' | 'n'> {
  try {
    const { w, n } = JSON.parse(String(value)) as { w: unknown; n: unknown };
    if (Number.isSafeInteger(Number(w)) && Number.isSafeInteger(Number(n))) return { w: Number(w), n: Number(n) };
  } catch {
    // Nobody wrote it.
  }
  return { w: undefined, n: undefined };
}
