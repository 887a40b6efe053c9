import type { TopicPartition } from '../kafka/index.ts';
import type { Lane } from './lane.ts';
import { partitionKey } from './sources.ts';

/**
 * Where each partition of a table stands between sealed and committed.
 *
 * States of a range of offsets, who moves it, and what is durable then:
 *   read       in a lane's unfinished batch (ingest)            nothing: a rebalance or stop forgets it
 *   sealed     `sealed`: in a delivery under way (lane)         nothing, but this process delivers it whatever the group does
 *   inserted   `inserted`: ClickHouse answered success (ingest) the rows
 *   committed  `committed`: Kafka took the offset (ingest)      rows and position; the entry is gone
 *
 * After a rebalance Kafka hands out committed positions again. What is sealed or inserted by then must not be read a second
 * time by this process: `resumeAt` says where to go on. A delivery that gives up (`abandoned`) opens its ranges again.
 */
export class Positions {
  readonly #open = new Map<string, { readonly partition: TopicPartition; next: number; lane: Lane; isInserted: boolean; atMs: number }>();

  sealed(partition: TopicPartition, next: number, lane: Lane): void {
    this.#open.set(partitionKey(partition), { partition, next, lane, isInserted: false, atMs: Date.now() });
  }

  inserted(partition: TopicPartition, next: number): void {
    const entry = this.#open.get(partitionKey(partition));
    if (entry === undefined || entry.next !== next) return;
    entry.isInserted = true;
    entry.atMs = Date.now();
  }

  committed(partition: TopicPartition, next: number): void {
    const entry = this.#open.get(partitionKey(partition));
    if (entry !== undefined && entry.isInserted && entry.next <= next) this.#open.delete(partitionKey(partition));
  }

  /** The delivery gave up, or the partition's offsets began anew: what Kafka has committed counts again. */
  abandoned(partition: TopicPartition): void {
    this.#open.delete(partitionKey(partition));
  }

  /** Where reading goes on that Kafka wants to begin at `from`. */
  resumeAt(partition: TopicPartition, from: number): number {
    return Math.max(from, this.#open.get(partitionKey(partition))?.next ?? 0);
  }

  /** The other lane that still delivers an earlier part of this partition: a later part must not be committed before it. */
  laneBefore(partition: TopicPartition, lane: Lane): Lane | undefined {
    const entry = this.#open.get(partitionKey(partition));
    return entry === undefined || entry.isInserted || entry.lane === lane ? undefined : entry.lane;
  }

  /** Inserted and not committed yet. */
  toCommit(): { readonly partition: TopicPartition; readonly next: number }[] {
    return [...this.#open.values()].filter((entry) => entry.isInserted).map(({ partition, next }) => ({ partition, next }));
  }

  /** Forgets what was inserted longer than `ageMs` ago and could not be committed: the partition is somebody else's by now. */
  expire(ageMs: number): void {
    for (const [key, entry] of this.#open) if (entry.isInserted && Date.now() - entry.atMs > ageMs) this.#open.delete(key);
  }
}
