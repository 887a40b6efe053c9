import type { TopicPartition } from '../kafka/index.ts';
import { partitionKey } from './sources.ts';

/** Offsets `first` up to `next` (exclusive). */
export interface CarefulRange {
  readonly first: number;
  readonly next: number;
  /** `checked`: the server reads the messages first without inserting anything, to find the broken ones; `alone`: checks could not tell. */
  readonly manner: 'checked' | 'alone';
}

/** Which messages of which partitions are read carefully, because a batch failed at one of them. */
export class CarefulRanges {
  readonly #ranges = new Map<string, CarefulRange[]>();

  /** What a range said before about offsets of this one holds no more. */
  add(partition: TopicPartition, { first, next, manner }: CarefulRange): void {
    if (next <= first) return;
    const others = this.#of(partition).flatMap((range) => [
      { ...range, next: Math.min(range.next, first) },
      { ...range, first: Math.max(range.first, next) },
    ]);
    const ranges = [...others.filter((range) => range.first < range.next), { first, next, manner }];
    this.#ranges.set(
      partitionKey(partition),
      ranges.sort((a, b) => a.first - b.first),
    );
  }

  /** The range that `offset` is in, or else the first one behind it. */
  from(partition: TopicPartition, offset: number): CarefulRange | undefined {
    return this.#of(partition).find((range) => offset < range.next);
  }

  /** Everything below `next` has been dealt with. */
  passed(partition: TopicPartition, next: number): void {
    const left = this.#of(partition).filter((range) => next < range.next);
    if (left.length === 0) this.#ranges.delete(partitionKey(partition));
    else this.#ranges.set(partitionKey(partition), left);
  }

  /** The partition's offsets begin anew. */
  reset(partition: TopicPartition): void {
    this.#ranges.delete(partitionKey(partition));
  }

  #of(partition: TopicPartition): readonly CarefulRange[] {
    return this.#ranges.get(partitionKey(partition)) ?? [];
  }
}
