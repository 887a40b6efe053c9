import { waitFor } from '../parts/wait-for.ts';
import type { World } from './world.ts';

export interface Drained {
  readonly isDone: boolean;
  readonly tookMs: number;
  /** Partitions that were not read to their end, as `group topic partition: committed of end`. */
  readonly unfinished: readonly string[];
}

/** Waits until every group has committed every partition's end, and no INSERT is under way. Gives up after `limitMs` and says what is missing. */
export async function drain(world: World, limitMs: number): Promise<Drained> {
  const startedAtMs = Date.now();
  let unfinished: string[] = [];
  const isDone = async (): Promise<boolean> => {
    await world.mend();
    unfinished = await unfinishedPartitions(world);
    return unfinished.length === 0 && world.clickHouseProxy.running === 0;
  };
  const done = await waitFor(isDone, { timeoutMs: limitMs }).catch(() => false);
  return { isDone: done, tookMs: Date.now() - startedAtMs, unfinished };
}

async function unfinishedPartitions({ kafka, schema }: World): Promise<string[]> {
  const ends = new Map<string, bigint>();
  for (const { name } of schema.topics) {
    for (const { partition, high } of await kafka.endOffsets(name)) ends.set(`${name} ${partition}`, high);
  }
  const unfinished: string[] = [];
  for (const [group, topics] of schema.readers) {
    const committed = new Map((await kafka.groupOffsets(group)).map(({ topic, partition, offset }) => [`${topic} ${partition}`, offset]));
    for (const [partition, end] of ends) {
      const offset = committed.get(partition) ?? -1n;
      if (topics.some(({ name }) => partition.startsWith(`${name} `)) && offset < end)
        unfinished.push(`${group} ${partition}: ${offset} of ${end}`);
    }
  }
  return unfinished;
}
