export { Batch, type OffsetRange, type Run } from './batch.ts';
export { MemoryBudget } from './budget.ts';
export { ChunkedBytes } from './chunked-bytes.ts';
export { ChunkPool, CHUNK_BYTES } from './chunks.ts';
export { blockRows, bytesLimit, fullReason, untilFlushMs, type FlushLimits, type FlushReason } from './policy.ts';
