import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Broker, type Cluster, type PartitionOffset, type TopicOffsets } from 'kafkajs';
import { ownerOf } from './assigners.ts';
import { errorFields } from './errors.ts';
import type { CommitOffset, CommittedOffset } from './types.ts';

/** What JoinGroup answered: who we are in one generation of the group, and the broker that knows it. */
interface Generation {
  readonly coordinator: Broker;
  readonly generationId: number;
  readonly memberId: string;
}

interface JoinRequest {
  readonly memberId?: string;
}

/** kafkajs' brokers, with what its types leave out. */
type Coordinator = Broker & {
  joinGroup(request: JoinRequest): Promise<{ generationId: number; memberId: string }>;
  syncGroup(request: unknown): Promise<{ memberAssignment: Buffer }>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<void>;
  readonly connectionPool: { send(request: { readonly request: { readonly apiName: string } }): Promise<unknown> };
};

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

export interface MembershipOptions {
  readonly groupId: string;
  /** See `ConsumerOptions`. */
  readonly ownerId: string;
  /** Another connection to the same cluster, not connected yet. */
  readonly openCluster: () => Cluster;
  /** What the group has committed for partitions of the current generation, as often as the consumer asks for it. */
  readonly onCommitted: (committed: readonly CommittedOffset[]) => void;
}

/**
 * The member of a consumer group behind one kafkajs consumer. Commits and leaves by itself, because kafkajs' `commitOffsets` resolves
 * without having committed when the consumer was stopped, and retries a refused commit under the *next* generation, past the fencing; and because
 * kafkajs forgets a member that the broker knows but has not let in yet, which then holds up the whole group until its session expires.
 */
export class Membership {
  readonly #cluster: Cluster;
  readonly #options: MembershipOptions;
  /** The id that the broker gave us, empty before it did and after we left. It counts as a member of the group from then on. */
  #memberId = '';
  /** A join under way that asked for an id and has not got it yet. Never rejects. */
  #asking: Promise<void> = Promise.resolve();
  /** JoinGroup or SyncGroup is under way: the broker answers nothing else on that connection before the other members came, too. */
  #isJoining = false;
  #isLeaving = false;
  #joined: Generation | undefined;
  #current: Generation | undefined;
  #isSoleOwner = false;

  /** Watches the joins of the consumer that owns `cluster`. Create before it runs. */
  constructor(cluster: Cluster, options: MembershipOptions) {
    this.#cluster = cluster;
    this.#options = options;
    const find = cluster.findGroupCoordinator.bind(cluster);
    const watched = new WeakSet<Broker>();
    cluster.findGroupCoordinator = async (group) => {
      const broker = await find(group);
      if (!watched.has(broker)) {
        watched.add(broker);
        this.#watch(broker as Coordinator);
      }
      return broker;
    };
  }

  /** Empty before the first join. */
  get memberId(): string {
    return this.#joined?.memberId ?? '';
  }

  get generationId(): number | undefined {
    return this.#current?.generationId;
  }

  /** As its leader told with the last assignment: all members of the group have our owner. False when the leader is not one of ours. */
  get isSoleOwner(): boolean {
    return this.#isSoleOwner;
  }

  /** The join is complete: from now on commits carry its generation. */
  begin(): void {
    this.#isJoining = false;
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
    const { groupId } = this.#options;
    const { generationId: groupGenerationId, memberId } = generation;
    const request = { groupId, memberId, groupGenerationId, topics: byTopic(offsets) };
    let { coordinator } = generation;
    for (let tries = 1; ; tries += 1) {
      try {
        await coordinator.offsetCommit(request);
        return;
      } catch (error) {
        if (tries === COMMIT_TRIES || !isPassing(error)) throw error;
      }
      await delay(tries * COMMIT_RETRY_DELAY_MS);
      coordinator = await this.#cluster.findGroupCoordinator({ groupId });
      if (generation !== this.#current) throw new Error('cannot commit offsets: the group rebalanced meanwhile');
    }
  }

  /** Tells the coordinator that we are gone, so that the others take over at once; also when it has not let us in yet. Joins no more. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#asking;
    const coordinator = this.#joined?.coordinator as Coordinator | undefined;
    const identity = { groupId: this.#options.groupId, memberId: this.#memberId };
    this.#current = this.#joined = undefined;
    this.#memberId = '';
    if (identity.memberId === '') return;
    if (coordinator === undefined || this.#isJoining) await this.#leaveBesides(identity);
    else await coordinator.leaveGroup(identity);
  }

  /** Over another connection, since ours waits for the answer to a join. */
  async #leaveBesides(identity: { groupId: string; memberId: string }): Promise<void> {
    const cluster = this.#options.openCluster();
    try {
      await cluster.connect();
      const coordinator = (await cluster.findGroupCoordinator(identity)) as Coordinator;
      await coordinator.leaveGroup(identity);
    } finally {
      await cluster.disconnect();
    }
  }

  #watch(broker: Coordinator): void {
    const join = broker.joinGroup.bind(broker);
    broker.joinGroup = async (request) => {
      this.#isJoining = true;
      try {
        // kafkajs forgets the id when a join fails half-way, and would come back as another member beside the first.
        const answer = await join({ ...request, memberId: request.memberId || this.#memberId });
        this.#memberId = answer.memberId;
        this.#joined = { coordinator: broker, generationId: answer.generationId, memberId: answer.memberId };
        return answer;
      } catch (error) {
        if (errorFields(error).type === 'UNKNOWN_MEMBER_ID') this.#memberId = '';
        throw error;
      }
    };
    const sync = broker.syncGroup.bind(broker);
    broker.syncGroup = async (request) => {
      const answer = await sync(request);
      this.#isSoleOwner = ownerOf(answer.memberAssignment) === this.#options.ownerId;
      return answer;
    };
    const fetchOffsets = broker.offsetFetch.bind(broker);
    broker.offsetFetch = async (request) => {
      const generation = this.#current;
      const answer = await fetchOffsets(request);
      if (generation !== undefined && generation === this.#current) this.#options.onCommitted(committedOf(answer.responses));
      return answer;
    };
    const { connectionPool } = broker;
    const send = connectionPool.send.bind(connectionPool);
    connectionPool.send = async (request) =>
      request.request.apiName === 'JoinGroup' ? this.#sendJoin(() => send(request)) : send(request);
  }

  /** One JoinGroup request. The first one without an id is answered by an error that carries one, and kafkajs sends the next at once. */
  async #sendJoin(send: () => Promise<unknown>): Promise<unknown> {
    if (this.#isLeaving) throw new kafkajs.KafkaJSNonRetriableError('the consumer leaves the group');
    const answer = send();
    if (this.#memberId === '') {
      this.#asking = answer.then(
        () => undefined,
        (error: unknown) => {
          this.#memberId = (error as { memberId?: string }).memberId ?? '';
        },
      );
      // Before kafkajs goes on, which asks whether we are leaving.
      await this.#asking;
    }
    return answer;
  }
}

function isPassing(error: unknown): boolean {
  const { name, type } = errorFields(error);
  return PASSING_FAILURES.includes(name) || PASSING_ERRORS.includes(type);
}

/** kafkajs' types leave the metadata out. */
function committedOf(answer: readonly TopicOffsets[]): CommittedOffset[] {
  return answer.flatMap(({ topic, partitions }) =>
    (partitions as readonly (PartitionOffset & { readonly metadata?: string | null })[]).map(({ partition, offset, metadata }) => ({
      topic,
      partition,
      offset: BigInt(offset),
      metadata: metadata ?? '',
    })),
  );
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
