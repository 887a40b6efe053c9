import { createRequire } from 'node:module';

interface RequestQueue {
  readonly pending: readonly unknown[];
  throttledUntil: number;
  scheduleCheckPendingRequests: (this: RequestQueue) => void;
}

/**
 * kafkajs looks every millisecond for waiting requests on every connection, also when there are none, with a timer of negative duration
 * (newer Node versions warn about it). An empty queue has nothing to wait for: `push` looks by itself. Applies to all kafkajs clients of
 * the process and changes nothing else for them. Idempotent.
 */
export function stopIdlePolling(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
  if (patched.has(prototype)) return;
  patched.add(prototype);
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}

const patched = new WeakSet<RequestQueue>();
