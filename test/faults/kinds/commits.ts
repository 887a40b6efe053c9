import { waitFor } from '../../parts/wait-for.ts';
import { pauseMs } from '../producers.ts';
import type { CommitRule } from '../proxies/kafka-proxy.ts';
import { SESSION_TIMEOUT_MS, type World } from '../world.ts';
import type { Kind } from './kind.ts';

const FIRST_COMMIT_TIMEOUT_MS = 20_000;

/** Lets `makeRule` decide about every OffsetCommit, from the first one on for so long. Answers how many came. */
async function ruleCommits({ kafkaProxy }: World, durationMs: number, makeRule: () => CommitRule): Promise<number> {
  let count = 0;
  kafkaProxy.rule = () => {
    count += 1;
    return makeRule();
  };
  await waitFor(() => count > 0, { timeoutMs: FIRST_COMMIT_TIMEOUT_MS }).catch(() => undefined);
  await pauseMs(durationMs);
  kafkaProxy.rule = undefined;
  return count;
}

const cut: Kind = {
  name: 'commits-cut',
  harms: ['commits'],
  meetsPeer: true,
  run: async (world, random) => {
    const durationMs = random.between(500, 4000);
    const hit = await ruleCommits(world, durationMs, () => ({ kind: 'cut' }));
    return `${hit} commits never arrived, in ${durationMs} ms`;
  },
};

const answersLost: Kind = {
  name: 'commit-answers-lost',
  harms: ['commits'],
  meetsPeer: true,
  run: async (world, random) => {
    const durationMs = random.between(500, 3000);
    const hit = await ruleCommits(world, durationMs, () => ({ kind: 'lose-answer' }));
    return `${hit} commits accepted, their answers lost, in ${durationMs} ms`;
  },
};

/** Kafka's error codes: loading, no coordinator, not this one, topic and group not allowed, rebalance under way. */
const REFUSALS = [14, 15, 16, 29, 30, 27] as const;

const refused: Kind = {
  name: 'commits-refused',
  harms: ['commits'],
  meetsPeer: true,
  run: async (world, random) => {
    const durationMs = random.between(500, 4000);
    const errorCode = random.pick(REFUSALS);
    const hit = await ruleCommits(world, durationMs, () => ({ kind: 'refuse', errorCode }));
    return `${hit} commits answered with error ${errorCode}, in ${durationMs} ms`;
  },
};

/** Commits that arrive when the group has long given the partitions to others. */
const late: Kind = {
  name: 'commits-late',
  harms: ['commits'],
  meetsPeer: true,
  run: async (world, random) => {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const durationMs = random.pick([1500, SESSION_TIMEOUT_MS + 2000]);
    const hit = await ruleCommits(world, durationMs, () => ({ kind: 'hold', release: released }));
    release();
    return `${hit} connections held at a commit for ${durationMs} ms`;
  },
};

export const COMMIT_KINDS: readonly Kind[] = [cut, answersLost, refused, late];
