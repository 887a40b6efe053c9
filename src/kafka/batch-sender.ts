import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from 'kafkajs';
import type { CompressionName } from './codecs.ts';
import { compress } from './compress.ts';
import { withTimeout } from './coordinator.ts';
import { innermost } from './errors.ts';
import { OutgoingBatch, PartitionQueue, type ProducerIdentity } from './partition-queue.ts';
import { NoAnswer, ANSWER_WITHIN_MS, patienceMs, produceError, type FailedAt, type KafkaProduceError } from './produce-errors.ts';
import {
  PRODUCE_VERSIONS,
  readProduceAnswer,
  writeProduceRequest,
  ZSTD_PRODUCE_VERSION,
  type ProduceAnswer,
  type ProduceResult,
} from './produce-request.ts';
import {
  brokerError,
  DUPLICATE_SEQUENCE_NUMBER,
  MESSAGE_TOO_LARGE,
  UNKNOWN_TOPIC,
  UNSUPPORTED_COMPRESSION_TYPE,
  UNSUPPORTED_VERSION,
} from './protocol-errors.ts';
import { newestVersion, openConnection, type OpenConnection } from './raw-request.ts';
import type { WrittenRecords } from './record-batch-writer.ts';
import { giveBuffer } from './spare-buffers.ts';
import type { TopicPartition } from './types.ts';

export interface BatchSenderOptions {
  readonly cluster: Cluster;
  readonly producer: ProducerIdentity;
  readonly compression: { readonly codec: CompressionName; readonly level?: number };
  /** Makes partitions part of the transaction; nothing is sent to them before. */
  readonly addPartitions: (partitions: readonly TopicPartition[]) => Promise<void>;
  /** When it is aborted, nothing is tried again. */
  readonly signal: AbortSignal;
}

/** Batches that wait or are in flight, of all partitions, before compression. */
const MOST_BUFFERED_BYTES = 8 << 20;
/** A request is closed when it has so much. */
const REQUEST_BYTES = 1 << 20;
/** So many batches of a partition a broker can tell apart from repeated ones. */
const REQUESTS_IN_FLIGHT = 5;
/** Brokers close the connection when a request is larger (`socket.request.max.bytes`), without a word why. */
const LARGEST_REQUEST_BYTES = 100 << 20;
const REPLICATION_TIMEOUT_MS = 10_000;
const RETRY_DELAY_MS = 100;

const PRODUCE = 0;

/** One broker that partitions are sent to. */
interface Leader {
  readonly nodeId: string;
  inFlight: number;
  /** The last request is written: requests are written in the order in which they were made. */
  written: Promise<unknown>;
}

interface Sent {
  readonly queue: PartitionQueue;
  readonly batch: OutgoingBatch;
}

/**
 * Sends the record batches of a transactional producer: in order within a partition, several at a time, again when a leader moves or a connection fails, each at
 * most once in the log by its sequence number. The first failure that does not pass ends it for good: from then on everything rejects with that.
 */
export class BatchSender {
  readonly #options: BatchSenderOptions;
  readonly #queues = new Map<string, PartitionQueue>();
  readonly #leaders = new Map<string, Leader>();
  #bufferedBytes = 0;
  #failure: KafkaProduceError | undefined;
  #isAdding = false;
  #isRecovering = false;
  #isScheduled = false;
  #waiters: (() => void)[] = [];

  constructor(options: BatchSenderOptions) {
    this.#options = options;
  }

  get failure(): KafkaProduceError | undefined {
    return this.#failure;
  }

  /** A new transaction: no partition is part of it yet. */
  begin(): void {
    for (const queue of this.#queues.values()) queue.isAdded = false;
  }

  /** Takes the records; resolves when there is room for more. */
  async send(at: TopicPartition, written: WrittenRecords): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const batch = new OutgoingBatch(written);
    this.#bufferedBytes += written.records.length;
    this.#queueOf(at).waiting.push(batch);
    if (written.records.length > LARGEST_REQUEST_BYTES)
      this.fail(produceError(brokerError(MESSAGE_TOO_LARGE), { ...at, recordCount: written.recordCount }));
    void this.#compress(batch, written.records);
    await this.#until(() => this.#bufferedBytes <= MOST_BUFFERED_BYTES);
  }

  /** Resolves when every batch is acknowledged by all replicas in sync. */
  async drain(): Promise<void> {
    await this.#until(() => this.#bufferedBytes === 0);
  }

