import type { CommittedOffset, CommitOffset, GroupConsumer, TopicPartition } from '../kafka/index.ts';
import type { Logger } from '../logger.ts';
import { pause } from '../pauses.ts';
import { printIntents, readIntents, type Intent, type PartitionRange } from './intent.ts';
import type { Position, Positions } from './positions.ts';
import { partitionKey } from './sources.ts';
import type { StatusRecorder } from './table-status.ts';

/** The delivery must not go on: Kafka knows nothing of it, or its partitions are somebody else's by now. */
export class IntentRefused extends Error {
  override readonly name = 'IntentRefused';
}

export interface OffsetJournalOptions {
  readonly positions: Positions;
  /** The table's consumers: members of one group. */
  readonly consumers: () => Iterable<GroupConsumer>;
  readonly status: StatusRecorder;
  readonly logger: Logger;
  /** Aborted when the stream gives up. */
  readonly stopping: AbortSignal;
}

/** What Kafka has for a partition, as far as it was heard in the present generation. */
interface KafkaRecord {
  readonly partition: TopicPartition;
  readonly offset: number;
  /** Ours; empty when there is none, or somebody else's. Undefined when it is not known: a commit failed. */
  readonly metadata: string | undefined;
  /** The membership in which it was heard: another one has to hear it anew. */
  readonly membership: string;
  readonly generationId: number;
}

interface Change {
  readonly record: KafkaRecord;
  readonly offset: CommitOffset;
  readonly intents: readonly Intent[];
}

interface Entry {
  readonly intent: Intent;
  /** The generation in which its messages were read. */
  readonly generationId: number | undefined;
  isRecorded: boolean;
}

/** What a broker keeps with an offset unless it is told otherwise (`offset.metadata.max.bytes`). */
const METADATA_BYTES = 4096;
/** An intent of one range is not much longer. */
const LEAST_METADATA_BYTES = 256;
const COMMIT_RETRY_MS = 1_000;
const SOON_MS = 50;
/** How long it is believed without asking that we are still members of the group: a fraction of the session time-out. */
const BELIEVED_MS = 10_000;
/** How long a position that nobody here can commit is remembered. */
const FORGET_MS = 120_000;

/**
 * What Kafka knows of a table's progress: the committed offsets, and with them, as metadata, what is about to be inserted (`Intent`). One commit at a time,
 * each with everything that has changed; a commit is one request, which Kafka takes whole or not at all.
 */
export class OffsetJournal {
  readonly #options: OffsetJournalOptions;
  readonly #records = new Map<string, KafkaRecord>();
  readonly #entries = new Map<string, Entry>();
  /** When a generation last took a commit, or began. */
  readonly #believedAtMs = new Map<number, number>();
  /** Generations that have to take a commit although nothing has changed, to prove that they are the present one. */
  readonly #doubted = new Set<number>();
  #metadataBytes = METADATA_BYTES;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #retry: Promise<void> | undefined;
  #soon: NodeJS.Timeout | undefined;
  #changed = new AbortController();

  constructor(options: OffsetJournalOptions) {
    this.#options = options;
  }

  /** As long as this an intent may be printed so that two of them fit. */
  get intentBytes(): number {
    return this.#metadataBytes / 2 - MARGIN_BYTES;
  }

