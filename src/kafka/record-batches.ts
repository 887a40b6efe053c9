import { crc32c } from '@node-rs/crc32';
import { COMPRESSION_NAMES, decompress, TooMuchError, type CompressionName } from './codecs.ts';
import {
  ATTRIBUTES,
  BASE_OFFSET,
  BASE_TIMESTAMP,
  BATCH_LENGTH,
  COMPRESSION_MASK,
  CONTROL_FLAG,
  CRC,
  LAST_OFFSET_DELTA,
  LOG_APPEND_TIME_FLAG,
  MAGIC,
  MAX_TIMESTAMP,
  PRODUCER_ID,
  RECORD_COUNT,
  RECORDS,
  TRANSACTIONAL_FLAG,
} from './record-batch-layout.ts';
import type { RecordBatch, TopicPartition } from './types.ts';

const LEAST_LIMIT_BYTES = 64 * 1024 * 1024;
let mostUnfoldedBytes = 256 * 1024 * 1024;

/** From now on no record batch is unfolded to more bytes, for the whole process; 64 MiB are always allowed. 256 MiB unless said otherwise. */
export function limitUnfoldedBatches(bytes: number): void {
  mostUnfoldedBytes = Math.max(bytes, LEAST_LIMIT_BYTES);
}

/** One partition's part of a fetch answer: record batches back to back, the last one possibly cut off. */
export interface RecordSet extends TopicPartition {
  /** The offset that was asked for. */
  readonly fetchOffset: number;
  readonly bytes: Buffer;
  /** In any order (the broker lists them as they ended, not as they began). */
  readonly abortedTransactions: readonly AbortedTransaction[];
}

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

export interface ReadRecordSet {
  /** Batches that hold committed records, decompressed. `records` of uncompressed batches are views into `bytes`. */
  readonly batches: readonly RecordBatch[];
  /** The offset after the last whole batch, control, aborted and empty ones included; `fetchOffset` when there is none. */
  readonly nextOffset: number;
}

/** A record batch that cannot be read. `offset` is the batch's first; nothing behind it was read either. */
export class RecordBatchError extends Error {
  override readonly name = 'RecordBatchError';
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;

  constructor(at: TopicPartition, offset: number, reason: string, options?: { cause?: unknown }) {
    super(`Local: Bad message format: topic ${at.topic}, partition ${at.partition}, record batch at offset ${offset}: ${reason}`, options);
    this.topic = at.topic;
    this.partition = at.partition;
    this.offset = offset;
  }
}

/**
 * Reads what a read_committed consumer may see of a record set, up to the first batch that cannot be read. Every whole batch's CRC-32C is checked; a batch cut off at
 * the end is ignored (the next fetch brings it). Throws `RecordBatchError` when the first batch is damaged, unfolds too far, or is of a message format before Kafka
 * 0.11 (magic 0 and 1), which Kafka 4 brokers no longer keep.
 */
export function readRecordSet(set: RecordSet): ReadRecordSet {
  const [whole] = readRecordSetInPieces(set, Infinity);
  return whole ?? { batches: [], nextOffset: set.fetchOffset };
}

/**
 * The same, piece by piece: what compressed batches become is limited by nobody else, so that a piece ends with the batch that brings it to `mostBytes`
 * decompressed bytes. Each is read when it is asked for. A batch that cannot be read throws behind the piece of those before it.
 */
export function* readRecordSetInPieces(set: RecordSet, mostBytes: number): Generator<ReadRecordSet, void> {
  let batches: RecordBatch[] = [];
  let nextOffset = set.fetchOffset;
  let toldOffset = nextOffset;
  let pieceBytes = 0;
  try {
    for (const { batch, lastOffset, bytes } of readBatches(set)) {
      nextOffset = lastOffset + 1;
      if (batch === undefined) continue;
      batches.push(batch);
      pieceBytes += bytes;
      if (pieceBytes < mostBytes) continue;
      yield { batches, nextOffset };
      toldOffset = nextOffset;
      [batches, pieceBytes] = [[], 0];
    }
  } catch (error) {
    if (nextOffset > toldOffset) yield { batches, nextOffset };
    throw error;
  }
  yield { batches, nextOffset };
}

/** Each whole batch that ends at `fetchOffset` or behind it: undefined when nothing of it is to be seen. `bytes`: what it takes beside the set. */
function* readBatches(
  set: RecordSet,
): Generator<{ readonly batch?: RecordBatch; readonly lastOffset: number; readonly bytes: number }, void> {
  const aborted = new AbortedProducers(set.abortedTransactions);
  let rest = set.bytes;
  for (let size = wholeBatchBytes(rest, set); size > 0; size = wholeBatchBytes(rest, set)) {
    const whole = rest.subarray(0, size);
    rest = rest.subarray(size);
    checkCrc(whole, set);
    const lastOffset = baseOffset(whole) + whole.readInt32BE(LAST_OFFSET_DELTA);
    const isVisible = aborted.isVisible(whole, lastOffset);
    if (lastOffset < set.fetchOffset) continue;
    // Compaction leaves batches without records behind.
    if (!isVisible || whole.readInt32BE(RECORD_COUNT) === 0) {
      yield { lastOffset, bytes: 0 };
      continue;
    }
    const batch = readBatch(whole, lastOffset, set);
    // Uncompressed records are views into the set.
    yield { batch, lastOffset, bytes: batch.records.buffer === whole.buffer ? 0 : batch.records.length };
  }
}