  /** What was not sent yet is dropped; resolves when nothing is in flight. The sender has failed when there was either. */
  async drop(): Promise<void> {
    if (this.#bufferedBytes > 0) this.fail(produceError(new Error('the transaction was aborted')));
    while ([...this.#leaders.values()].some(({ inFlight }) => inFlight > 0)) await this.#change();
  }

  /** From now on everything rejects with this, unless it does already. */
  fail(error: KafkaProduceError): void {
    this.#failure ??= error;
    for (const queue of this.#queues.values()) queue.waiting.length = 0;
    this.#changed();
  }

  #queueOf(at: TopicPartition): PartitionQueue {
    const key = keyOf(at);
    const known = this.#queues.get(key);
    if (known !== undefined) return known;
    const queue = new PartitionQueue(at);
    this.#queues.set(key, queue);
    return queue;
  }

  async #until(holds: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (holds()) return;
      await this.#change();
    }
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  #changed(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  async #compress(batch: OutgoingBatch, records: Buffer): Promise<void> {
    const { codec, level } = this.#options.compression;
    try {
      batch.records = await compress(codec, records, level);
      if (batch.records !== records) giveBuffer(records);
      this.#schedule();
    } catch (error) {
      this.fail(produceError(error));
    }
  }

  /** Looks for what can be sent once all that happens now has happened, so that batches for one broker go together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#failure !== undefined) return;
      void this.#addPartitions();
      this.#sendReady();
    });
  }

  async #addPartitions(): Promise<void> {
    const added = [...this.#queues.values()].filter(({ isAdded, isIdle }) => !isAdded && !isIdle);
    if (this.#isAdding || added.length === 0) return;
    this.#isAdding = true;
    try {
      await this.#options.addPartitions(added);
      for (const queue of added) queue.isAdded = true;
      this.#schedule();
    } catch (error) {
      this.fail(produceError(error));
    } finally {
      this.#isAdding = false;
    }
  }

  #sendReady(): void {
    for (;;) {
      const ready = new Map<Leader, PartitionQueue[]>();
      for (const queue of this.#queues.values()) {
        const leader = queue.isReady ? this.#leaderOf(queue) : undefined;
        if (leader === undefined || leader.inFlight >= REQUESTS_IN_FLIGHT) continue;
        const others = ready.get(leader);
        if (others === undefined) ready.set(leader, [queue]);
        else others.push(queue);
      }
      if (ready.size === 0) return;
      for (const [leader, queues] of ready) void this.#sendTo(leader, this.#takeFrom(queues));
    }
  }

  #leaderOf(queue: PartitionQueue): Leader | undefined {
    try {
      queue.leader ??= Object.keys(this.#options.cluster.findLeaderForPartitions(queue.topic, [queue.partition]))[0];
      if (queue.leader === undefined) throw brokerError(UNKNOWN_TOPIC);
    } catch (error) {
      this.#hold(queue, error);
      return undefined;
    }
    let leader = this.#leaders.get(queue.leader);
    if (leader === undefined) this.#leaders.set(queue.leader, (leader = { nodeId: queue.leader, inFlight: 0, written: Promise.resolve() }));
    return leader;
  }

  /** At most one batch of each partition, until the request is large enough. */
  #takeFrom(queues: readonly PartitionQueue[]): Sent[] {
    const sent: Sent[] = [];
    let bytes = 0;
    for (const queue of queues) {
      const batch = queue.next(this.#options.producer, this.#options.compression.codec);
      sent.push({ queue, batch });
      bytes += batch.records?.length ?? 0;
      if (bytes >= REQUEST_BYTES) break;
    }
    return sent;
  }

  /** Never rejects. */
  async #sendTo(leader: Leader, sent: readonly Sent[]): Promise<void> {
    leader.inFlight += 1;
    try {
      const { results } = await withTimeout(this.#produce(leader, sent), ANSWER_WITHIN_MS);
      const byKey = new Map(results.map((result) => [keyOf(result), result]));
      for (const one of sent) this.#settle(one, byKey.get(keyOf(one.queue)));
    } catch (error) {
      // Whether the old connection's requests are still to be handled would not be known.
      if (error instanceof NoAnswer) this.fail(produceError(error));
      for (const { queue, batch } of sent) this.#giveBack(queue, batch, error);
    } finally {
      leader.inFlight -= 1;
      this.#changed();
      this.#schedule();
    }
  }

  async #produce(leader: Leader, sent: readonly Sent[]): Promise<ProduceAnswer> {
    const batches = sent.map(({ queue: { topic, partition }, batch: { header, records } }) => {
      if (header === undefined || records === undefined) throw new Error('a batch was sent before it was ready');
      return { topic, partition, parts: [header, records] };
    });
    const { transactionalId } = this.#options.producer;
    const body = writeProduceRequest(transactionalId, REPLICATION_TIMEOUT_MS, batches);
    const before = leader.written;
    // The promise of the answer is wrapped: the next request is to wait for the writing only.
    const writing = (async () => {
      await before;
      const connection = await this.#connect(leader);
      return { connection, answer: connection.send({ apiKey: PRODUCE, apiVersion: connection.version, apiName: 'Produce', body }) };
    })();
    leader.written = writing.catch(() => undefined);
    const { connection, answer } = await writing;
    const read = readProduceAnswer(connection.version, await answer);
    connection.throttle(read.throttleTimeMs);
    return read;
  }

