import kafkajs from 'kafkajs';
import type { TopicPartition } from './types.ts';

interface Offsets {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
}

/**
 * What one consumer has committed. A group can be deleted, or its offsets expire, when all of its members are away, such as a gateway that was frozen: it is
 * told then that nothing is committed, as if it read its topics for the first time.
 */
export class CommitMemory {
  readonly #committed = new Map<string, TopicPartition & { readonly offset: string }>();

  committed(topics: readonly Offsets[]): void {
    for (const { topic, partitions } of topics) {
      for (const { partition, offset } of partitions) this.#committed.set(`${partition}:${topic}`, { topic, partition, offset });
    }
  }

  /** Throws when the group has no offset for a partition that had one. */
  check(groupId: string, topics: readonly Offsets[]): void {
    const lost = topics.flatMap(({ topic, partitions }) =>
      partitions.filter(({ offset }) => Number(offset) < 0).flatMap(({ partition }) => this.#committed.get(`${partition}:${topic}`) ?? []),
    );
    if (lost.length === 0) return;
    const where = lost.map(({ topic, partition, offset }) => `${topic}[${partition}] (was ${offset})`).join(', ');
    throw new kafkajs.KafkaJSNonRetriableError(
      `group ${groupId} has no committed offsets any more for ${where}: it was deleted, or they expired; reading begins as for a new group`,
    );
  }
}
