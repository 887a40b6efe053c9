import type { TopicPartition } from '../kafka/index.ts';
import type { Lane } from './lane.ts';
import { partitionKey } from './sources.ts';

/** Offsets `first` up to `next` (exclusive) that are on their way into ClickHouse, or there. */
interface Interval {
  readonly first: number;
  readonly next: number;
  readonly lane: Lane;
  isInserted: boolean;
}

interface PartitionState {
  readonly partition: TopicPartition;
  /** Everything below is inserted; nothing above may be committed before it. */
  base: number;
  /** `base` has moved since the last commit. */
  isCommitDue: boolean;
  /** Ascending, never overlapping, none below `base`. */
  readonly intervals: Interval[];
  touchedAtMs: number;
}

/**
 * Where each partition of a table stands between sealed and committed.
 *
 * States of a range of offsets, who moves it, and what is durable then:
 *   read       in a lane's unfinished batch (ingest)             nothing: a rebalance or stop forgets it
 *   sealed     `sealed`: in a delivery under way (ingest)        nothing, but this process delivers it whatever the group does
 *   inserted   `inserted`: ClickHouse answered success (ingest)  the rows
 *   due        all below it inserted, too: `toCommit`            the rows
 *   committed  `committed`: Kafka took the offset (ingest)       rows and position; the range is forgotten here
 *   abandoned  `abandoned`: the delivery gave up (ingest)        nothing: it is read again
 *
 * Deliveries end in any order, offsets are committed in theirs. After a rebalance Kafka hands out committed positions again: what is
 * sealed or inserted by then must not be read a second time by this process (`resumeAt`, `nextInterval`).
 */
export class Positions {
  readonly #states = new Map<string, PartitionState>();

  sealed(partition: TopicPartition, first: number, next: number, lane: Lane): void {
    const key = partitionKey(partition);
    const state = this.#states.get(key) ?? { partition, base: first, isCommitDue: false, intervals: [], touchedAtMs: 0 };
    const at = state.intervals.findIndex((interval) => interval.first > first);
    state.intervals.splice(at < 0 ? state.intervals.length : at, 0, { first, next, lane, isInserted: false });
    state.touchedAtMs = Date.now();
    this.#states.set(key, state);
  }

  inserted(partition: TopicPartition, first: number): void {
    const state = this.#states.get(partitionKey(partition));
    const interval = state?.intervals.find((one) => one.first === first);
    if (state === undefined || interval === undefined) return;
    interval.isInserted = true;
    state.touchedAtMs = Date.now();
    advance(state);
  }

  abandoned(partition: TopicPartition, first: number): void {
    const state = this.#states.get(partitionKey(partition));
    const at = state?.intervals.findIndex((one) => one.first === first && !one.isInserted) ?? -1;
    if (at >= 0) state?.intervals.splice(at, 1);
    this.#forgetIfDone(partition);
  }

  /** Kafka took `next` as the partition's position. */
  committed(partition: TopicPartition, next: number): void {
    const state = this.#states.get(partitionKey(partition));
    if (state?.base === next) state.isCommitDue = false;
    this.#forgetIfDone(partition);
  }

  /** The partition's offsets begin anew: nothing noted about it holds any more. */
  reset(partition: TopicPartition): void {
    this.#states.delete(partitionKey(partition));
  }

  /** A generation begins at `from`: what another member has committed meanwhile need not be inserted here before something is committed. */
  restarted(partition: TopicPartition, from: number): void {
    const state = this.#states.get(partitionKey(partition));
    if (state === undefined || from <= state.base) return;
    state.base = from;
    state.isCommitDue = false;
    while ((state.intervals[0]?.next ?? Infinity) <= from) state.intervals.shift();
    advance(state);
  }

  /** Where reading goes on that Kafka wants to begin at `from`. */
  resumeAt(partition: TopicPartition, from: number): number {
    const state = this.#states.get(partitionKey(partition));
    if (state === undefined) return from;
    // What is inserted and only waits for its commit lies below `base`; what was abandoned begins there.
    let at = state.isCommitDue ? Math.max(from, state.base) : from;
    for (const { first, next } of state.intervals) if (first <= at && at < next) at = next;
    return at;
  }

  /** The first range at or behind `position` that need not be read again, or undefined. */
  nextInterval(partition: TopicPartition, position: number): { readonly first: number; readonly next: number } | undefined {
    return this.#states.get(partitionKey(partition))?.intervals.find(({ first }) => first >= position);
  }

  /** Another lane that still delivers a part of this partition: its parts have to be in before this lane begins. */
  otherLane(partition: TopicPartition, lane: Lane): Lane | undefined {
    return this.#states.get(partitionKey(partition))?.intervals.find((one) => !one.isInserted && one.lane !== lane)?.lane;
  }

  toCommit(): { readonly partition: TopicPartition; readonly next: number }[] {
    return [...this.#states.values()].filter((state) => state.isCommitDue).map(({ partition, base }) => ({ partition, next: base }));
  }

  /** Forgets partitions where nothing is under way and whose commit has not gone through for `ageMs`: they are somebody else's by now. */
  expire(ageMs: number): void {
    for (const [key, state] of this.#states) {
      if (state.intervals.every((one) => one.isInserted) && Date.now() - state.touchedAtMs > ageMs) this.#states.delete(key);
    }
  }

  #forgetIfDone(partition: TopicPartition): void {
    const key = partitionKey(partition);
    const state = this.#states.get(key);
    if (state !== undefined && state.intervals.length === 0 && !state.isCommitDue) this.#states.delete(key);
  }
}

/** Moves `base` over what is inserted without a gap. */
function advance(state: PartitionState): void {
  for (let first = state.intervals[0]; first?.isInserted === true && first.first <= state.base; first = state.intervals[0]) {
    state.base = Math.max(state.base, first.next);
    state.isCommitDue = true;
    state.intervals.shift();
  }
}
