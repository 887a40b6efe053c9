import type { KafkaProperties } from '../engine/index.ts';

/**
 * The gateway's view of Kafka: record batches as bytes, partitions with bigint offsets, a consumer that is one group member.
 * kafkajs stays behind this door.
 */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** One record batch (magic 2), decompressed and checked (CRC-32C). `records` holds `recordCount` records as in KIP-98, varint-framed. */
export interface RecordBatch {
  /** Offset and timestamp that the records' deltas count from. Safe integers. */
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  /** true: every record's timestamp is `maxTimestampMs` (LogAppendTime). */
  readonly isLogAppendTime: boolean;
  readonly recordCount: number;
  /** Overwritten by a later fetch once `onFetched` has answered `nextOffset`: copy what must stay. Kept when it answers less or throws. */
  readonly records: Buffer;
}

/** What one fetch brought for one partition, in offset order; aborted and control batches are already left out. */
export interface FetchedPartition extends TopicPartition {
  readonly batches: readonly RecordBatch[];
  /** Records below this offset were read before: the first batch may begin earlier than asked for. */
  readonly fromOffset: number;
  /** The position after everything this fetch covered, left-out batches included. */
  readonly nextOffset: number;
  readonly highWatermark: number;
}

export interface CommitOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: bigint;
  readonly metadata?: string;
}

/** What the group has committed for a partition. */
export interface CommittedOffset extends TopicPartition {
  /** -1: nothing. */
  readonly offset: bigint;
  readonly metadata: string;
}

/** How connections behave, whatever they carry. */
export interface ConnectionOptions {
  /** From the first packet to the end of the handshakes. */
  readonly setupTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  /** TCP keep-alives; sent when absent. */
  readonly keepsAlive?: boolean;
  /** Records of transactions that were aborted, or are not committed yet, are read as well. */
  readonly readsUncommitted?: boolean;
}

export interface ConsumerOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly groupId: string;
  /** Whose consumer it is: members of a group with the same owner know of each other (`ConsumerHandlers.onAssigned`). */
  readonly ownerId: string;
  readonly topics: readonly string[];
  /** How brokers are spoken to; empty: plaintext. */
  readonly security: KafkaProperties;
  readonly connection?: ConnectionOptions;
  /** Where reading begins when the group has committed nothing; `earliest` when absent. */
  readonly startsAt?: 'earliest' | 'latest';
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly maxBytesPerPartition: number;
  readonly maxBytes: number;
  /** The broker waits for so many, `maxWaitMs` at most; 1 when absent. */
  readonly minBytes?: number;
  readonly maxWaitMs: number;
  readonly metadataMaxAgeMs: number;
}

/** Called by the consumer; none of them concurrently with itself. */
export interface ConsumerHandlers {
  /**
   * A new generation began: positions of all `partitions` restart at the committed offsets, everything read before and not
   * committed comes again. Synchronous, and before the first fetch of that generation. `isSoleOwner`: all members of the group have this
   * consumer's owner; false also when that is not known, since the group's leader is of another kind.
   */
  onAssigned(partitions: readonly TopicPartition[], isSoleOwner: boolean): void;
  /**
   * What the group has committed for partitions of this generation: for each of them before its first fetch. Synchronous; it may come more than once.
   */
  onCommitted?(committed: readonly CommittedOffset[]): void;
  /**
   * Takes one fetch's batches. While it waits for room it must call `control.heartbeat()` at least every heartbeat interval
   * (which throws when the group rebalances: let it pass through) and stop when `control.isStale()` or `!control.isRunning()`.
   * Answers the partition's new position, the next offset to fetch: `nextOffset` when it took all. `batches` may be empty (only control or
   * aborted records were fetched): then `nextOffset` is all there is to take.
   */
  onFetched(fetched: FetchedPartition, control: FetchControl): Promise<number>;
  /** The record batch at `offset` cannot be read; what was before it has been taken. It is fetched again unless the partition is paused, and the others go on. */
  onUnreadable(partition: TopicPartition, offset: number, error: Error): void;
  /** The broker does not have `from` (any more): the next fetch begins at `to` (earliest). Nothing is committed. */
  onOffsetReset?(partition: TopicPartition, from: bigint, to: bigint): void;
  /** The consumer died (all retries used up); it stops and must be built anew. */
  onCrash(error: Error): void;
}

export interface FetchControl {
  heartbeat(): Promise<void>;
  /** The partition was sought or revoked since the fetch: what is left of it must be dropped. */
  isStale(): boolean;
  isRunning(): boolean;
}

export interface GroupConsumer {
  /** Connects, joins the group and begins to fetch. Throws when broker, topic or group cannot be reached (after its retries). */
  start(): Promise<void>;
  /** Leaves the group (LeaveGroup is sent) and disconnects; resolves within a few seconds even when the broker is gone. Idempotent. */
  stop(): Promise<void>;
  /**
   * Commits with the current generation, all or nothing. The partitions may be those of other members of the same generation: Kafka asks only who commits.
   * Throws `KafkaError` when the broker refuses, or when it is not known whether it took them.
   */
  commit(offsets: readonly CommitOffset[]): Promise<void>;
  /** The group's generation that this consumer is in; undefined before it has joined and while it is out. */
  readonly generationId: number | undefined;
  /** The next fetch of the partition begins at `offset`. */
  seek(partition: TopicPartition, offset: bigint): void;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  isAssigned(partition: TopicPartition): boolean;
  readonly memberId: string;
}
