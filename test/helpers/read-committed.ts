import type { ExecutionContext } from 'ava';
import type { KafkaMessage } from 'kafkajs';
import type { KafkaPart } from '../parts/kafka.ts';
import { readTopic } from '../parts/read-topic.ts';
import { uniqueName } from './names.ts';

/** The messages of a topic that a reader with `read_committed` sees, as soon as there are `count`. */
export async function readCommitted(t: ExecutionContext, { brokers }: KafkaPart, topic: string, count: number): Promise<KafkaMessage[]> {
  return readTopic({ brokers, topic, groupId: uniqueName(t, 'reader') }, count);
}
