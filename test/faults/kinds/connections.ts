import { pauseMs } from '../producers.ts';
import type { InsertRule } from '../proxies/clickhouse-proxy.ts';
import { SESSION_TIMEOUT_MS, type World } from '../world.ts';
import { waitFor } from '../../parts/wait-for.ts';
import type { Kind } from './kind.ts';

const RULES_TIMEOUT_MS = 20_000;

/** Lets `makeRule` decide about the next `count` INSERTs; resolves when they have come, or after some time when they do not. Answers how many came. */
async function ruleNextInserts({ clickHouseProxy }: World, count: number, makeRule: () => InsertRule): Promise<number> {
  let left = count;
  clickHouseProxy.rule = () => {
    if (left === 0) return undefined;
    left -= 1;
    return makeRule();
  };
  await waitFor(() => left === 0, { timeoutMs: RULES_TIMEOUT_MS }).catch(() => undefined);
  clickHouseProxy.rule = undefined;
  return count - left;
}

const clickHouseCut: Kind = {
  name: 'clickhouse-connections-cut',
  harms: ['inserts'],
  meetsPeer: false,
  run: async ({ clickHouseProxy }, random) => {
    const share = random.pick([0.5, 1]);
    const times = random.between(1, 5);
    let cut = 0;
    for (let i = 0; i < times; i += 1) {
      cut += clickHouseProxy.cut(() => random.chance(share));
      await pauseMs(random.between(50, 500));
    }
    return `${cut} connections in ${times} times`;
  },
};

const insertCut: Kind = {
  name: 'insert-cut',
  harms: ['inserts'],
  meetsPeer: false,
  run: async (world, random) => {
    const count = random.between(1, 6);
    const hit = await ruleNextInserts(world, count, () => ({
      kind: 'cut',
      afterBytes: random.between(1, random.pick([1000, 3000, 20_000])),
    }));
    return `${hit} INSERTs cut in their middle`;
  },
};

const answerLost: Kind = {
  name: 'insert-answer-lost',
  harms: ['inserts'],
  meetsPeer: false,
  run: async (world, random) => {
    const hit = await ruleNextInserts(world, random.between(1, 6), () => ({ kind: 'lose-answer' }));
    return `${hit} INSERTs applied, their answers lost`;
  },
};

/** Answers get lost and before anything can be tried again the gateway is dead: only the intent knows. */
const answerLostAndKilled: Kind = {
  name: 'insert-answer-lost-and-gateway-killed',
  harms: ['gateways', 'inserts'],
  meetsPeer: false,
  isPossible: ({ gateways }) => gateways.awake.length > 0,
  run: async (world, random) => {
    const hit = await ruleNextInserts(world, random.between(1, 3), () => ({ kind: 'lose-answer' }));
    const victims = world.gateways.awake;
    await Promise.all(victims.map(async (gateway) => world.gateways.kill(gateway)));
    await Promise.all(victims.map(async () => world.gateways.start()));
    return `${hit} answers lost, then ${victims.map(({ name }) => name).join(', ')} SIGKILL`;
  },
};

/** An INSERT is on its way for longer than a session lasts, and arrives when its gateway is dead and others have its partitions. */
const lateInsert: Kind = {
  name: 'insert-late',
  harms: ['gateways', 'inserts'],
  meetsPeer: false,
  isPossible: ({ gateways }) => gateways.awake.length > 0,
  run: async (world, random) => {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let complete = 0;
    const count = random.between(1, 3);
    await ruleNextInserts(world, count, () => ({ kind: 'hold', release: released, complete: () => (complete += 1) }));
    await waitFor(() => complete >= count, { timeoutMs: 3000 }).catch(() => undefined);
    const victims = random.chance(0.7) ? world.gateways.awake : [];
    await Promise.all(victims.map(async (gateway) => world.gateways.kill(gateway)));
    await Promise.all(victims.map(async () => world.gateways.start()));
    const lateMs = random.pick([0, random.between(0, 3000), SESSION_TIMEOUT_MS + random.between(0, 3000)]);
    await pauseMs(lateMs);
    release();
    return `${complete} of ${count} held INSERTs complete, ${victims.map(({ name }) => name).join(', ') || 'nobody'} killed, delivered ${lateMs} ms later`;
  },
};

const kafkaCut: Kind = {
  name: 'kafka-connections-cut',
  harms: ['commits'],
  meetsPeer: true,
  run: async ({ kafkaProxy }, random) => {
    const share = random.pick([0.3, 1]);
    const times = random.between(1, 5);
    let cut = 0;
    for (let i = 0; i < times; i += 1) {
      cut += kafkaProxy.cut(() => random.chance(share));
      await pauseMs(random.between(50, 700));
    }
    return `${cut} connections in ${times} times`;
  },
};

export const CONNECTION_KINDS: readonly Kind[] = [clickHouseCut, insertCut, answerLost, answerLostAndKilled, lateInsert, kafkaCut];
