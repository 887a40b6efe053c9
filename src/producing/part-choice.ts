import { OUTBOX_MEMORY } from '../engine/index.ts';
import type { Part } from './position.ts';

/** Small parts go together in one transaction, up to so much; a larger one goes alone, whatever its size. */
const TOGETHER = { parts: 500, rows: 100_000, bytes: 16 * 1024 * 1024 };

/** How long sent parts stay, so that a repeated INSERT can be compared with them. */
const KEPT = { parts: OUTBOX_MEMORY.blocks, bytes: 1024 ** 3, ms: OUTBOX_MEMORY.seconds * 1_000 };

/** One ALTER drops so many at most. */
const DROPPED_AT_ONCE = 200;

/** The first of the parts that wait; alone as long as one up to block `aloneUpTo` is among them. */
export function partsForOneTransaction(unsent: readonly Part[], aloneUpTo: number): readonly Part[] {
  let [rows, bytes] = [0, 0];
  const end = unsent.findIndex((part, index) => {
    rows += part.rows;
    bytes += part.bytes;
    return (
      index >= TOGETHER.parts || rows > TOGETHER.rows || bytes > TOGETHER.bytes || (index > 0 && (unsent[0] as Part).block <= aloneUpTo)
    );
  });
  return end === -1 ? unsent : unsent.slice(0, Math.max(1, end));
}

/** Of the sent parts, in their order, those that have stayed long enough, or are too many: the oldest first. `sentAtMs` by UUID. */
export function partsToDrop(sent: readonly Part[], sentAtMs: ReadonlyMap<string, number>, nowMs: number): readonly Part[] {
  let bytes = sent.reduce((sum, part) => sum + part.bytes, 0);
  let count = sent.length;
  const end = sent.findIndex((part) => {
    const isOld = nowMs - (sentAtMs.get(part.uuid) ?? nowMs) >= KEPT.ms;
    if (!isOld && count <= KEPT.parts && bytes <= KEPT.bytes) return true;
    count -= 1;
    bytes -= part.bytes;
    return false;
  });
  return (end === -1 ? sent : sent.slice(0, end)).slice(0, DROPPED_AT_ONCE);
}
