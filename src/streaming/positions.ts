import type { TopicPartition } from '../kafka/index.ts';
import type { Intent, PartitionRange } from './intent.ts';
import { partitionKey } from './sources.ts';

/** What delivers: resolves when it has nothing under way. */
export interface Carrier {
  idle(): Promise<void>;
}

/** Offsets `first` up to `next` (exclusive) that are on their way into ClickHouse, or there. */
interface Interval {
  readonly first: number;
  readonly next: number;
  readonly carrier: Carrier;
  /** Undefined: there is nothing to insert. */
  readonly intent: Intent | undefined;
  isInserted: boolean;
}

interface PartitionState {
  readonly partition: TopicPartition;
  /** Everything below is inserted; nothing above may be committed before it. */
  base: number;
  /** `base` has moved since the last commit. */
  isCommitDue: boolean;
  /** Ascending, never overlapping, none below `base`. */
  intervals: readonly Interval[];
  touchedAtMs: number;
}

/** What should stand in Kafka for a partition: everything below `next` is inserted; `intents` reach beyond it. */
export interface Position {
  readonly partition: TopicPartition;
  readonly next: number;
  readonly intents: readonly Intent[];
}

/**
 * Where each partition of a table stands between sealed and committed.
 *
 * States of a range of offsets, who moves it, and what is durable then:
 *   read       in a lane's unfinished batch (ingest)               nothing: a rebalance or stop forgets it
 *   sealed     `sealed`: in a delivery (ingest, careful reading)   nothing, and nothing of it is applied yet
 *   recorded   Kafka took its intent (offset journal)              the intent: from now on whoever owns the partition delivers it, under the same tokens
 *   inserted   `inserted`: ClickHouse answered success             the rows in every view's target, and the intent
 *   due        all below it inserted, too: `next` is behind it     the same
 *   committed  Kafka took the offset (offset journal)              rows and position; the intent is forgotten with the next commit of the partition
 *   abandoned  `abandoned`: nothing of it was applied, or somebody else delivers it (ingest)   as before: it is read again
 *   found      an unfinished intent in Kafka's record, at the beginning of a generation: sealed and recorded at once (recovery)
 *
 * So an offset is committed only after ClickHouse has acknowledged every dependent view, and nothing is applied that Kafka does not know of.
 * Deliveries end in any order, offsets are committed in theirs. After a rebalance Kafka hands out committed positions again: what is
 * sealed or inserted by then must not be read a second time by this process (`resumeAt`, `nextInterval`).
 */
export class Positions {
  readonly #states = new Map<string, PartitionState>();

  sealed(range: PartitionRange, carrier: Carrier, intent?: Intent): void {
    const { first, next } = range;
    this.begun(range, first);
    const state = this.#stateOf(range) as PartitionState;
    state.intervals = [...state.intervals, { first, next, carrier, intent, isInserted: false }].sort((a, b) => a.first - b.first);
    state.touchedAtMs = Date.now();
  }

