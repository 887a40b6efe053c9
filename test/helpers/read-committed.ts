import type { ExecutionContext } from 'ava';
import kafkajs, { type KafkaMessage } from 'kafkajs';
import type { KafkaPart } from '../parts/kafka.ts';
import { waitFor } from '../parts/wait-for.ts';
import { uniqueName } from './names.ts';

/** The messages of a topic that a reader with `read_committed` sees, as soon as there are `count`. */
export async function readCommitted(t: ExecutionContext, { brokers }: KafkaPart, topic: string, count: number): Promise<KafkaMessage[]> {
  const kafka = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: uniqueName(t, 'reader'), readUncommitted: false });
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
    await waitFor(() => Promise.resolve(messages.length >= count), { message: `${count} messages in ${topic}`, timeoutMs: 60_000 });
  } finally {
    await consumer.disconnect();
  }
  return messages;
}
