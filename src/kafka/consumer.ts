import type { Cluster, Consumer, EachBatchPayload } from 'kafkajs';
import type { Logger } from '../logger.ts';
import { within } from '../pauses.ts';
import { partitionAssigners } from './assigners.ts';
import { createKafkaClient, type KafkaClient } from './client.ts';
import { describeKafkaError, KafkaError } from './errors.ts';
import { Membership } from './membership.ts';
import { handOutRecordSets, type OutOfRange, type RecordSetMessage } from './raw-fetch.ts';
import { readRecordSetInPieces, RecordBatchError } from './record-batches.ts';
import type { CommitOffset, ConsumerHandlers, ConsumerOptions, FetchControl, GroupConsumer, TopicPartition } from './types.ts';

/** kafkajs' clusters know what they read as committed; its types do not say so. */
type OffsetsCluster = Cluster & { committedOffsets(group: { groupId: string }): Record<string, Record<number, string> | undefined> };

/** A failing fetch or join is tried again for about ten seconds before `onCrash`. */
const RETRY = {
  retries: 5,
  initialRetryTime: 300,
  multiplier: 2,
  maxRetryTime: 3000,
  restartOnFailure: async () => Promise.resolve(false),
};

/** Decompressed bytes of one partition held at a time: what is handed on together. A fetch is limited in compressed bytes, of which some become hundreds. */
const PIECE_BYTES = 4 * 1024 * 1024;

const LEAVE_WITHIN_MS = 4000;
const DISCONNECT_WITHIN_MS = 2000;

/**
 * One member of a consumer group that reads whole record batches, read_committed unless told otherwise, from `startsAt` where nothing is committed.
 * Nothing is committed but by `commit`. Every topic must exist. See `GroupConsumer` and `ConsumerHandlers` for the contract.
 */
export function createGroupConsumer(options: ConsumerOptions, handlers: ConsumerHandlers, logger: Logger): GroupConsumer {
  return new KafkajsGroupConsumer(options, handlers, logger);
}

class KafkajsGroupConsumer implements GroupConsumer {
  readonly #options: ConsumerOptions;
  readonly #handlers: ConsumerHandlers;
  readonly #logger: Logger;
  readonly #client: KafkaClient;
  readonly #consumer: Consumer;
  readonly #cluster: OffsetsCluster;
  readonly #membership: Membership;
  #state: 'new' | 'starting' | 'running' | 'stopped' = 'new';
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #crash: Error | undefined;
  /** Counts joins, ours alone: what was fetched in an older one must not move a position of a newer one. */
  #generation = 0;
  #assigned = new Map<string, TopicPartition>();
  readonly #generationOfFetch = new Map<string, number>();
  /** Partitions sought in this generation, and those where kafkajs may still hold a seek of an older one. */
  readonly #sought = new Map<string, TopicPartition>();
  readonly #staleSeeks = new Map<string, TopicPartition>();

