import { setTimeout as delay } from 'node:timers/promises';
import type { Broker, Cluster } from 'kafkajs';
import { errorFields } from './errors.ts';
import type { CommitOffset } from './types.ts';

/** What JoinGroup answered: who we are in one generation of the group, and the broker that knows it. */
interface Generation {
  readonly coordinator: Broker;
  readonly generationId: number;
  readonly memberId: string;
}

type Joining = Broker & { joinGroup(request: unknown): Promise<{ generationId: number; memberId: string }> };
type Coordinator = Broker & { leaveGroup(request: { groupId: string; memberId: string }): Promise<void> };

const COMMIT_TRIES = 4;
const COMMIT_RETRY_DELAY_MS = 200;
const PASSING_ERRORS: readonly unknown[] = [
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'REQUEST_TIMED_OUT',
  'UNSTABLE_OFFSET_COMMIT',
];
const PASSING_FAILURES = ['KafkaJSConnectionError', 'KafkaJSConnectionClosedError', 'KafkaJSRequestTimeoutError'];

/**
 * The member of a consumer group behind one kafkajs consumer. Commits and leaves by itself, because kafkajs' `commitOffsets` resolves
 * without having committed when the consumer was stopped, and retries a refused commit under the *next* generation, past the fencing.
 */
export class Membership {
  readonly #cluster: Cluster;
  readonly #groupId: string;
  #joined: Generation | undefined;
  #current: Generation | undefined;

  /** Watches the joins of the consumer that owns `cluster`. Create before it runs. */
  constructor(cluster: Cluster, groupId: string) {
    this.#cluster = cluster;
    this.#groupId = groupId;
    const find = cluster.findGroupCoordinator.bind(cluster);
    const watched = new WeakSet<Broker>();
    cluster.findGroupCoordinator = async (group) => {
      const broker = await find(group);
      if (!watched.has(broker)) {
        watched.add(broker);
        this.#watchJoins(broker as Joining);
      }
      return broker;
    };
  }

  /** Empty before the first join. */
  get memberId(): string {
    return this.#joined?.memberId ?? '';
  }

  /** The join is complete: from now on commits carry its generation. */
  begin(): void {
    this.#current = this.#joined;
  }

  /** From now on nothing is committed. */
  end(): void {
    this.#current = undefined;
  }

  /**
   * Commits in the current generation, with a few tries while the coordinator moves or the connection fails.
   * Throws when the broker refuses, or when the generation ended before the broker answered: then it is unknown whether it holds.
   */
  async commit(offsets: readonly CommitOffset[]): Promise<void> {
    const generation = this.#current;
    if (generation === undefined) throw new Error('cannot commit offsets: the consumer is not a member of the group');
    const request = { ...this.#identity(generation), groupGenerationId: generation.generationId, topics: byTopic(offsets) };
    let { coordinator } = generation;
    for (let tries = 1; ; tries += 1) {
      try {
        await coordinator.offsetCommit(request);
        return;
      } catch (error) {
        if (tries === COMMIT_TRIES || !isPassing(error)) throw error;
      }
      await delay(tries * COMMIT_RETRY_DELAY_MS);
      coordinator = await this.#cluster.findGroupCoordinator({ groupId: this.#groupId });
      if (generation !== this.#current) throw new Error('cannot commit offsets: the group rebalanced meanwhile');
    }
  }

  /** Tells the coordinator that we are gone, so that the others take over at once. */
  async leave(): Promise<void> {
    if (this.#joined === undefined) return;
    const { coordinator } = this.#joined;
    const identity = this.#identity(this.#joined);
    this.#current = this.#joined = undefined;
    await (coordinator as Coordinator).leaveGroup(identity);
  }

  #identity({ memberId }: Generation): { groupId: string; memberId: string } {
    return { groupId: this.#groupId, memberId };
  }

  #watchJoins(broker: Joining): void {
    const join = broker.joinGroup.bind(broker);
    broker.joinGroup = async (request) => {
      const answer = await join(request);
      this.#joined = { coordinator: broker, generationId: answer.generationId, memberId: answer.memberId };
      return answer;
    };
  }
}

function isPassing(error: unknown): boolean {
  const { name, type } = errorFields(error);
  return PASSING_FAILURES.includes(name) || PASSING_ERRORS.includes(type);
}

interface KafkajsOffset {
  readonly partition: number;
  readonly offset: string;
  readonly metadata: string;
}

function byTopic(offsets: readonly CommitOffset[]): { topic: string; partitions: KafkajsOffset[] }[] {
  const topics = new Map<string, KafkajsOffset[]>();
  for (const { topic, partition, offset, metadata = '' } of offsets) {
    const partitions = topics.get(topic) ?? [];
    partitions.push({ partition, offset: String(offset), metadata });
    topics.set(topic, partitions);
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}
