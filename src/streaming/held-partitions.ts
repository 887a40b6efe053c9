import type { TopicPartition } from '../kafka/index.ts';
import { backoffMs } from '../pauses.ts';
import { partitionKey } from './sources.ts';

interface Held {
  readonly partition: TopicPartition;
  readonly offset: number;
  readonly attempts: number;
  readonly untilMs: number;
}

/** Partitions that stay at an offset which cannot be passed now: each is tried again after a pause, a longer one each time. */
export class HeldPartitions {
  readonly #held = new Map<string, Held>();

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  has(partition: TopicPartition): boolean {
    return this.#held.has(partitionKey(partition));
  }

  /** Milliseconds until the partition is tried again; 0 when it is not held, or is to be tried now. */
  forMs(partition: TopicPartition): number {
    return Math.max(0, (this.#held.get(partitionKey(partition))?.untilMs ?? 0) - performance.now());
  }

  hold(partition: TopicPartition, offset: number): void {
    const attempts = (this.#held.get(partitionKey(partition))?.attempts ?? 0) + 1;
    this.#held.set(partitionKey(partition), {
      partition,
      offset,
      attempts,
      untilMs: performance.now() + backoffMs(attempts, 1000, 30_000),
    });
  }

  release(partition: TopicPartition): void {
    this.#held.delete(partitionKey(partition));
  }

  /** Reading has come to `next`: a partition that was held before it is so no more. */
  passed(partition: TopicPartition, next: number): void {
    const held = this.#held.get(partitionKey(partition));
    if (held !== undefined && held.offset < next) this.release(partition);
  }

  /** Partitions that are somebody else's now are not held here any more. */
  keep(isMine: (partition: TopicPartition) => boolean): void {
    for (const { partition } of this.#held.values()) if (!isMine(partition)) this.release(partition);
  }
}
