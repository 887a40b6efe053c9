/** Waiting times between attempts, in milliseconds: doubling, capped, and spread by a random half so that many tables do not knock together. */
export function backoffMs(attempt: number, firstMs = 500, mostMs = 15_000): number {
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 16));
  return full / 2 + Math.random() * (full / 2);
}

/** Resolves after `ms`, or at once when one of `signals` is aborted (also when it was before). Never rejects. */
export function pause(ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    if (signals.some(({ aborted }) => aborted)) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    for (const signal of signals) signal.addEventListener('abort', done, { once: true });
  });
}

type Signals = readonly (AbortSignal | undefined)[];

/**
 * Does `work` under a signal that is aborted with the first of `signals` (undefined: none), for its reason, and lets go of them when it has ended. `AbortSignal.any` leaves
 * something at every signal for as long as that lives, and fails after some millions of times.
 */
export async function withAnyOf<T>(signals: Signals, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return withinAnyOf(new AbortController(), signals, work);
}

/**
 * As `withAnyOf`; the signal is aborted after `ms`, too, with a TimeoutError. `AbortSignal.timeout` will not do together with others: Node 20 collects it while only
 * `AbortSignal.any` knows of it, and then nothing is ever aborted.
 */
export async function withDeadline<T>(ms: number, signals: Signals, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const cut = new AbortController();
  const timer = setTimeout(() => cut.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms);
  try {
    return await withinAnyOf(cut, signals, work);
  } finally {
    clearTimeout(timer);
  }
}

async function withinAnyOf<T>(cut: AbortController, all: Signals, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signals = all.filter((signal) => signal !== undefined);
  const listeners = signals.map((signal) => ({ signal, listener: (): void => cut.abort(signal.reason) }));
  for (const { signal, listener } of listeners) {
    if (signal.aborted) listener();
    else signal.addEventListener('abort', listener, { once: true });
  }
  try {
    return await work(cut.signal);
  } finally {
    for (const { signal, listener } of listeners) signal.removeEventListener('abort', listener);
  }
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
