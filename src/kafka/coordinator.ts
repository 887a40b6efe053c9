import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from 'kafkajs';
import { innermost } from './errors.ts';
import { NoAnswer, patienceMs } from './produce-errors.ts';

export const GROUP = 0;
export const TRANSACTION = 1;

interface Partitions<T> {
  readonly topic: string;
  readonly partitions: readonly T[];
}

/** Who asks, as kafkajs wants it. */
export interface Asking {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly producerEpoch: number;
}

/** kafkajs' brokers, with what its types leave out. They throw when the answer has an error. */
export interface CoordinatingBroker {
  findGroupCoordinator(request: { groupId: string; coordinatorType: number }): Promise<{ coordinator: { nodeId: number } }>;
  initProducerId(request: { transactionalId: string; transactionTimeout: number }): Promise<{ producerId: string; producerEpoch: number }>;
  addPartitionsToTxn(request: Asking & { topics: readonly Partitions<number>[] }): Promise<unknown>;
  addOffsetsToTxn(request: Asking & { groupId: string }): Promise<unknown>;
  txnOffsetCommit(
    request: Asking & { groupId: string; topics: readonly Partitions<{ partition: number; offset: string; metadata: string }>[] },
  ): Promise<unknown>;
  endTxn(request: Asking & { transactionResult: boolean }): Promise<unknown>;
  offsetFetch(request: {
    groupId: string;
    topics: readonly Partitions<{ partition: number }>[];
  }): Promise<{ responses: readonly Partitions<{ offset: string; metadata?: string | null }>[] }>;
}
type AskedCluster = Cluster & { readonly brokerPool: { findConnectedBroker(): Promise<CoordinatingBroker> } };

/** Errors after which another broker may be the coordinator, or the same one over a new connection. */
const STAYS: readonly unknown[] = [
  'CONCURRENT_TRANSACTIONS',
  'GROUP_LOAD_IN_PROGRESS',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNSTABLE_OFFSET_COMMIT',
];

const FIRST_DELAY_MS = 10;
const LONGEST_DELAY_MS = 500;

/** The broker that looks after a group or a transactional id. */
export class Coordinator {
  readonly #cluster: AskedCluster;
  readonly #key: { readonly groupId: string; readonly coordinatorType: number };
  readonly #signal: AbortSignal;
  #broker: CoordinatingBroker | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** `cluster` is connected. When `signal` is aborted, nothing is tried again. */
  constructor(cluster: Cluster, type: typeof GROUP | typeof TRANSACTION, id: string, signal: AbortSignal) {
    this.#cluster = cluster as AskedCluster;
    this.#key = { groupId: id, coordinatorType: type };
    this.#signal = signal;
  }

  /**
   * Asks when what was asked before is answered, again as long as the failure may pass, at most for `timeoutMs`. Rejects with the last failure, or `NoAnswer`.
   */
  async ask<T>(request: (broker: CoordinatingBroker) => Promise<T>, timeoutMs: number): Promise<T> {
    const before = this.#last;
    const answer = withTimeout(this.#askAgain(before, request, Date.now() + timeoutMs), timeoutMs);
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  async #askAgain<T>(before: Promise<unknown>, request: (broker: CoordinatingBroker) => Promise<T>, deadline: number): Promise<T> {
    await before;
    const startedAt = Date.now();
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(2 * delayMs, LONGEST_DELAY_MS)) {
      try {
        this.#broker ??= await this.#find();
        return await request(this.#broker);
      } catch (error) {
        if (!STAYS.includes(innermost(error).type)) this.#broker = undefined;
        const until = Math.min(startedAt + patienceMs(error), deadline);
        if (this.#signal.aborted || Date.now() + delayMs > until) throw error;
      }
      await delay(delayMs, undefined, { signal: this.#signal });
    }
  }

  // kafkajs' own cluster.findGroupCoordinator hides why a broker refuses to tell.
  async #find(): Promise<CoordinatingBroker> {
    const anyBroker = await this.#cluster.brokerPool.findConnectedBroker();
    const { coordinator } = await anyBroker.findGroupCoordinator(this.#key);
    const find = async (): Promise<CoordinatingBroker> =>
      (await this.#cluster.findBroker({ nodeId: String(coordinator.nodeId) })) as unknown as CoordinatingBroker;
    try {
      return await find();
    } catch (error) {
      if (innermost(error).name !== 'KafkaJSBrokerNotFound') throw error;
      await this.#cluster.refreshMetadata();
      return find();
    }
  }
}

/** Rejects with `NoAnswer` when `work` has not settled after so long. */
export async function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new NoAnswer(timeoutMs));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
