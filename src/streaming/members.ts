import type { GroupConsumer, TopicPartition } from '../kafka/index.ts';
import type { Lane, Seat } from './lane.ts';

/** One consumer of the table and where its messages go. */
export interface Member {
  readonly consumer: GroupConsumer;
  readonly lane: Lane;
  readonly seat: Seat;
}

/** The table's consumers: members of one group, of whom one may not have heard yet that the group has gone on without it. */
export class Members {
  readonly #members = new Set<Member>();

  get consumers(): GroupConsumer[] {
    return [...this.#members].map(({ consumer }) => consumer);
  }

  get lanes(): Set<Lane> {
    return new Set([...this.#members].map(({ lane }) => lane));
  }

  add(member: Member): void {
    this.#members.add(member);
  }

  remove(member: Member): void {
    this.#members.delete(member);
    member.lane.closeSeat(member.seat);
  }

  /** The partition is one of theirs. */
  own(partition: TopicPartition): boolean {
    return this.consumers.some((consumer) => consumer.isAssigned(partition));
  }

  /**
   * Another one is in a later generation: this one has been put out of the group, after a silence of the broker say, and has not heard of it.
   * Its partitions are read by another one, perhaps of the same lane, whose batches must not hold the same messages twice.
   */
  isOutrun({ consumer }: Member): boolean {
    const generationId = consumer.generationId ?? 0;
    return this.consumers.some((other) => (other.generationId ?? 0) > generationId);
  }

  /** What this member, which begins a generation, and those of an earlier one have gathered comes again. */
  emptySeats(member: Member): void {
    for (const one of this.#members) if (one === member || this.isOutrun(one)) one.lane.emptySeat(one.seat);
  }

  /** The partition is read from `offset` on, if a member of the lane reads it. */
  seek(lane: Lane, partition: TopicPartition, offset: number): void {
    for (const { consumer, lane: own } of this.#members)
      if (own === lane && consumer.isAssigned(partition)) consumer.seek(partition, BigInt(offset));
  }

  /** A pause outlives a rebalance: whoever paused the partition, or will get it, must not keep it paused. */
  resume(partition: TopicPartition): void {
    for (const consumer of this.consumers) consumer.resume([partition]);
  }
}
