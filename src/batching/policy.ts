/** When a batch is complete. Plain arithmetic: who holds the clock asks here. */
export interface FlushLimits {
  /** Rows of one INSERT, at least 1. */
  readonly maxRows: number;
  /** Bytes of one INSERT's body; a single larger message still goes as a batch of its own. */
  readonly maxBytes: number;
  /**
   * Bytes that are worth an INSERT when none is under way: a backlog keeps the server busy from the start, and batches grow towards `maxBytes` as far as
   * the server is the slower one.
   */
  readonly eagerBytes: number;
  /** Greatest age of the oldest message in an unfinished batch, in milliseconds. */
  readonly flushIntervalMs: number;
}

/** Why a batch was sealed. */
export type FlushReason = 'rows' | 'bytes' | 'interval' | 'memory' | 'partitions' | 'barrier' | 'drain';

/** Bytes with which a batch is full. `isIdle`: no INSERT is under way. */
export function bytesLimit({ maxBytes, eagerBytes }: FlushLimits, isIdle: boolean): number {
  return isIdle ? eagerBytes : maxBytes;
}

/** The reason to seal a batch of this size now, or undefined. */
export function fullReason(limits: FlushLimits, rows: number, bytes: number, isIdle: boolean): FlushReason | undefined {
  if (rows >= limits.maxRows) return 'rows';
  if (bytes >= bytesLimit(limits, isIdle)) return 'bytes';
  return undefined;
}

/** Milliseconds until a batch begun at `beganAtMs` has to go out; 0 or less: now. */
export function untilFlushMs(limits: FlushLimits, beganAtMs: number, nowMs: number): number {
  return beganAtMs + limits.flushIntervalMs - nowMs;
}

/**
 * Rows after which the real engine closes a block: it looks between polls of `pollMaxBatchSize` messages, so a block of 6 with polls of
 * 4 closes at 8 (kafka-engine, "blocks"). A poll is never larger than a block.
 */
export function blockRows(maxBlockSize: number, pollMaxBatchSize: number): number {
  const poll = Math.max(1, Math.min(pollMaxBatchSize, maxBlockSize));
  return Math.ceil(maxBlockSize / poll) * poll;
}
