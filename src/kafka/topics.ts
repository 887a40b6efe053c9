import type { Admin } from 'kafkajs';
import type { Logger } from '../logger.ts';
import { createKafkaClient, type ClientOptions } from './client.ts';
import { errorFields, KafkaError } from './errors.ts';

/**
 * How many partitions each of the topics has now; a topic that does not exist is not in the answer, and is not created.
 * Throws `KafkaError` when no broker answers or one of the names cannot be a topic.
 */
export async function topicPartitions(
  options: ClientOptions,
  topics: readonly string[],
  logger: Logger,
): Promise<ReadonlyMap<string, number>> {
  const client = createKafkaClient(options, logger);
  const admin = client.kafka.admin();
  try {
    await admin.connect();
    const counts = new Map<string, number>();
    for (const topic of topics) {
      const count = await countPartitions(admin, topic);
      if (count !== undefined) counts.set(topic, count);
    }
    return counts;
  } catch (error) {
    throw new KafkaError(error);
  } finally {
    client.cut();
  }
}

async function countPartitions(admin: Admin, topic: string): Promise<number | undefined> {
  try {
    const metadata = await admin.fetchTopicMetadata({ topics: [topic] });
    return metadata.topics.find(({ name }) => name === topic)?.partitions.length;
  } catch (error) {
    if (errorFields(error).type === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined;
    throw error;
  }
}
