/** Waiting times between attempts, in milliseconds: doubling, capped, and spread by a random half so that many tables do not knock together. */
export function backoffMs(attempt: number, firstMs = 500, mostMs = 15_000): number {
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 16));
  return full / 2 + Math.random() * (full / 2);
}

/** Resolves after `ms`, or at once when `signal` is aborted (also when it was before). Never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}

/**
 * A signal that is aborted after `ms`, with a TimeoutError, or with the first of `signals` (undefined: none). For any of several signals `AbortSignal.timeout` will not do: Node 20 collects it
 * while only `AbortSignal.any` knows of it, and then nothing is ever aborted.
 */
export function deadline(ms: number, ...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  const cut = new AbortController();
  setTimeout(() => cut.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms).unref();
  const others = signals.filter((signal) => signal !== undefined);
  return others.length === 0 ? cut.signal : AbortSignal.any([cut.signal, ...others]);
}

/** Resolves with the promise, or after `ms`, whichever comes first. */
export async function within(ms: number, promise: Promise<void>): Promise<void> {
  const cut = new AbortController();
  await Promise.race([promise, pause(Math.max(0, ms), cut.signal)]);
  cut.abort();
}

/** Resolves once `signal` is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
