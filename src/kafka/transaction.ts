import type { IHeaders } from 'kafkajs';
import type { Logger } from '../logger.ts';
import { createKafkaClient, type ClientOptions } from './client.ts';
import { KafkaError } from './errors.ts';
import type { TopicPartition } from './types.ts';

export interface ProducedMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** In their order, as far as a name comes once; a name that comes again keeps the order of its values. */
  readonly headers: readonly { readonly name: string; readonly value: Buffer }[];
}

export interface Transaction {
  /** Fences an older producer of the same id. */
  readonly transactionalId: string;
  readonly topic: string;
  readonly messages: readonly ProducedMessage[];
  /** Committed for the group together with the messages, or not at all. */
  readonly commit: TopicPartition & { readonly groupId: string; readonly offset: number };
}

/**
 * Sends messages and commits an offset of a consumer group in one Kafka transaction: readers with `read_committed` see the messages once, however
 * often it is repeated until it succeeds. Throws `KafkaError` when it did not happen, or may not have.
 */
export async function sendWithOffset(
  options: ClientOptions,
  { transactionalId, topic, messages, commit }: Transaction,
  logger: Logger,
): Promise<void> {
  const client = createKafkaClient(options, logger);
  const producer = client.kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false });
  try {
    await producer.connect();
    const transaction = await producer.transaction();
    try {
      await transaction.send({
        topic,
        acks: -1,
        messages: messages.map(({ key, value, headers }) => ({ key, value, headers: byName(headers) })),
      });
      const partitions = [{ partition: commit.partition, offset: String(commit.offset) }];
      await transaction.sendOffsets({ consumerGroupId: commit.groupId, topics: [{ topic: commit.topic, partitions }] });
      await transaction.commit();
    } catch (error) {
      await transaction.abort().catch(() => undefined);
      throw error;
    }
  } catch (error) {
    throw new KafkaError(error);
  } finally {
    client.cut();
  }
}

function byName(headers: ProducedMessage['headers']): IHeaders {
  const values: Record<string, Buffer[]> = {};
  for (const { name, value } of headers) (values[name] ??= []).push(value);
  return Object.fromEntries(Object.entries(values).map(([name, all]) => [name, all.length === 1 ? all[0] : all]));
}