  /**
   * Resolves when Kafka knows the intent, at all of its partitions, and this process is still the one to deliver it: at the first call, and at each later one, before
   * it is tried again. Throws `IntentRefused` when it never will be: then nothing of it may be applied (any more). Throws, too, once `signal` is aborted.
   */
  async record(intent: Intent, signal: AbortSignal = this.#options.stopping): Promise<void> {
    const entry = this.#entries.get(intent.id) ?? this.#enter(intent, false);
    const { stopping } = this.#options;
    for (;;) {
      await this.flush();
      for (const one of [signal, stopping]) one.throwIfAborted();
      if (this.#isSettled(entry)) return;
      await pause(COMMIT_RETRY_MS, this.#changed.signal, signal, stopping);
    }
  }

  /**
   * Whether these offsets are other messages by now than when the intent was noted: Kafka's record of the partition is before its end and does not hold it, as
   * when the topic was made anew. False also for partitions that are not ours.
   */
  contradicts(range: PartitionRange, intent: Intent): boolean {
    const record = this.#recordOf(range, this.#ownerOf(range));
    return record !== undefined && record.offset < range.next && !this.#carries(range, intent);
  }

  /** An intent found in Kafka's record, which is now delivered here. */
  adopt(intent: Intent): void {
    this.#enter(intent, true);
  }

  isRecorded({ id }: Intent): boolean {
    return this.#entries.get(id)?.isRecorded === true;
  }

  /**
   * A generation has begun for these partitions: what Kafka has for each. Answers the unfinished intents that nobody here delivers; the caller sees to it before
   * it returns to the consumer.
   */
  heard(consumer: GroupConsumer, committed: readonly CommittedOffset[]): { readonly intent: Intent; readonly range: PartitionRange }[] {
    const membership = membershipOf(consumer);
    const { generationId } = consumer;
    if (membership === undefined || generationId === undefined) return [];
    const present = new Set([...this.#options.consumers()].map((one) => one.generationId));
    for (const past of this.#believedAtMs.keys()) if (!present.has(past)) this.#believedAtMs.delete(past);
    this.#believedAtMs.set(generationId, Date.now());
    const found = committed.flatMap((one) => this.#heardOne(one, membership, generationId));
    this.#wake();
    return found;
  }

  #heardOne(committed: CommittedOffset, membership: string, generationId: number): { intent: Intent; range: PartitionRange }[] {
    const { positions, logger, status } = this.#options;
    const { topic, partition: id, metadata } = committed;
    const partition = { topic, partition: id };
    const offset = Number(committed.offset);
    const known = this.#records.get(partitionKey(partition));
    if (known?.membership === membership) return [];
    if (offset < 0 && (known?.offset ?? -1) >= 0) {
      const text = `The group has no committed offset for ${topic}[${id}] any more, it was ${known?.offset}: the group was deleted, or its offsets expired`;
      if (status.exception(text)) logger.error({ ...partition, committed: known?.offset }, text);
    }
    const intents = readIntents(metadata);
    if (intents === undefined) logger.warn({ ...partition, metadata }, 'the metadata of the committed offset cannot be read');
    this.#records.set(partitionKey(partition), {
      partition,
      offset,
      metadata: intents?.length === 0 ? '' : metadata,
      membership,
      generationId,
    });
    positions.abandonUnrecorded(partition, (intent) => this.isRecorded(intent));
    positions.restarted(partition, offset);
    return (intents ?? []).flatMap((intent) =>
      intent.ranges
        .filter((range) => partitionKey(range) === partitionKey(partition) && range.next > offset && !positions.holds(range, intent))
        .map((range) => ({ intent, range: { ...range, first: Math.max(range.first, offset) } })),
    );
  }

  /** The partition's offsets begin anew: what Kafka has for it is written over. */
  reset(partition: TopicPartition): void {
    const record = this.#records.get(partitionKey(partition));
    if (record !== undefined) this.#records.set(partitionKey(partition), { ...record, metadata: undefined });
  }

  /** Commits what has changed. What fails is tried again a moment later. Never rejects. */
  flush(): Promise<void> {
    this.#queued ??= this.#running.then(async () => {
      this.#queued = undefined;
      await this.#commit();
    });
    this.#running = this.#queued;
    return this.#queued;
  }

  /** Commits what has changed with whatever comes next, or in a moment: one commit a batch while batches follow each other. */
  flushSoon(): void {
    this.#soon ??= setTimeout(() => void this.flush(), SOON_MS);
  }

  #enter(intent: Intent, isRecorded: boolean): Entry {
    const generations = new Set(intent.ranges.map((range) => this.#ownerOf(range)?.generationId));
    const entry = { intent, generationId: generations.size === 1 ? [...generations][0] : undefined, isRecorded };
    this.#entries.set(intent.id, entry);
    return entry;
  }

  /** Throws `IntentRefused`. */
  #isSettled(entry: Entry): boolean {
    const { intent, isRecorded, generationId } = entry;
    const owners = intent.ranges.map((range) => ({ range, owner: this.#ownerOf(range) }));
    if (!isRecorded) {
      if (this.#entries.get(intent.id) !== entry) throw new IntentRefused('what it is about is not to be delivered here any more');
      if (this.#isTooLong(intent))
        throw new IntentRefused('the brokers take less metadata with an offset: its messages go in smaller batches');
      if (generationId !== undefined && owners.every(({ owner }) => owner?.generationId === generationId)) return false;
      throw new IntentRefused('the group was rebalanced before Kafka knew of the batch');
    }
    const heard = owners.filter(({ range, owner }) => this.#recordOf(range, owner) !== undefined);
    const one = heard.find(({ range }) => this.#carries(range, intent));
    if (one?.owner?.generationId === undefined) {
      if (heard.length < owners.filter(({ owner }) => owner !== undefined).length) return false;
      throw new IntentRefused('the partitions of the batch are somebody else’s by now');
    }
    const current = one.owner.generationId;
    // The clock may have been set back meanwhile.
    if (Math.abs(Date.now() - (this.#believedAtMs.get(current) ?? 0)) < BELIEVED_MS) return true;
    this.#doubted.add(current);
    return false;
  }

  #carries(partition: TopicPartition, { id }: Intent): boolean {
    const metadata = this.#records.get(partitionKey(partition))?.metadata;
    return metadata === undefined || (readIntents(metadata)?.some((intent) => intent.id === id) ?? false);
  }

  async #commit(): Promise<void> {
    const { positions } = this.#options;
    clearTimeout(this.#soon);
    this.#soon = undefined;
    // What Kafka does not know yet of a partition that is ours, this commit is to say: without it the batch would be taken out of the record and read again.
    positions.expire(FORGET_MS, (partition, isCommitDue) => !isCommitDue || this.#ownerOf(partition) === undefined);
    const open = new Set(positions.all().flatMap(({ intents }) => intents.map(({ id }) => id)));
    for (const id of this.#entries.keys()) if (!open.has(id)) this.#entries.delete(id);
    for (const [generationId, changes] of this.#changes()) {
      const committer = [...this.#options.consumers()].find((consumer) => consumer.generationId === generationId);
      if (committer !== undefined) await this.#commitThrough(committer, generationId, changes);
    }
  }

  async #commitThrough(committer: GroupConsumer, generationId: number, changes: readonly Change[]): Promise<void> {
    const { status, logger, positions } = this.#options;
    const startedAtMs = Date.now();
    try {
      await committer.commit(changes.map(({ offset }) => offset));
    } catch (error) {
      for (const { record } of changes) this.#note(record, { metadata: undefined });
      if (isMetadataTooLarge(error)) this.#metadataBytes = Math.max(LEAST_METADATA_BYTES, Math.floor(this.#metadataBytes / 2));
      // A rebalance is the usual reason: then the next generation goes on from what Kafka has.
      logger.warn({ err: error }, 'offsets not committed yet');
      status.exception(`Cannot commit offsets: ${error instanceof Error ? error.message : String(error)}`);
      this.#later();
      return;
    }
    this.#doubted.delete(generationId);
    this.#believedAtMs.set(generationId, startedAtMs);
    for (const { record, offset } of changes) {
      this.#note(record, { offset: Number(offset.offset), metadata: offset.metadata ?? '' });
      positions.committed(record.partition, Number(offset.offset));
    }
    status.committed();
    const now = new Set(changes.flatMap(({ intents }) => intents.map(({ id }) => id)));
    for (const entry of this.#entries.values()) if (now.has(entry.intent.id)) entry.isRecorded = true;
    this.#wake();
  }

  #note(record: KafkaRecord, change: Partial<KafkaRecord>): void {
    const key = partitionKey(record.partition);
    if (this.#records.get(key)?.membership === record.membership) this.#records.set(key, { ...record, ...change });
  }

  /** What has to be committed, by generation. */
  #changes(): Map<number, Change[]> {
    const positions = new Map(this.#options.positions.all().map((position) => [partitionKey(position.partition), position]));
    const isFitting = this.#fitting(positions);
    const changes = new Map<number, Change[]>();
    for (const [key, record] of this.#records) {
      const position = positions.get(key);
      const current = this.#recordOf(record.partition, this.#ownerOf(record.partition));
      if (current === undefined) continue;
      const intents = position?.intents.filter(isFitting) ?? [];
      const offset = { ...record.partition, offset: BigInt(position?.next ?? record.offset), metadata: printIntents(intents) };
      const isSame = Number(offset.offset) === record.offset && offset.metadata === record.metadata;
      if (offset.offset < 0n || (isSame && !this.#doubted.has(record.generationId))) continue;
      const ofGeneration = changes.get(record.generationId) ?? [];
      changes.set(record.generationId, [...ofGeneration, { record, offset, intents }]);
    }
    return changes;
  }

  /** Intents that stand in Kafka's record, or may: an intent waits for older ones to be finished when the metadata of one of its partitions would be too long. */
  #fitting(positions: ReadonlyMap<string, Position>): (intent: Intent) => boolean {
    const used = new Map<string, number>();
    const fitting = new Set<string>();
    for (const { intent, isRecorded, generationId } of this.#entries.values()) {
      const bytes = printIntents([intent]).length;
      const keys = intent.ranges.map(partitionKey).filter((key) => positions.has(key));
      const isInPlace = generationId !== undefined && intent.ranges.every((range) => this.#isOfGeneration(range, generationId));
      const isOnly = intent.ranges.length === 1 && !keys.some((key) => used.has(key));
      const hasRoom = isOnly || keys.every((key) => (used.get(key) ?? 0) + bytes <= this.#metadataBytes);
      if (!isRecorded && !(isInPlace && hasRoom)) continue;
      fitting.add(intent.id);
      for (const key of keys) used.set(key, (used.get(key) ?? 0) + bytes);
    }
    return ({ id }) => fitting.has(id);
  }

  /** It has to be made smaller: one of a single range cannot be, and is tried until the brokers take it. */
  #isTooLong(intent: Intent): boolean {
    return intent.ranges.length > 1 && printIntents([intent]).length > this.#metadataBytes;
  }

  #isOfGeneration(partition: TopicPartition, generationId: number): boolean {
    return this.#recordOf(partition, this.#ownerOf(partition))?.generationId === generationId;
  }

  /** The consumer of the newest generation: one before it may have been put out of the group without having heard of it yet. */
  #ownerOf(partition: TopicPartition): GroupConsumer | undefined {
    const owners = [...this.#options.consumers()].filter((consumer) => consumer.isAssigned(partition));
    return owners.sort((one, other) => (other.generationId ?? -1) - (one.generationId ?? -1))[0];
  }

  /** What Kafka has, if it was heard by its present owner in the present generation. */
  #recordOf(partition: TopicPartition, owner: GroupConsumer | undefined): KafkaRecord | undefined {
    const record = this.#records.get(partitionKey(partition));
    return owner !== undefined && record?.membership === membershipOf(owner) ? record : undefined;
  }

  #later(): void {
    this.#retry ??= pause(COMMIT_RETRY_MS, this.#options.stopping).then(async () => {
      this.#retry = undefined;
      if (!this.#options.stopping.aborted) await this.flush();
    });
  }

  #wake(): void {
    this.#changed.abort();
    this.#changed = new AbortController();
  }
}

/** For what stands around the intents. */
const MARGIN_BYTES = 48;

function isMetadataTooLarge(error: unknown): boolean {
  return (error as { cause?: { type?: unknown } }).cause?.type === 'OFFSET_METADATA_TOO_LARGE';
}

function membershipOf({ memberId, generationId }: GroupConsumer): string | undefined {
  return generationId === undefined ? undefined : `${memberId}@${generationId}`;
}
