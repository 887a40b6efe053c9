import type { TopicPartition } from '../kafka/index.ts';

/** Numbers the partitions a table reads, from 1 in the order seen: the small number stands for the partition in every row's bytes. */
export class SourceTable {
  readonly #numbers = new Map<string, number>();
  readonly #sources: TopicPartition[] = [];

  get all(): readonly TopicPartition[] {
    return this.#sources;
  }

  numberOf(partition: TopicPartition): number {
    const key = partitionKey(partition);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#sources.push({ topic: partition.topic, partition: partition.partition });
    this.#numbers.set(key, this.#sources.length);
    return this.#sources.length;
  }

  partitionOf(source: number): TopicPartition {
    return this.#sources[source - 1] as TopicPartition;
  }
}

/** One text for a topic and partition, to be used as a key. */
export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${partition}@${topic}`;
}
