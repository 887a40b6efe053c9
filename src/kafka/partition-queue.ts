import { crc32c } from '@node-rs/crc32';
import { COMPRESSION_NAMES, type CompressionName } from './codecs.ts';
import * as layout from './record-batch-layout.ts';
import type { WrittenRecords } from './record-batch-writer.ts';
import type { TopicPartition } from './types.ts';

/** Who writes: what InitProducerId answered. */
export interface ProducerIdentity {
  readonly transactionalId: string;
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** One record batch on its way. */
export class OutgoingBatch {
  readonly written: Omit<WrittenRecords, 'records'>;
  /** Before compression. */
  readonly bytes: number;
  /** As they go over the wire; undefined as long as they are being compressed. */
  records: Buffer | undefined;
  /** Made when it is sent for the first time, and the same ever after: its sequence number tells the broker that it comes again. */
  header: Buffer | undefined;

  constructor(written: WrittenRecords) {
    this.written = written;
    this.bytes = written.records.length;
  }
}

const SEQUENCES = 0x8000_0000;

/** The batches of one partition, in their order: those that wait, then those that are being sent. */
export class PartitionQueue implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly waiting: OutgoingBatch[] = [];
  readonly inFlight: OutgoingBatch[] = [];
  /** Came back, to be sent again when nothing is in flight any more. */
  readonly failed: OutgoingBatch[] = [];
  /** The transaction's coordinator knows of the partition. */
  isAdded = false;
  /** The broker that leads the partition, once it is known. */
  leader: string | undefined;
  /** Nothing is sent before `repeat`. */
  isHeld = false;
  /** When sending first failed since it last succeeded. */
  failingSince: number | undefined;
  #nextSequence = 0;

  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic;
    this.partition = partition;
  }

  get isIdle(): boolean {
    return this.waiting.length + this.inFlight.length + this.failed.length === 0;
  }

  /** Whether the next batch may be sent now. */
  get isReady(): boolean {
    return this.isAdded && !this.isHeld && this.waiting[0]?.records !== undefined;
  }

  /** Takes the next batch to be sent, with its header. */
  next(producer: ProducerIdentity, compression: CompressionName): OutgoingBatch {
    const batch = this.waiting.shift();
    if (batch?.records === undefined) throw new Error('no batch is ready');
    if (batch.header === undefined) {
      batch.header = headerOf(batch.written, batch.records, producer, this.#nextSequence, compression);
      this.#nextSequence = (this.#nextSequence + batch.written.recordCount) % SEQUENCES;
    }
    this.inFlight.push(batch);
    return batch;
  }

  /** The batch is no longer in flight; it is sent again when `isFailed`. */
  settle(batch: OutgoingBatch, isFailed: boolean): void {
    this.inFlight.splice(this.inFlight.indexOf(batch), 1);
    if (isFailed) this.failed.push(batch);
  }

  /** A batch before this one came back: the broker then refuses those behind it, whose sequence numbers do not follow. */
  hasFailedBefore(batch: OutgoingBatch): boolean {
    return this.failed.length > 0 && !this.failed.includes(batch);
  }

  /** What came back is sent next. Nothing may be in flight. */
  repeat(): void {
    this.waiting.unshift(...this.failed.splice(0));
    this.leader = undefined;
    this.isHeld = false;
  }
}

function headerOf(
  { recordCount, baseTimestampMs, maxTimestampMs }: Omit<WrittenRecords, 'records'>,
  records: Buffer,
  { producerId, producerEpoch }: ProducerIdentity,
  sequence: number,
  compression: CompressionName,
): Buffer {
  const header = Buffer.alloc(layout.RECORDS);
  header.writeInt32BE(layout.RECORDS - layout.LEADER_EPOCH + records.length, layout.BATCH_LENGTH);
  header.writeInt32BE(-1, layout.LEADER_EPOCH);
  header.writeInt8(2, layout.MAGIC);
  header.writeInt16BE(COMPRESSION_NAMES.indexOf(compression) | layout.TRANSACTIONAL_FLAG, layout.ATTRIBUTES);
  header.writeInt32BE(recordCount - 1, layout.LAST_OFFSET_DELTA);
  header.writeBigInt64BE(BigInt(baseTimestampMs), layout.BASE_TIMESTAMP);
  header.writeBigInt64BE(BigInt(maxTimestampMs), layout.MAX_TIMESTAMP);
  header.writeBigInt64BE(producerId, layout.PRODUCER_ID);
  header.writeInt16BE(producerEpoch, layout.PRODUCER_EPOCH);
  header.writeInt32BE(sequence, layout.BASE_SEQUENCE);
  header.writeInt32BE(recordCount, layout.RECORD_COUNT);
  header.writeUInt32BE(crc32c(records, crc32c(header.subarray(layout.ATTRIBUTES))), layout.CRC);
  return header;
}
