import kafkajs, { type KafkaMessage } from 'kafkajs';
import { waitFor } from './wait-for.ts';

export interface ReadTopic {
  readonly brokers: string;
  readonly topic: string;
  /** A group that nobody else uses. */
  readonly groupId: string;
  readonly timeoutMs?: number;
}

/** The messages of a topic that a reader with `read_committed` sees, as soon as there are `count`. Throws when there are fewer after a minute. */
export async function readTopic({ brokers, topic, groupId, timeoutMs = 60_000 }: ReadTopic, count: number): Promise<KafkaMessage[]> {
  const kafka = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId, readUncommitted: false });
  const messages: KafkaMessage[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      messages.push(message);
      return Promise.resolve();
    },
  });
  try {
    await waitFor(() => Promise.resolve(messages.length >= count), { message: `${count} messages in ${topic}`, timeoutMs });
  } finally {
    await consumer.disconnect();
  }
  return messages;
}
