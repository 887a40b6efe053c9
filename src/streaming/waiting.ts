import type { FetchControl } from '../kafka/index.ts';
import { pause } from '../pauses.ts';

/** How often a waiting handler looks after its membership and whether it is to stop. */
const WAIT_TICK_MS = 200;

/**
 * Waits while keeping the membership alive. False when the fetch has become void meanwhile; then nothing waits for `settled` any more. A rebalance is thrown
 * by `heartbeat`, a failure of `settled` as it is.
 */
export async function waitFor(settled: Promise<unknown>, control: FetchControl): Promise<boolean> {
  const done = settled.then(() => true);
  done.catch(() => undefined);
  for (;;) {
    const tick = new AbortController();
    const isSettled = await Promise.race([done, pause(WAIT_TICK_MS, tick.signal).then(() => false)]);
    tick.abort();
    if (!control.isRunning() || control.isStale()) return false;
    if (isSettled) return true;
    await control.heartbeat();
  }
}
