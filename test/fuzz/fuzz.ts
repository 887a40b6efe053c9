import { Random } from '../faults/random.ts';
import type { Outcome } from './check.ts';
import { randomStatement } from './statements.ts';

export interface FuzzReport {
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly failures: readonly { readonly seed: number; readonly error: Error }[];
  readonly slowest: { readonly seed: number; readonly ms: number };
}

const MOST_FAILURES = 20;

/** Checks so many statements; each has a seed of its own, by which `--show` writes it again. */
export async function fuzz(count: number, seed: number, check: (text: string) => Promise<Outcome>): Promise<FuzzReport> {
  const outcomes: Record<Outcome, number> = { 'not read': 0, read: 0, refused: 0, 'a table': 0 };
  const failures: { seed: number; error: Error }[] = [];
  let slowest = { seed: 0, ms: 0 };
  for (let i = 0; i < count && failures.length < MOST_FAILURES; i += 1) {
    const own = (seed * 10_000_000 + i) % 2 ** 32;
    const text = randomStatement(new Random(own));
    const startedMs = performance.now();
    try {
      outcomes[await check(text)] += 1;
    } catch (error) {
      failures.push({ seed: own, error: error instanceof Error ? error : new Error(String(error)) });
    }
    const ms = performance.now() - startedMs;
    if (ms > slowest.ms) slowest = { seed: own, ms };
  }
  return { outcomes, failures, slowest };
}
