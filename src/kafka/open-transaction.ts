import type { BatchSender } from './batch-sender.ts';
import type { Asking, CoordinatingBroker, Coordinator } from './coordinator.ts';
import { innermost } from './errors.ts';
import type { ProducerIdentity } from './partition-queue.ts';
import { isAnswer, KafkaProduceError, ANSWER_WITHIN_MS, produceError } from './produce-errors.ts';
import type { RecordBatchWriter } from './record-batch-writer.ts';
import type { CommitOffset, TopicPartition } from './types.ts';

export type GroupPartition = TopicPartition & { readonly groupId: string };

export interface OpenTransaction {
  /**
   * Takes the writer's records, which is empty afterwards; they are compressed and sent later. At most some MiB wait: resolves when there is room for more, and the
   * writer may be used again at once. Rejects with what any batch of the transaction failed with.
   */
  send(topic: string, partition: number, batch: RecordBatchWriter): Promise<void>;
  /**
   * Resolves when all replicas in sync have everything, and messages and offset will be seen together. The group has no members. When it rejects, nothing will be
   * seen, or, with kind `unknown-outcome`, nobody knows: then `open` of a new producer and its `committed` tell.
   */
  commit(offset: CommitOffset & { readonly groupId: string }): Promise<void>;
  /** Nothing of it will be seen. Never rejects. */
  abort(): Promise<void>;
}

export interface SentTransactionOptions {
  readonly identity: ProducerIdentity;
  readonly sender: BatchSender;
  readonly coordinator: Coordinator;
  readonly group: (groupId: string) => Coordinator;
  /** Makes sure that the topic's leaders are known. */
  readonly readTopic: (topic: string) => Promise<unknown>;
  readonly timeoutMs: number;
}

const ABORT_WITHIN_MS = 5000;

/** The broker has said no, but it may have happened: what it writes may be replicated later than it waits for. */
const DOUBTFUL_ANSWERS: readonly unknown[] = [
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'REQUEST_TIMED_OUT',
  'CONCURRENT_TRANSACTIONS',
  'UNKNOWN',
];

export class SentTransaction implements OpenTransaction {
  readonly #options: SentTransactionOptions;
  readonly #beganAt = Date.now();
  readonly #topics = new Set<string>();
  #state: 'open' | 'committing' | 'ended' = 'open';
  /** The coordinator may know of it. */
  #isKnown = false;
  #isUncertain = false;

  constructor(options: SentTransactionOptions) {
    this.#options = options;
  }

  /** Neither committed nor aborted. */
  get isOpen(): boolean {
    return this.#state !== 'ended';
  }

  async send(topic: string, partition: number, batch: RecordBatchWriter): Promise<void> {
    if (this.#state !== 'open') throw new Error('the transaction has ended');
    if (batch.recordCount === 0) return;
    const written = batch.take();
    try {
      if (!this.#topics.has(topic)) await this.#options.readTopic(topic);
      this.#topics.add(topic);
      await this.#options.sender.send({ topic, partition }, written);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** For the sender, before it sends to them. */
  async addPartitions(partitions: readonly TopicPartition[]): Promise<void> {
    const topics = new Map<string, number[]>();
    for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition]);
    const request = { ...this.#asking, topics: [...topics].map(([topic, ids]) => ({ topic, partitions: ids })) };
    this.#isKnown = true;
    await this.#options.coordinator.ask(async (broker) => broker.addPartitionsToTxn(request), ANSWER_WITHIN_MS);
  }

  async commit({ groupId, topic, partition, offset, metadata = '' }: CommitOffset & { readonly groupId: string }): Promise<void> {
    if (this.#state !== 'open') throw new Error('the transaction has ended');
    this.#state = 'committing';
    const { sender, coordinator, group } = this.#options;
    const topics = [{ topic, partitions: [{ partition, offset: String(offset), metadata }] }];
    this.#isKnown = true;
    const commitOffset = async (): Promise<void> => {
      await coordinator.ask(async (broker) => broker.addOffsetsToTxn({ ...this.#asking, groupId }), ANSWER_WITHIN_MS);
      await group(groupId).ask(async (broker) => broker.txnOffsetCommit({ ...this.#asking, groupId, topics }), ANSWER_WITHIN_MS);
    };
    try {
      await Promise.all([sender.drain(), commitOffset()]);
      await coordinator.ask(async (broker) => this.#end(broker), ANSWER_WITHIN_MS);
      this.#state = 'ended';
    } catch (error) {
      const failure = this.#failed(error);
      sender.fail(failure);
      throw failure;
    }
  }

  async #end(broker: CoordinatingBroker): Promise<void> {
    // An attempt that nobody waits for any more must not come before the abort.
    if (this.#state !== 'committing') throw new Error('the transaction has ended');
    const wasUncertain = this.#isUncertain;
    this.#isUncertain = true;
    try {
      await broker.endTxn({ ...this.#asking, transactionResult: true });
    } catch (error) {
      if (isAnswer(error) && !DOUBTFUL_ANSWERS.includes(innermost(error).type)) this.#isUncertain = wasUncertain;
      throw error;
    }
  }

  async abort(): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    const { sender, coordinator } = this.#options;
    try {
      await sender.drop();
      if (!this.#isKnown || this.#isUncertain) return;
      await coordinator.ask(async (broker) => broker.endTxn({ ...this.#asking, transactionResult: false }), ABORT_WITHIN_MS);
    } catch (error) {
      // The next producer's `open` aborts it, or the coordinator when its time is over.
      sender.fail(produceError(error));
    }
  }

  #failed(error: unknown): KafkaProduceError {
    if (this.#isUncertain) return new KafkaProduceError('unknown-outcome', error);
    const failure = produceError(error);
    // A coordinator that aborts a transaction for its age fences the producer.
    const isTooOld = Date.now() - this.#beganAt >= this.#options.timeoutMs;
    return failure.kind === 'fenced' && isTooOld ? new KafkaProduceError('retriable', failure) : failure;
  }

  get #asking(): Asking {
    const { transactionalId, producerId, producerEpoch } = this.#options.identity;
    return { transactionalId, producerId: String(producerId), producerEpoch };
  }
}