  constructor(options: ConsumerOptions, handlers: ConsumerHandlers, logger: Logger) {
    this.#options = options;
    this.#handlers = handlers;
    this.#logger = logger.child({ group: options.groupId });
    this.#client = createKafkaClient(options, this.#logger);
    const { consumer, cluster } = createConsumer(this.#client, options);
    this.#consumer = consumer;
    this.#cluster = cluster;
    this.#membership = new Membership(cluster, {
      groupId: options.groupId,
      ownerId: options.ownerId,
      openCluster: () => createConsumer(this.#client, options).cluster,
      onCommitted: (committed) => this.#handlers.onCommitted?.(committed),
    });
    handOutRecordSets(cluster, this.#client.openFetchSocket, {
      generation: (nodeId) => this.#generationOfFetch.get(nodeId) ?? 0,
      onOutOfRange: async (partitions) => this.#restartAtEarliest(partitions),
    });
    this.#listen();
  }

  get memberId(): string {
    return this.#membership.memberId;
  }

  get generationId(): number | undefined {
    return this.#membership.generationId;
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') throw new Error('a consumer starts once');
    this.#state = 'starting';
    this.#starting = this.#join();
    try {
      await this.#starting;
    } catch (error) {
      await this.stop();
      throw new KafkaError(error);
    }
  }

  async #join(): Promise<void> {
    await this.#consumer.connect();
    for (const topic of this.#options.topics) await this.#subscribe(topic);
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 1,
      eachBatch: async (payload) => this.#onBatch(payload),
    });
    // `run` resolves also when joining failed; then the crash was reported.
    if (this.#crash !== undefined) throw this.#crash;
    if (this.#state === 'starting') this.#state = 'running';
  }

  async #subscribe(topic: string): Promise<void> {
    try {
      await this.#consumer.subscribe({ topics: [topic], fromBeginning: this.#options.startsAt !== 'latest' });
    } catch (error) {
      throw new KafkaError(error, `Subscribed topic not available: ${topic}: `);
    }
  }

  async stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const wasStarting = this.#state === 'starting';
    this.#state = 'stopped';
    this.#client.expectFailures();
    const disconnect = async (): Promise<void> => ignoreFailure(this.#consumer.disconnect());
    // A running kafkajs stops to fetch and then waits for all handlers, which we do not; a starting one cuts at once, unable to say good-bye.
    const disconnected = wasStarting ? undefined : disconnect();
    await within(LEAVE_WITHIN_MS, ignoreFailure(this.#membership.leave()));
    await within(DISCONNECT_WITHIN_MS, disconnected ?? disconnect());
    this.#client.cut();
    this.#assigned.clear();
  }

  async commit(offsets: readonly CommitOffset[]): Promise<void> {
    if (offsets.length === 0) return;
    try {
      await this.#membership.commit(offsets);
    } catch (error) {
      throw new KafkaError(error);
    }
  }

  seek(partition: TopicPartition, offset: bigint): void {
    if (this.#state === 'stopped') return;
    this.#sought.set(keyOf(partition), partition);
    this.#staleSeeks.delete(keyOf(partition));
    this.#consumer.seek({ ...partition, offset: String(offset) });
  }

  pause(partitions: readonly TopicPartition[]): void {
    if (this.#state !== 'stopped') this.#consumer.pause(partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] })));
  }

  resume(partitions: readonly TopicPartition[]): void {
    if (this.#state !== 'stopped') this.#consumer.resume(partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] })));
  }

  isAssigned(partition: TopicPartition): boolean {
    return this.#assigned.has(keyOf(partition));
  }

  #listen(): void {
    const { events } = this.#consumer;
    this.#consumer.on(events.GROUP_JOIN, ({ payload }) => {
      this.#onJoin(payload.memberAssignment);
    });
    this.#consumer.on(events.FETCH_START, ({ payload }) => {
      this.#generationOfFetch.set(String(payload.nodeId), this.#generation);
    });
    this.#consumer.on(events.FETCH, () => {
      this.#undoStaleSeeks();
    });
    this.#consumer.on(events.CRASH, ({ payload }) => {
      this.#onCrash(payload.error);
    });
  }

  #onJoin(assignment: Readonly<Record<string, readonly number[]>>): void {
    this.#generation += 1;
    this.#membership.begin();
    const partitions = Object.entries(assignment).flatMap(([topic, ids]) => ids.map((partition) => ({ topic, partition })));
    this.#assigned = new Map(partitions.map((partition) => [keyOf(partition), partition]));
    for (const [key, partition] of this.#sought) this.#staleSeeks.set(key, partition);
    this.#sought.clear();
    this.#handlers.onAssigned(partitions, this.#membership.isSoleOwner);
  }

  /**
   * kafkajs keeps a seek that no fetch has used yet, also when the group rebalances in between: the new generation would begin at the
   * sought offset and skip what was read before it and never committed. The first fetch of a generation has loaded the committed offsets:
   * go there. (When there was no seek left, this costs one fetch.)
   */
  #undoStaleSeeks(): void {
    for (const [key, partition] of this.#staleSeeks) {
      const committed = this.#cluster.committedOffsets(this.#options)[partition.topic]?.[partition.partition];
      if (!this.#assigned.has(key) || committed === undefined) continue;
      this.#staleSeeks.delete(key);
      this.#consumer.seek({ ...partition, offset: committed });
    }
  }

  #onCrash(error: Error): void {
    if (this.#crash !== undefined) return;
    this.#crash = error;
    this.#membership.end();
    const wasRunning = this.#state === 'running';
    if (this.#state !== 'stopped') this.#logger.warn({ detail: describeKafkaError(error) }, 'consumer died');
    if (!wasRunning) return;
    this.#assigned.clear();
    void this.stop();
    this.#handlers.onCrash(new KafkaError(error));
  }

  async #onBatch(payload: EachBatchPayload): Promise<void> {
    try {
      await this.#takeBatch(payload);
    } catch (error) {
      if (!(error instanceof RecordBatchError)) throw error;
      const { topic, partition, offset } = error;
      if (this.#isRunning(payload)) this.#handlers.onUnreadable({ topic, partition }, offset, error);
    }
  }

  async #takeBatch(payload: EachBatchPayload): Promise<void> {
    const [message] = payload.batch.messages as unknown as readonly RecordSetMessage[];
    if (message === undefined) return;
    const { generation, recordSet } = message;
    const isStale = (): boolean => payload.isStale() || generation !== this.#generation;
    if (isStale() || !this.#isRunning(payload)) return;
    const { topic, partition } = recordSet;
    const control: FetchControl = { heartbeat: async () => payload.heartbeat(), isStale, isRunning: () => this.#isRunning(payload) };
    const highWatermark = Number(payload.batch.highWatermark);
    let fromOffset = recordSet.fetchOffset;
    for (const { batches, nextOffset } of readRecordSetInPieces(recordSet, PIECE_BYTES)) {
      if (nextOffset === fromOffset) return;
      let position = fromOffset;
      try {
        position = await this.#handlers.onFetched({ topic, partition, batches, fromOffset, nextOffset, highWatermark }, control);
      } finally {
        // Whoever gave up half-way may still have the rest in its hands, such as an INSERT under way.
        if (position !== nextOffset) message.keepBytes();
      }
      if (generation === this.#generation) payload.resolveOffset(String(position - 1));
      if (position !== nextOffset || isStale() || !this.#isRunning(payload)) return;
      fromOffset = nextOffset;
    }
  }

  #isRunning(payload: EachBatchPayload): boolean {
    return this.#state !== 'stopped' && payload.isRunning();
  }

  async #restartAtEarliest(partitions: readonly OutOfRange[]): Promise<void> {
    for (const { topic, partition, offset: from } of partitions) {
      const [answer] = await this.#cluster.fetchTopicsOffset([{ topic, partitions: [{ partition }], fromBeginning: true }]);
      const to = BigInt(answer?.partitions[0]?.offset ?? 0);
      this.seek({ topic, partition }, to);
      this.#logger.warn(
        { topic, partition, offset: String(from), earliest: String(to) },
        'offset out of range, restarting at the earliest',
      );
      this.#handlers.onOffsetReset?.({ topic, partition }, from, to);
    }
  }
}

