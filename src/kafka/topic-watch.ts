import type { Broker, Cluster } from 'kafkajs';
import type { Logger } from '../logger.ts';
import { createKafkaClient, type ClientOptions, type KafkaClient } from './client.ts';
import { createCluster } from './cluster.ts';
import { KafkaError } from './errors.ts';
import { readTopics, type TopicState } from './topic-metadata.ts';

type AskedCluster = Cluster & { readonly brokerPool: { findConnectedBroker(): Promise<Broker> } };

/** Looks at topics from outside of any group, over one connection that is opened when it is needed and kept. */
export class TopicWatch {
  readonly #options: ClientOptions;
  readonly #logger: Logger;
  #client: KafkaClient | undefined;
  #cluster: AskedCluster | undefined;
  #isClosed = false;

  constructor(options: ClientOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
  }

  /**
   * Which of the topics exist now, and how; the others are not in the answer, and are not created. Throws `KafkaError` when no broker answers or one of
   * the names cannot be a topic.
   */
  async look(topics: readonly string[]): Promise<ReadonlyMap<string, TopicState>> {
    if (this.#isClosed) throw new KafkaError(new Error('the client was closed'));
    const client = (this.#client ??= createKafkaClient(this.#options, this.#logger));
    const cluster = (this.#cluster ??= createCluster(client) as AskedCluster);
    try {
      await cluster.connect();
      return await readTopics(await cluster.brokerPool.findConnectedBroker(), topics);
    } catch (error) {
      client.cut();
      if (this.#client === client) this.#client = this.#cluster = undefined;
      throw new KafkaError(error);
    }
  }

  /** What is asked now fails. */
  close(): void {
    this.#isClosed = true;
    this.#client?.cut();
  }
}
