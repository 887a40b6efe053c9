import { RecordCursor } from '../formats/index.ts';
import type { RecordBatch } from '../kafka/index.ts';

/** Messages of one partition that are read carefully, one after the other: offsets `first` up to `next` (exclusive). */
export interface Segment {
  readonly first: number;
  readonly next: number;
  /** Those that make rows. */
  readonly messages: readonly RecordCursor[];
}

/** A segment never holds more than this many messages, and little more than this many bytes. */
const SEGMENT_MESSAGES = 20_000;
const SEGMENT_BYTES = 16 * 1024 * 1024;

/** The messages from `first` on, below `end`, as far as `batches` go; at most `mostMessages`. Their bytes are not copied. `skipBytes`: as of `RecordCursor`. */
export function readSegment(
  batches: readonly RecordBatch[],
  skipBytes: number,
  first: number,
  end: number,
  mostMessages = SEGMENT_MESSAGES,
): Segment {
  const messages: RecordCursor[] = [];
  const cursor = new RecordCursor(skipBytes);
  let [next, bytes] = [first, 0];
  for (const batch of batches) {
    if (batch.lastOffset < first) continue;
    cursor.open(batch);
    while (cursor.next()) {
      if (cursor.offset < first) continue;
      if (cursor.offset >= end) return { first, next: end, messages };
      next = cursor.offset + 1;
      if (!makesRows(cursor)) continue;
      messages.push(cursor.copy());
      bytes += cursor.valueEnd - cursor.valueStart;
      if (messages.length >= mostMessages || bytes >= SEGMENT_BYTES) return { first, next, messages };
    }
    next = Math.max(next, Math.min(end, batch.lastOffset + 1));
  }
  return { first, next, messages };
}

/** The part of a segment below `next`. */
export function segmentBelow({ first, messages }: Segment, next: number): Segment {
  return { first, next, messages: messages.filter(({ offset }) => offset < next) };
}

/** Whether the format has to look at the message: not at a tombstone, nor at one that has nothing behind the bytes to be skipped. An empty one may be broken. */
function makesRows({ hasValue, wholeStart, valueStart, valueEnd }: RecordCursor): boolean {
  return hasValue && (valueEnd > valueStart || valueStart === wholeStart);
}
