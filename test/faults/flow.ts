import { waitFor } from '../parts/wait-for.ts';
import type { Kind } from './kinds/index.ts';
import { pauseMs } from './producers.ts';
import { Deck, Random } from './random.ts';
import type { World } from './world.ts';

/** One fault that was. */
export interface Fault {
  readonly number: number;
  readonly kind: string;
  readonly beganAtMs: number;
  endedAtMs: number;
}

export interface FlowOptions {
  readonly kinds: readonly Kind[];
  readonly faults: number;
  /** No new fault begins after so long. */
  readonly limitMs: number;
  readonly seed: number;
}

const MOST_AT_ONCE = 3;
const LONGEST_GAP_MS = 1500;
/** Most faults hit while rows flow; the others hit whoever still recovers from the one before. */
const IN_FLOW_SHARE = 0.7;
const FLOW_TIMEOUT_MS = 30_000;

/** Lets faults happen at random moments, up to three at once, until there were enough or the time is over. Resolves when all are healed. */
export async function injectFaults(world: World, { kinds, faults, limitMs, seed }: FlowOptions): Promise<Fault[]> {
  const random = new Random(seed);
  const deck = new Deck(kinds, random);
  const deadlineMs = Date.now() + limitMs;
  const past: Fault[] = [];
  const active = new Map<Kind, Promise<void>>();
  let failure: Error | undefined;
  const isFree = (kind: Kind): boolean =>
    ![...active.keys()].some(({ harms }) => harms.some((harmed) => kind.harms.includes(harmed))) && kind.isPossible?.(world) !== false;
  for (let number = 1; number <= faults && Date.now() < deadlineMs && failure === undefined; number += 1) {
    await pauseMs(random.between(0, LONGEST_GAP_MS));
    if (active.size === 0) await world.mend();
    if (random.chance(IN_FLOW_SHARE)) await rowsFlow(world);
    while (active.size >= MOST_AT_ONCE) await Promise.race(active.values());
    let kind = deck.draw(isFree);
    for (; kind === undefined; kind = deck.draw(isFree)) {
      if (active.size === 0) throw new Error('no kind of fault is possible');
      await Promise.race(active.values());
    }
    const chosen = kind;
    const fault: Fault = { number, kind: chosen.name, beganAtMs: Date.now(), endedAtMs: Infinity };
    past.push(fault);
    const run = runFault(world, chosen, fault, new Random(seed + number))
      .catch((error: unknown) => {
        failure = error as Error;
      })
      .finally(() => active.delete(chosen));
    active.set(chosen, run);
  }
  await Promise.all(active.values());
  if (failure !== undefined) throw failure;
  return past;
}

async function runFault(world: World, kind: Kind, fault: Fault, random: Random): Promise<void> {
  world.journal.note('fault', { number: fault.number, kind: kind.name, phase: 'begins' });
  const details = await kind.run(world, random);
  fault.endedAtMs = Date.now();
  world.journal.say(`${String(fault.number).padStart(4)} ${kind.name}: ${details} (${fault.endedAtMs - fault.beganAtMs} ms)`);
}

/** Resolves when a target has got rows, or after some time when none comes. */
async function rowsFlow({ clickHouse, schema }: World): Promise<void> {
  const count = async (): Promise<number> => Number(await clickHouse.query(`SELECT count() FROM ${schema.database}.plain`));
  const before = await count().catch(() => 0);
  await waitFor(async () => (await count()) > before, { timeoutMs: FLOW_TIMEOUT_MS }).catch(() => undefined);
}
