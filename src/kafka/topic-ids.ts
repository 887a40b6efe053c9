import kafkajs, { type Broker, type Cluster } from 'kafkajs';
import { CommitMemory } from './commit-memory.ts';
import type { TopicId } from './flexible.ts';
import { brokerError, UNKNOWN_TOPIC } from './protocol-errors.ts';
import { readTopics } from './topic-metadata.ts';

type AnyBroker = Omit<Broker, 'fetch'>;
type Coordinator = Omit<AnyBroker, 'offsetCommit' | 'offsetFetch'> & {
  offsetCommit(request: OffsetRequest): Promise<unknown>;
  offsetFetch(request: Pick<OffsetRequest, 'groupId'>): Promise<{ readonly responses: OffsetRequest['topics'] }>;
};

interface OffsetRequest {
  readonly groupId: string;
  readonly topics: Parameters<CommitMemory['committed']>[0];
}

type Subscribed = Cluster & { readonly targetTopics: ReadonlySet<string> };

/**
 * The ids that a consumer's topics had when it first joined its group. A topic that was deleted and made anew has its old name, so that offsets
 * of the old one would be taken for offsets of the new one: messages were skipped, silently. A consumer therefore dies when one of its topics was made
 * anew, and reads (`RawFetch`) and commits nothing of the new one before that.
 */
export class TopicIds {
  readonly #ids = new Map<string, TopicId>();
  readonly #commits = new CommitMemory();

  /** undefined: its broker gives no ids, or nothing was joined. */
  of(topic: string): TopicId | undefined {
    return this.#ids.get(topic);
  }

  /** Looks at the topics before each join, which comes before the group's offsets are read, and before each commit. Create before it connects. */
  watch(cluster: Cluster): void {
    const find = cluster.findGroupCoordinator.bind(cluster);
    const guarded = new WeakSet<AnyBroker>();
    cluster.findGroupCoordinator = async (group) => {
      const broker = await find(group);
      await this.#check(broker, [...(cluster as Subscribed).targetTopics]);
      if (!guarded.has(broker)) {
        guarded.add(broker);
        this.#guard(broker);
      }
      return broker;
    };
  }

  /** The group's coordinator itself is asked: it forgets a deleted topic's offsets when it hears of the deletion. */
  #guard(broker: Coordinator): void {
    const commit = broker.offsetCommit.bind(broker);
    broker.offsetCommit = async (request) => {
      await this.#check(broker as unknown as AnyBroker, [...new Set(request.topics.map(({ topic }) => topic))]);
      const answer = await commit(request);
      this.#commits.committed(request.topics);
      return answer;
    };
    const fetch = broker.offsetFetch.bind(broker);
    broker.offsetFetch = async (request) => {
      const answer = await fetch(request);
      this.#commits.check(request.groupId, answer.responses);
      return answer;
    };
  }

  async #check(broker: AnyBroker, topics: readonly string[]): Promise<void> {
    const found = await readTopics(broker, topics);
    for (const topic of topics) {
      const state = found.get(topic);
      if (state === undefined) throw brokerError(UNKNOWN_TOPIC);
      const known = this.#ids.get(topic) ?? state.id;
      if (known !== state.id) throw new kafkajs.KafkaJSNonRetriableError(`topic ${topic} was deleted and made anew`);
      if (known !== undefined) this.#ids.set(topic, known);
    }
  }
}
