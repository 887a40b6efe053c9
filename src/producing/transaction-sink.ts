import type { PartitionerName } from '../engine/index.ts';
import { ANY_PARTITION, partitionOf, RecordBatchWriter, type OpenTransaction } from '../kafka/index.ts';
import type { MessageHeader, MessageSink } from './messages/index.ts';

export interface SinkOptions {
  readonly topic: string;
  readonly partitions: number;
  readonly partitioner: PartitionerName;
  /** A batch is sent when it has no room for another message. */
  readonly maxBatchBytes: number;
}

/** A message names a partition that the topic does not have. */
export class NoSuchPartition extends Error {
  override readonly name = 'NoSuchPartition';
}

interface FullBatch {
  readonly partition: number;
  readonly batch: RecordBatchWriter;
}

/**
 * Sorts messages into record batches, one open for each partition, and sends those that are full. Messages of one partition keep their order. Messages whose partition
 * does not matter go to one partition until a batch is full, then to another one.
 */
export class TransactionSink implements MessageSink {
  readonly #transaction: OpenTransaction;
  readonly #options: SinkOptions;
  readonly #open: (RecordBatchWriter | undefined)[];
  readonly #spare: RecordBatchWriter[] = [];
  #full: FullBatch[] = [];
  #anyPartition: number;
  readonly #nowMs = Date.now();
  messages = 0;

  constructor(transaction: OpenTransaction, options: SinkOptions) {
    this.#transaction = transaction;
    this.#options = options;
    this.#open = Array.from({ length: options.partitions }, () => undefined);
    this.#anyPartition = this.#randomPartition();
  }

  message(
    _partIndex: number,
    source: Buffer,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    timestampMs: number,
    partition: number,
    headers: readonly MessageHeader[] | undefined,
  ): void {
    const chosen = partition === -1 ? this.#choose(source, keyStart, keyEnd) : this.#checked(partition);
    const atMs = timestampMs === -1 ? this.#nowMs : timestampMs;
    this.messages += 1;
    if (this.#writerOf(chosen).append(source, keyStart, keyEnd, valueStart, valueEnd, atMs, headers)) return;
    this.#setAside(chosen);
    this.#writerOf(chosen).append(source, keyStart, keyEnd, valueStart, valueEnd, atMs, headers);
  }

  async drained(): Promise<void> {
    const full = this.#full;
    if (full.length === 0) return;
    this.#full = [];
    for (const { partition, batch } of full) {
      await this.#transaction.send(this.#options.topic, partition, batch);
      this.#spare.push(batch);
    }
  }

  /** Sends what is left. */
  async end(): Promise<void> {
    for (let partition = 0; partition < this.#open.length; partition++) if (this.#open[partition] !== undefined) this.#setAside(partition);
    await this.drained();
  }

  #choose(source: Buffer, keyStart: number, keyEnd: number): number {
    const { partitioner, partitions } = this.#options;
    const chosen = partitionOf(partitioner, source, keyStart, keyEnd, partitions);
    return chosen === ANY_PARTITION ? this.#anyPartition : chosen;
  }

  #checked(partition: number): number {
    const { topic, partitions } = this.#options;
    if (partition >= 0 && partition < partitions) return partition;
    throw new NoSuchPartition(
      `Local: Unknown partition: a row has _partition = ${partition}, and topic ${topic} has partitions 0 to ${partitions - 1}`,
    );
  }

  #writerOf(partition: number): RecordBatchWriter {
    return (this.#open[partition] ??= this.#spare.pop() ?? new RecordBatchWriter(this.#options.maxBatchBytes));
  }

  #setAside(partition: number): void {
    const batch = this.#open[partition];
    if (batch === undefined) return;
    this.#open[partition] = undefined;
    this.#full.push({ partition, batch });
    if (partition === this.#anyPartition) this.#anyPartition = this.#randomPartition();
  }

  #randomPartition(): number {
    return Math.floor(Math.random() * this.#options.partitions);
  }
}