/** Bytes of the batch at the beginning, 0 when it is not there in whole. */
function wholeBatchBytes(bytes: Buffer, at: TopicPartition): number {
  if (bytes.length <= MAGIC) return 0;
  const magic = bytes[MAGIC];
  if (magic === 0 || magic === 1) {
    throw new RecordBatchError(at, baseOffset(bytes), `message format ${magic} (before Kafka 0.11) is not supported, only format 2`);
  }
  if (magic !== 2) throw new RecordBatchError(at, baseOffset(bytes), `unknown message format ${magic}`);
  const size = BATCH_LENGTH + 4 + bytes.readInt32BE(BATCH_LENGTH);
  if (size < RECORDS) throw new RecordBatchError(at, baseOffset(bytes), `length ${size} is less than the ${RECORDS} bytes of its header`);
  return size <= bytes.length ? size : 0;
}

function checkCrc(batch: Buffer, at: TopicPartition): void {
  const expected = batch.readUInt32BE(CRC);
  const actual = crc32c(batch.subarray(ATTRIBUTES));
  if (actual === expected) return;
  throw new RecordBatchError(at, baseOffset(batch), `CRC-32C is ${hex(actual)}, its header says ${hex(expected)}`);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

function readBatch(batch: Buffer, lastOffset: number, at: TopicPartition): RecordBatch {
  const attributes = batch.readInt16BE(ATTRIBUTES);
  return {
    baseOffset: baseOffset(batch),
    lastOffset,
    baseTimestampMs: readInt64(batch, BASE_TIMESTAMP),
    maxTimestampMs: readInt64(batch, MAX_TIMESTAMP),
    isLogAppendTime: (attributes & LOG_APPEND_TIME_FLAG) !== 0,
    recordCount: batch.readInt32BE(RECORD_COUNT),
    records: readRecords(batch, attributes & COMPRESSION_MASK, at),
  };
}

function readRecords(batch: Buffer, compressionType: number, at: TopicPartition): Buffer {
  const compression: CompressionName | undefined = COMPRESSION_NAMES[compressionType];
  if (compression === undefined) throw new RecordBatchError(at, baseOffset(batch), `unknown compression type ${compressionType}`);
  try {
    return decompress(compression, batch.subarray(RECORDS), mostUnfoldedBytes);
  } catch (cause) {
    if (cause instanceof TooMuchError) {
      const way = 'raise memory_budget to read it, or set the offsets of the group behind it';
      throw new RecordBatchError(at, baseOffset(batch), `its ${compression} data may become more than ${mostUnfoldedBytes} bytes: ${way}`, {
        cause,
      });
    }
    throw new RecordBatchError(at, baseOffset(batch), `its ${compression} data cannot be decompressed`, { cause });
  }
}

/**
 * Which producers' records are invisible at the point reached so far (KIP-98). kafkajs' own filter is not enough: it takes the list for
 * sorted and starts at most one transaction a batch, so records of aborted transactions that overlap slip through.
 */
class AbortedProducers {
  readonly #transactions: readonly AbortedTransaction[];
  readonly #producerIds = new Set<bigint>();
  #next = 0;

  constructor(transactions: readonly AbortedTransaction[]) {
    this.#transactions = [...transactions].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Call for every batch in offset order: is it data, and not of an aborted transaction? */
  isVisible(batch: Buffer, lastOffset: number): boolean {
    this.#startUpTo(lastOffset);
    const attributes = batch.readInt16BE(ATTRIBUTES);
    if ((attributes & CONTROL_FLAG) !== 0) {
      if (isAbortMarker(batch)) this.#producerIds.delete(batch.readBigInt64BE(PRODUCER_ID));
      return false;
    }
    return (attributes & TRANSACTIONAL_FLAG) === 0 || !this.#producerIds.has(batch.readBigInt64BE(PRODUCER_ID));
  }

  #startUpTo(lastOffset: number): void {
    for (;;) {
      const transaction = this.#transactions[this.#next];
      if (transaction === undefined || transaction.firstOffset > lastOffset) return;
      this.#producerIds.add(transaction.producerId);
      this.#next += 1;
    }
  }
}

const ABORT_MARKER_TYPE = 0;

/** A control batch holds one record whose key is version (int16) and type (int16): 0 abort, 1 commit. */
function isAbortMarker(batch: Buffer): boolean {
  if (batch.readInt32BE(RECORD_COUNT) === 0) return false;
  let position = afterVarint(batch, RECORDS); // length
  position += 1; // attributes
  position = afterVarint(batch, position); // timestamp delta
  position = afterVarint(batch, position); // offset delta
  position = afterVarint(batch, position); // key length
  return position + 4 <= batch.length && batch.readInt16BE(position + 2) === ABORT_MARKER_TYPE;
}

function afterVarint(bytes: Buffer, position: number): number {
  let end = position;
  while (((bytes[end] ?? 0) & 0x80) !== 0) end += 1;
  return end + 1;
}

function baseOffset(batch: Buffer): number {
  return readInt64(batch, BASE_OFFSET);
}

/** As a number: offsets and milliseconds stay far below 2^53. */
export function readInt64(bytes: Buffer, position: number): number {
  return bytes.readInt32BE(position) * 0x1_0000_0000 + bytes.readUInt32BE(position + 4);
}
