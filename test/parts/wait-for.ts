import { inspect } from 'node:util';

const POLL_INTERVAL_MS = 50;
/** What takes a second on a machine with nothing else to do may take a minute on a busy one. */
export const PATIENCE_MS = 120_000;

export interface WaitOptions {
  /** Milliseconds until the wait fails; `PATIENCE_MS` when absent. Shorter only where waiting longer would hide a fault. */
  readonly timeoutMs?: number;
  /** What is waited for; the failure reads `gave up after … ms waiting for <message>`. */
  readonly message?: string;
}

/**
 * Calls `condition` until it answers something truthy, and answers that. A condition that throws has not held yet.
 * Fails after the timeout with what was waited for and the last value or error seen.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const timeoutMs = options.timeoutMs ?? PATIENCE_MS;
  const deadline = Date.now() + timeoutMs;
  let last = 'nothing yet';
  while (Date.now() < deadline) {
    try {
      const value = await condition();
      if (value) return value as Exclude<T, false | null | undefined | 0 | ''>;
      last = inspect(value);
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
  throw new Error(`gave up after ${timeoutMs} ms waiting for ${options.message ?? condition.toString()}; last seen: ${last}`);
}
