import { waitFor } from '../../parts/wait-for.ts';
import { pauseMs } from '../producers.ts';
import type { TransactionApi, TransactionRequest } from '../proxies/kafka-frames.ts';
import type { TransactionRule } from '../proxies/kafka-proxy.ts';
import type { Random } from '../random.ts';
import { DELIVERY_TIMEOUT_MS } from '../out-schema.ts';
import type { World } from '../world.ts';
import { MOST_GATEWAYS } from './gateways.ts';
import type { Kind } from './kind.ts';

const FIRST_REQUEST_TIMEOUT_MS = 20_000;

const APIS: readonly TransactionApi[] = ['Produce', 'AddPartitionsToTxn', 'AddOffsetsToTxn', 'TxnOffsetCommit', 'EndTxn'];

/** Lets `makeRule` decide about requests of these kinds, from the first one on for so long. Answers how many came. */
async function ruleRequests(
  { kafkaProxy }: World,
  apis: readonly TransactionApi[],
  durationMs: number,
  makeRule: (request: TransactionRequest) => TransactionRule | undefined,
): Promise<number> {
  let count = 0;
  kafkaProxy.transactionRule = (request) => {
    if (!apis.includes(request.api)) return undefined;
    count += 1;
    return makeRule(request);
  };
  await waitFor(() => count > 0, { timeoutMs: FIRST_REQUEST_TIMEOUT_MS }).catch(() => undefined);
  await pauseMs(durationMs);
  kafkaProxy.transactionRule = undefined;
  return count;
}

/** One step of a transaction, or any. */
function pickApis(random: Random): readonly TransactionApi[] {
  return random.chance(0.8) ? [random.pick(APIS)] : APIS;
}

const cut: Kind = {
  name: 'transactions-cut',
  harms: ['transactions'],
  meetsPeer: false,
  run: async (world, random) => {
    const [apis, durationMs] = [pickApis(random), random.between(0, 3000)];
    const hit = await ruleRequests(world, apis, durationMs, () => (random.chance(0.7) ? { kind: 'cut' } : undefined));
    return `${hit} requests (${apis.join(', ')}), most of which never arrived, in ${durationMs} ms`;
  },
};

const answersLost: Kind = {
  name: 'transaction-answers-lost',
  harms: ['transactions'],
  meetsPeer: false,
  run: async (world, random) => {
    const [apis, durationMs] = [pickApis(random), random.between(0, 3000)];
    const hit = await ruleRequests(world, apis, durationMs, () => (random.chance(0.7) ? { kind: 'lose-answer' } : undefined));
    return `${hit} requests (${apis.join(', ')}), most answers lost, in ${durationMs} ms`;
  },
};

/** They reach the broker when the producer has given up, or another one has taken its place. */
const late: Kind = {
  name: 'transactions-late',
  harms: ['transactions'],
  meetsPeer: false,
  run: async (world, random) => {
    const [apis, durationMs] = [pickApis(random), random.pick([1000, 6000, 12_000])];
    const { released, release } = makeRelease();
    const hit = await ruleRequests(world, apis, durationMs, () => ({ kind: 'hold', release: released }));
    release();
    return `${hit} requests (${apis.join(', ')}) held for ${durationMs} ms`;
  },
};

/** Nobody but Kafka knows whether the transaction is committed. */
const killedInTransaction: Kind = {
  name: 'gateway-killed-in-transaction',
  harms: ['gateways', 'transactions'],
  meetsPeer: false,
  isPossible: ({ gateways }) => gateways.awake.length > 0,
  run: async (world, random) => {
    const { gateways } = world;
    const [apis, isLate] = [pickApis(random), random.chance(0.5)];
    const { released, release } = makeRelease();
    await ruleRequests(world, apis, 0, () => (isLate ? { kind: 'hold', release: released } : { kind: 'lose-answer' }));
    const victims = gateways.awake;
    await Promise.all(victims.map(async (gateway) => gateways.kill(gateway)));
    await Promise.all(victims.map(async () => gateways.start()));
    const lateMs = isLate ? random.pick([0, random.between(0, 3000)]) : 0;
    await pauseMs(lateMs);
    release();
    const what = isLate ? `arrived ${lateMs} ms after the next ones' start` : 'its answer lost';
    return `${victims.map(({ name }) => name).join(', ')} SIGKILL in a transaction (${apis.join(', ')}), ${what}`;
  },
};

const TAKEOVER_TIMEOUT_MS = 25_000;

/** The gateways are frozen in the middle of a transaction; another one takes their place, and they wake up with the same transaction still in their hands. */
const fenced: Kind = {
  name: 'producer-fenced',
  harms: ['gateways', 'transactions'],
  meetsPeer: false,
  isPossible: ({ gateways }) => gateways.awake.length > 1 || gateways.running.length < MOST_GATEWAYS,
  run: async (world, random) => {
    const { gateways, kafkaProxy } = world;
    const apis = pickApis(random);
    const { released, release } = makeRelease();
    const frozenIds = new Set<string>();
    await ruleRequests(world, apis, 0, ({ transactionalId }) => {
      frozenIds.add(transactionalId);
      return { kind: 'hold', release: released };
    });
    const awake = gateways.awake;
    const spared = gateways.running.length < MOST_GATEWAYS ? undefined : random.pick(awake);
    const frozen = awake.filter((gateway) => gateway !== spared);
    for (const gateway of frozen) gateways.pause(gateway);
    const takenOver = new Set<string>();
    kafkaProxy.transactionRule = ({ api, transactionalId }) => {
      if (api === 'EndTxn' && frozenIds.has(transactionalId)) takenOver.add(transactionalId);
      return undefined;
    };
    if (spared === undefined) await gateways.start();
    await waitFor(() => takenOver.size > 0, { timeoutMs: TAKEOVER_TIMEOUT_MS }).catch(() => undefined);
    kafkaProxy.transactionRule = undefined;
    if (random.chance(0.5)) release();
    for (const gateway of frozen) gateways.resume(gateway);
    release();
    const heir = takenOver.size > 0 ? (spared?.name ?? 'a new gateway') : 'nobody';
    return `${frozen.map(({ name }) => name).join(', ')} SIGSTOP in a transaction (${apis.join(', ')}) until ${heir} had committed`;
  },
};

/** Connections stand and nobody answers, for longer than an INSERT waits. */
const silent: Kind = {
  name: 'kafka-silent',
  harms: ['kafka', 'commits', 'transactions'],
  meetsPeer: false,
  run: async ({ kafkaProxy }, random) => {
    const durationMs = DELIVERY_TIMEOUT_MS + random.between(500, 6000);
    const { released, release } = makeRelease();
    kafkaProxy.silence = released;
    await pauseMs(durationMs);
    kafkaProxy.silence = undefined;
    release();
    return `the broker heard nothing for ${durationMs} ms`;
  },
};

function makeRelease(): { readonly released: Promise<void>; readonly release: () => void } {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  return { released, release };
}

export const TRANSACTION_KINDS: readonly Kind[] = [cut, answersLost, late, killedInTransaction, fenced, silent];
