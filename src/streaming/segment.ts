import type { KafkaTableOptions } from '../engine/index.ts';
import { RecordCursor } from '../formats/index.ts';
import type { RecordBatch } from '../kafka/index.ts';

/** Messages of one partition that are read carefully, one after the other: offsets `first` up to `next` (exclusive). */
export interface Segment {
  readonly first: number;
  readonly next: number;
  /** Those that the format reads. */
  readonly messages: readonly RecordCursor[];
  /** Those without value, where these make rows. */
  readonly tombstones: readonly RecordCursor[];
}

/** A segment never holds more than this many messages, and little more than this many bytes. */
const SEGMENT_MESSAGES = 20_000;
const SEGMENT_BYTES = 16 * 1024 * 1024;

/** The messages from `first` on, below `end`, as far as `batches` go; at most `mostMessages`. Their bytes are not copied. */
export function readSegment(
  batches: readonly RecordBatch[],
  { skipBytes, tombstones: withTombstones }: Pick<KafkaTableOptions, 'skipBytes' | 'tombstones'>,
  first: number,
  end: number,
  mostMessages = SEGMENT_MESSAGES,
): Segment {
  const messages: RecordCursor[] = [];
  const tombstones: RecordCursor[] = [];
  const cursor = new RecordCursor(skipBytes);
  let [next, bytes] = [first, 0];
  for (const batch of batches) {
    if (batch.lastOffset < first) continue;
    cursor.open(batch);
    while (cursor.next()) {
      if (cursor.offset < first) continue;
      if (cursor.offset >= end) return { first, next: end, messages, tombstones };
      next = cursor.offset + 1;
      if (cursor.hasValue ? !isRead(cursor) : !withTombstones) continue;
      (cursor.hasValue ? messages : tombstones).push(cursor.copy());
      bytes += Math.max(0, cursor.valueEnd - cursor.valueStart);
      if (messages.length + tombstones.length >= mostMessages || bytes >= SEGMENT_BYTES) return { first, next, messages, tombstones };
    }
    next = Math.max(next, Math.min(end, batch.lastOffset + 1));
  }
  return { first, next, messages, tombstones };
}

/** The part of a segment below `next`. */
export function segmentBelow({ first, messages, tombstones }: Segment, next: number): Segment {
  const isBelow = ({ offset }: RecordCursor): boolean => offset < next;
  return { first, next, messages: messages.filter(isBelow), tombstones: tombstones.filter(isBelow) };
}

/** Whether the format looks at a message with a value: not when nothing stands behind the bytes to be skipped. An empty one may be broken. */
function isRead({ wholeStart, valueStart, valueEnd }: RecordCursor): boolean {
  return valueEnd > valueStart || valueStart === wholeStart;
}