  async #connect({ nodeId }: Leader): Promise<OpenConnection & { readonly version: number }> {
    const broker = await this.#options.cluster.findBroker({ nodeId });
    const version = Math.min(newestVersion(broker, PRODUCE), PRODUCE_VERSIONS.max);
    const least = this.#options.compression.codec === 'zstd' ? ZSTD_PRODUCE_VERSION : PRODUCE_VERSIONS.min;
    if (version < least) throw brokerError(version < PRODUCE_VERSIONS.min ? UNSUPPORTED_VERSION : UNSUPPORTED_COMPRESSION_TYPE);
    return { ...(await openConnection(broker)), version };
  }

  #settle({ queue, batch }: Sent, result: ProduceResult | undefined): void {
    if (result === undefined) {
      this.#giveBack(queue, batch, new Error(`the broker did not answer for topic ${queue.topic}, partition ${queue.partition}`));
    } else if (result.errorCode === 0 || result.errorCode === DUPLICATE_SEQUENCE_NUMBER) {
      queue.settle(batch, false);
      queue.failingSince = undefined;
      this.#bufferedBytes -= batch.bytes;
      if (this.#options.compression.codec === 'none' && batch.records !== undefined) giveBuffer(batch.records);
    } else this.#giveBack(queue, batch, brokerError(result.errorCode), result.errorMessage);
  }

  #giveBack(queue: PartitionQueue, batch: OutgoingBatch, error: unknown, detail = ''): void {
    const followsFailed = queue.hasFailedBefore(batch) && innermost(error).type === 'OUT_OF_ORDER_SEQUENCE_NUMBER';
    queue.settle(batch, true);
    if (!followsFailed) this.#hold(queue, error, { recordCount: batch.written.recordCount, detail });
  }

  /** Sends nothing more to the partition before everything about it was looked up again; or gives up. */
  #hold(queue: PartitionQueue, error: unknown, about: Pick<FailedAt, 'recordCount' | 'detail'> = {}): void {
    queue.isHeld = true;
    queue.failingSince ??= Date.now();
    if (Date.now() - queue.failingSince >= patienceMs(error))
      this.fail(produceError(error, { topic: queue.topic, partition: queue.partition, ...about }));
    else void this.#recover();
  }

  /** Never rejects. */
  async #recover(): Promise<void> {
    if (this.#isRecovering) return;
    this.#isRecovering = true;
    try {
      while (this.#failure === undefined && [...this.#queues.values()].some(({ isHeld }) => isHeld)) {
        await delay(RETRY_DELAY_MS, undefined, { signal: this.#options.signal });
        await this.#repeatHeld();
      }
    } catch (error) {
      this.fail(produceError(error));
    } finally {
      this.#isRecovering = false;
    }
  }

  async #repeatHeld(): Promise<void> {
    const held = [...this.#queues.values()].filter(({ isHeld, inFlight }) => isHeld && inFlight.length === 0);
    if (held.length === 0) return;
    try {
      await withTimeout(this.#options.cluster.refreshMetadata(), ANSWER_WITHIN_MS);
    } catch (error) {
      for (const queue of held) this.#hold(queue, error);
      return;
    }
    for (const queue of held) queue.repeat();
    this.#schedule();
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition}:${topic}`;
}
