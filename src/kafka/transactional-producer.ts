import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from 'kafkajs';
import type { Logger } from '../logger.ts';
import { BatchSender } from './batch-sender.ts';
import { createKafkaClient, type ClientOptions, type KafkaClient } from './client.ts';
import { createCluster } from './cluster.ts';
import type { CompressionName } from './codecs.ts';
import { Coordinator, GROUP, TRANSACTION, withTimeout } from './coordinator.ts';
import type { ProducerIdentity } from './partition-queue.ts';
import { ANSWER_WITHIN_MS, patienceMs, produceError } from './produce-errors.ts';
import { SentTransaction, type GroupPartition, type OpenTransaction } from './open-transaction.ts';
import type { CommittedOffset } from './types.ts';

export interface TransactionalProducerOptions extends ClientOptions {
  readonly transactionalId: string;
  /** The broker aborts a transaction that is open for longer. */
  readonly transactionTimeoutMs: number;
  /** `level`: see `COMPRESSION_LEVELS`. */
  readonly compression?: { readonly codec: CompressionName; readonly level?: number };
}

/** Everything rejects with `KafkaProduceError`. After a rejection of anything but `partitionCount` and `committed` a new producer is needed. */
export interface TransactionalProducer {
  /**
   * Connects and gets a producer id: an older producer of this `transactionalId` is fenced, and what it left open is aborted or, when its commit was decided,
   * completed. When it resolves, `committed` is final. Rejects within about ten seconds when no broker answers.
   */
  open(): Promise<void>;
  /** The number of the topic's partitions, a few seconds old at most. */
  partitionCount(topic: string): Promise<number>;
  /** What the group has committed; offset -1 and no metadata when there is nothing. */
  committed(at: GroupPartition): Promise<CommittedOffset>;
  /** One at a time: the last one was committed or aborted. */
  begin(): OpenTransaction;
  /** Aborts what is open. Never rejects, and resolves within a few seconds. Idempotent. */
  close(): Promise<void>;
}

/** Does not connect yet. */
export function createTransactionalProducer(options: TransactionalProducerOptions, logger: Logger): TransactionalProducer {
  return new KafkajsTransactionalProducer(options, logger);
}

const OPEN_WITHIN_MS = 10_000;
const CLOSE_WITHIN_MS = 3000;
const METADATA_AGE_MS = 5000;
const RETRY_DELAY_MS = 200;

interface Opened {
  readonly identity: ProducerIdentity;
  readonly sender: BatchSender;
}

class KafkajsTransactionalProducer implements TransactionalProducer {
  readonly #options: TransactionalProducerOptions;
  readonly #client: KafkaClient;
  readonly #cluster: Cluster;
  readonly #closing = new AbortController();
  readonly #coordinator: Coordinator;
  readonly #groups = new Map<string, Coordinator>();
  /** When each topic's metadata were read. */
  readonly #readAt = new Map<string, number>();
  #opened: Opened | undefined;
  #transaction: SentTransaction | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: TransactionalProducerOptions, logger: Logger) {
    this.#options = options;
    this.#client = createKafkaClient(options, logger);
    this.#cluster = createCluster(this.#client);
    this.#coordinator = new Coordinator(this.#cluster, TRANSACTION, options.transactionalId, this.#closing.signal);
  }

  async open(): Promise<void> {
    try {
      this.#opened = await withTimeout(this.#open(), OPEN_WITHIN_MS);
    } catch (error) {
      void this.close();
      throw produceError(error);
    }
  }

  async #open(): Promise<Opened> {
    await this.#cluster.connect();
    const { transactionalId, transactionTimeoutMs, compression = { codec: 'none' } } = this.#options;
    const request = { transactionalId, transactionTimeout: transactionTimeoutMs };
    const { producerId, producerEpoch } = await this.#coordinator.ask(async (broker) => broker.initProducerId(request), OPEN_WITHIN_MS);
    const identity = { transactionalId, producerId: BigInt(producerId), producerEpoch };
    const sender = new BatchSender({
      cluster: this.#cluster,
      producer: identity,
      compression,
      addPartitions: async (partitions) => this.#transaction?.addPartitions(partitions),
      signal: this.#closing.signal,
    });
    return { identity, sender };
  }

  async partitionCount(topic: string): Promise<number> {
    const startedAt = Date.now();
    for (;;) {
      try {
        await withTimeout(this.#readTopic(topic), ANSWER_WITHIN_MS);
        return this.#cluster.findTopicPartitionMetadata(topic).length;
      } catch (error) {
        if (this.#closing.signal.aborted || Date.now() - startedAt >= patienceMs(error)) throw produceError(error);
      }
      await delay(RETRY_DELAY_MS);
    }
  }

  async #readTopic(topic: string): Promise<void> {
    const readAt = this.#readAt.get(topic);
    if (readAt !== undefined && Date.now() - readAt < METADATA_AGE_MS) return;
    if (readAt === undefined) await this.#cluster.addTargetTopic(topic);
    else await this.#cluster.refreshMetadata();
    this.#readAt.set(topic, Date.now());
  }

  async committed({ topic, partition, groupId }: GroupPartition): Promise<CommittedOffset> {
    const request = { groupId, topics: [{ topic, partitions: [{ partition }] }] };
    try {
      const { responses } = await this.#group(groupId).ask(async (broker) => broker.offsetFetch(request), ANSWER_WITHIN_MS);
      const found = responses[0]?.partitions[0];
      return { topic, partition, offset: BigInt(found?.offset ?? -1), metadata: found?.metadata ?? '' };
    } catch (error) {
      throw produceError(error);
    }
  }

  begin(): OpenTransaction {
    const opened = this.#opened;
    if (opened === undefined) throw new Error('the producer is not open');
    if (opened.sender.failure !== undefined) throw opened.sender.failure;
    if (this.#transaction?.isOpen === true) throw new Error('the last transaction is still open');
    opened.sender.begin();
    this.#transaction = new SentTransaction({
      ...opened,
      timeoutMs: this.#options.transactionTimeoutMs,
      coordinator: this.#coordinator,
      group: (groupId) => this.#group(groupId),
      readTopic: async (topic) => this.partitionCount(topic),
    });
    return this.#transaction;
  }

  #group(groupId: string): Coordinator {
    let group = this.#groups.get(groupId);
    if (group === undefined) this.#groups.set(groupId, (group = new Coordinator(this.#cluster, GROUP, groupId, this.#closing.signal)));
    return group;
  }

  async close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#client.expectFailures();
    if (this.#transaction?.isOpen === true) await withTimeout(this.#transaction.abort(), CLOSE_WITHIN_MS).catch(() => undefined);
    this.#closing.abort(new Error('the client was closed'));
    this.#opened?.sender.fail(produceError(new Error('the client was closed')));
    this.#client.cut();
  }
}