  /** What was read of the partition begins at `from`: below it nothing is waited for. Unless something is known of it already. */
  begun({ topic, partition }: TopicPartition, from: number): void {
    if (this.#stateOf({ topic, partition }) !== undefined) return;
    const state = { partition: { topic, partition }, base: from, isCommitDue: false, intervals: [], touchedAtMs: Date.now() };
    this.#states.set(partitionKey(state.partition), state);
  }

  inserted(range: PartitionRange, intent?: Intent): void {
    const state = this.#stateOf(range);
    const interval = state?.intervals.find(isThat(range, intent));
    if (state === undefined || interval === undefined) return;
    interval.isInserted = true;
    state.touchedAtMs = Date.now();
    advance(state);
  }

  /** `carrier` gives it up; nothing happens when another one has taken it over. */
  abandoned(range: PartitionRange, carrier: Carrier, intent?: Intent): void {
    const state = this.#stateOf(range);
    const is = isThat(range, intent);
    if (state === undefined) return;
    state.intervals = state.intervals.filter((interval) => interval.isInserted || interval.carrier !== carrier || !is(interval));
  }

  /** Somebody else delivers the range from now on. */
  handedOver(range: PartitionRange, intent: Intent, carrier: Carrier): void {
    const state = this.#stateOf(range);
    const is = isThat(range, intent);
    if (state !== undefined) state.intervals = state.intervals.map((interval) => (is(interval) ? { ...interval, carrier } : interval));
  }

  /** Forgets what is sealed of the partition and not known to Kafka. */
  abandonUnrecorded(partition: TopicPartition, isRecorded: (intent: Intent) => boolean): void {
    const state = this.#stateOf(partition);
    if (state === undefined) return;
    state.intervals = state.intervals.filter(({ isInserted, intent }) => isInserted || (intent !== undefined && isRecorded(intent)));
  }

  /** Kafka took `next` as the partition's position. */
  committed(partition: TopicPartition, next: number): void {
    const state = this.#stateOf(partition);
    if (state?.base === next) state.isCommitDue = false;
  }

  /** Kafka has the offsets from `first` up to `next` (exclusive) no more: what of them was not read never will be. */
  gone(partition: TopicPartition, first: number, next: number): void {
    const range = { topic: partition.topic, partition: partition.partition };
    let at = first;
    for (const known of [...(this.#stateOf(partition)?.intervals ?? []), { first: next, next }]) {
      const hole = { ...range, first: at, next: Math.min(known.first, next) };
      if (hole.first < hole.next) {
        this.sealed(hole, NOBODY);
        this.inserted(hole);
      }
      at = Math.max(at, known.next);
    }
  }

  /** The partition's offsets begin anew: nothing noted about it holds any more. */
  reset(partition: TopicPartition): void {
    this.#states.delete(partitionKey(partition));
  }

  /**
   * A generation begins at the committed offset `from`, -1 when there is none. What another member has committed meanwhile need not be inserted here before something is
   * committed; what is inserted here and not committed holds.
   */
  restarted(partition: TopicPartition, from: number): void {
    const state = this.#stateOf(partition);
    if (from < 0) {
      if (state?.isCommitDue === false && state.intervals.length === 0) this.reset(partition);
      return;
    }
    if (state === undefined) return this.begun(partition, from);
    if (from < state.base && state.isCommitDue) return;
    state.base = from;
    state.isCommitDue = false;
    state.intervals = state.intervals.filter(({ next }) => next > from);
    advance(state);
  }

  /** Where reading goes on that Kafka wants to begin at `from`. */
  resumeAt(partition: TopicPartition, from: number): number {
    const state = this.#stateOf(partition);
    if (state === undefined) return from;
    // A fetch may have been waiting while what it begins with came in.
    let at = Math.max(from, state.base);
    for (const { first, next } of state.intervals) if (first <= at && at < next) at = next;
    return at;
  }

  /** The first range at or behind `position` that need not be read again, or undefined. */
  nextInterval(partition: TopicPartition, position: number): { readonly first: number; readonly next: number } | undefined {
    return this.#stateOf(partition)?.intervals.find(({ first }) => first >= position);
  }

  /** Another carrier that still delivers a part of this partition: its parts have to be in before this one begins. */
  otherCarrier(partition: TopicPartition, carrier: Carrier): Carrier | undefined {
    return this.#stateOf(partition)?.intervals.find((one) => !one.isInserted && one.carrier !== carrier)?.carrier;
  }

  /** Whether this range of an intent is under way here, or in. */
  holds(range: PartitionRange, { id }: Intent): boolean {
    const state = this.#stateOf(range);
    return state !== undefined && (range.next <= state.base || state.intervals.some(({ intent }) => intent?.id === id));
  }

  all(): Position[] {
    return [...this.#states.values()].map(({ partition, base, intervals }) => ({
      partition,
      next: base,
      intents: [...new Map(intervals.flatMap(({ intent }) => (intent === undefined ? [] : [[intent.id, intent]]))).values()],
    }));
  }

  /**
   * Forgets partitions where nothing is under way and nothing has been done for `ageMs`: they may be somebody else's by now. `mayForget` says which; `isCommitDue`: more is
   * inserted than Kafka knows of.
   */
  expire(ageMs: number, mayForget: (partition: TopicPartition, isCommitDue: boolean) => boolean): void {
    for (const [key, state] of this.#states) {
      const isOld = state.intervals.every((one) => one.isInserted) && Date.now() - state.touchedAtMs > ageMs;
      if (isOld && mayForget(state.partition, state.isCommitDue)) this.#states.delete(key);
    }
  }

  #stateOf(partition: TopicPartition): PartitionState | undefined {
    return this.#states.get(partitionKey(partition));
  }
}

const NOBODY: Carrier = { idle: () => Promise.resolve() };

function isThat(range: PartitionRange, intent: Intent | undefined): (interval: Interval) => boolean {
  return (interval) => interval.first === range.first && interval.intent?.id === intent?.id;
}

/** Moves `base` over what is inserted without a gap. */
function advance(state: PartitionState): void {
  for (let [first, ...rest] = state.intervals; first?.isInserted === true && first.first <= state.base; [first, ...rest] = rest) {
    state.base = Math.max(state.base, first.next);
    state.isCommitDue = true;
    state.intervals = rest;
  }
}
