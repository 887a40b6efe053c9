import kafkajs, { type Assigner, type Cluster, type GroupMember, type PartitionAssigner, type PartitionMetadata } from 'kafkajs';

/** Partitions of each topic, ascending. */
export type TopicPartitionIds = ReadonlyMap<string, readonly number[]>;
/** Topics each member subscribed to, by member id. */
export type Subscriptions = ReadonlyMap<string, readonly string[]>;
/** Partitions by topic, by member id; every member has an entry. */
export type Assignment = ReadonlyMap<string, Readonly<Record<string, readonly number[]>>>;

export type AssignmentStrategy = (subscriptions: Subscriptions, topics: TopicPartitionIds) => Assignment;

/**
 * All partitions of all topics are dealt out one by one, so that several small topics spread over the members.
 * As librdkafka's `roundrobin` (rdkafka_roundrobin_assignor.c).
 */
export const assignRoundRobin: AssignmentStrategy = (subscriptions, topics) => {
  const members = [...subscriptions.keys()].sort();
  const dealt = new Dealt(members);
  let next = 0;
  for (const topic of [...topics.keys()].sort()) {
    if (!members.some((member) => isSubscribed(subscriptions, member, topic))) continue;
    for (const partition of topics.get(topic) ?? []) {
      while (!isSubscribed(subscriptions, members[next % members.length], topic)) next += 1;
      dealt.add(members[next % members.length], topic, partition);
      next += 1;
    }
  }
  return dealt.assignment;
};

/** Topic by topic, each member gets a run of neighbours. As librdkafka's `range` (rdkafka_range_assignor.c). */
export const assignRange: AssignmentStrategy = (subscriptions, topics) => {
  const dealt = new Dealt([...subscriptions.keys()]);
  for (const [topic, partitions] of topics) {
    const members = [...subscriptions.keys()].filter((member) => isSubscribed(subscriptions, member, topic)).sort();
    const share = Math.floor(partitions.length / members.length);
    const larger = partitions.length % members.length;
    members.forEach((member, index) => {
      const start = index * share + Math.min(index, larger);
      const end = start + share + (index < larger ? 1 : 0);
      for (const partition of partitions.slice(start, end)) dealt.add(member, topic, partition);
    });
  }
  return dealt.assignment;
};

function isSubscribed(subscriptions: Subscriptions, member: string | undefined, topic: string): boolean {
  return member !== undefined && (subscriptions.get(member)?.includes(topic) ?? false);
}

class Dealt {
  readonly assignment = new Map<string, Record<string, number[]>>();

  constructor(members: readonly string[]) {
    for (const member of members) this.assignment.set(member, {});
  }

  add(member: string | undefined, topic: string, partition: number): void {
    const topics = this.assignment.get(member ?? '');
    if (topics !== undefined) (topics[topic] ??= []).push(partition);
  }
}

/**
 * What a member announces, first choice first. Names and bytes are those of librdkafka's (and Java's) assignors, so a native engine's
 * consumer (`range,roundrobin`) and ours agree when they meet in one group. kafkajs' own `RoundRobinAssigner` is known to nobody else, and
 * gives members topics that only the leader subscribed to. The user data, which nobody else reads, hold the member's owner; those of an assignment tell
 * of the owner of all members (`ownerOf`).
 */
export function partitionAssigners(ownerId: string): readonly PartitionAssigner[] {
  return [createAssigner('roundrobin', assignRoundRobin, ownerId), createAssigner('range', assignRange, ownerId)];
}

const { MemberMetadata, MemberAssignment } = kafkajs.AssignerProtocol;
const PROTOCOL_VERSION = 0;

function createAssigner(name: string, strategy: AssignmentStrategy, ownerId: string): PartitionAssigner {
  return ({ cluster }): Assigner => ({
    name,
    version: PROTOCOL_VERSION,
    protocol: ({ topics }) => ({
      name,
      metadata: MemberMetadata.encode({ version: PROTOCOL_VERSION, topics, userData: Buffer.from(ownerId) }),
    }),
    assign: async ({ members }) => {
      const subscriptions = subscriptionsOf(members);
      const assignment = strategy(subscriptions, await partitionsOf(cluster, subscriptions));
      const owner = commonOwner(members);
      return [...assignment].map(([memberId, topics]) => ({ memberId, memberAssignment: encodeAssignment(topics, owner) }));
    },
  });
}

// librdkafka as a leader gives every member its own user data back: those of an assignment must look different.
const ALL_OWNED_BY = 'all owned by ';

/** The owner of every member of the group, as its leader saw it; empty when there are several, or when the leader is not one of our consumers. */
export function ownerOf(memberAssignment: Buffer): string {
  const told = MemberAssignment.decode(memberAssignment)?.userData.toString() ?? '';
  return told.startsWith(ALL_OWNED_BY) ? told.slice(ALL_OWNED_BY.length) : '';
}

function commonOwner(members: readonly GroupMember[]): string {
  const owners = new Set(members.map(({ memberMetadata }) => MemberMetadata.decode(memberMetadata)?.userData.toString() ?? ''));
  const [owner = ''] = owners;
  return owners.size === 1 ? owner : '';
}

function encodeAssignment(topics: Readonly<Record<string, readonly number[]>>, owner: string): Buffer {
  const assignment = Object.fromEntries(Object.entries(topics).map(([topic, partitions]) => [topic, [...partitions]]));
  const userData = Buffer.from(owner === '' ? '' : `${ALL_OWNED_BY}${owner}`);
  return MemberAssignment.encode({ version: PROTOCOL_VERSION, assignment, userData });
}

function subscriptionsOf(members: readonly GroupMember[]): Subscriptions {
  return new Map(members.map(({ memberId, memberMetadata }) => [memberId, MemberMetadata.decode(memberMetadata)?.topics ?? []]));
}

async function partitionsOf(cluster: Cluster, subscriptions: Subscriptions): Promise<TopicPartitionIds> {
  const topics = new Set([...subscriptions.values()].flat());
  const partitions = new Map<string, number[]>();
  for (const topic of topics) {
    const own = cluster.findTopicPartitionMetadata(topic);
    const metadata = own.length > 0 ? own : await foreignPartitions(cluster, topic);
    partitions.set(
      topic,
      metadata.map(({ partitionId }) => partitionId).sort((a, b) => a - b),
    );
  }
  return partitions;
}

/** A topic that only other members of the group subscribed to; none when it does not exist. Leaves the cluster's own metadata alone. */
async function foreignPartitions(cluster: Cluster, topic: string): Promise<PartitionMetadata[]> {
  const [nodeId] = cluster.getNodeIds();
  const broker = await cluster.findBroker({ nodeId: String(nodeId) });
  try {
    const { topicMetadata } = await broker.metadata([topic]);
    return topicMetadata.flatMap(({ partitionMetadata }) => partitionMetadata);
  } catch (error) {
    if ((error as { type?: unknown }).type === 'UNKNOWN_TOPIC_OR_PARTITION') return [];
    throw error;
  }
}