function createConsumer(
  { kafka, readsUncommitted }: KafkaClient,
  options: ConsumerOptions,
): { consumer: Consumer; cluster: OffsetsCluster } {
  let cluster: Cluster | undefined;
  const consumer = kafka.consumer({
    groupId: options.groupId,
    sessionTimeout: options.sessionTimeoutMs,
    heartbeatInterval: options.heartbeatIntervalMs,
    rebalanceTimeout: options.rebalanceTimeoutMs,
    maxBytesPerPartition: options.maxBytesPerPartition,
    maxBytes: options.maxBytes,
    ...(options.minBytes !== undefined && { minBytes: options.minBytes }),
    readUncommitted: readsUncommitted,
    maxWaitTimeInMs: options.maxWaitMs,
    metadataMaxAge: options.metadataMaxAgeMs,
    allowAutoTopicCreation: false,
    retry: RETRY,
    partitionAssigners: partitionAssigners(options.ownerId).map((createAssigner) => (config) => {
      cluster = config.cluster;
      return createAssigner(config);
    }),
  });
  if (cluster === undefined) throw new Error('kafkajs created a consumer without its partition assigners');
  return { consumer, cluster: cluster as OffsetsCluster };
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition}:${topic}`;
}

async function ignoreFailure(work: Promise<void> | undefined): Promise<void> {
  try {
    await work;
  } catch {
    // The consumer goes away either way.
  }
}
