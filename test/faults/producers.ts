import kafkajs, { type Message, type Producer, type TopicMessages } from 'kafkajs';
import type { Journal } from './journal.ts';
import type { Random } from './random.ts';
import type { Topic } from './schema.ts';

export interface ProducersOptions {
  readonly brokers: string;
  readonly topics: readonly Topic[];
  readonly messagesPerSecond: number;
  readonly random: Random;
  readonly journal: Journal;
}

const TICK_MS = 200;
const PAYLOAD_CHARACTERS = 120;
const ABORTED_SHARE = 0.1;
/** What an abandoned transaction keeps its readers from at most. */
const TRANSACTION_TIMEOUT_MS = 10_000;

/**
 * Two producers that write numbered messages into all partitions until they are stopped: an idempotent one that now and then compresses, and a transactional one that now and
 * then aborts. What fails is given up, whether the broker has it or not: the topics are what counts in the end.
 */
export class Producers {
  readonly #options: ProducersOptions;
  readonly #running: Promise<void>[] = [];
  #isStopping = false;
  #number = 0;

  constructor(options: ProducersOptions) {
    this.#options = options;
  }

  /** Numbers given so far; not all of them are in a topic. */
  get numbered(): number {
    return this.#number;
  }

  start(): void {
    this.#running.push(
      this.#keepProducing({ idempotent: true, maxInFlightRequests: 1 }, async (producer) => this.#send(producer)),
      this.#keepProducing(
        { idempotent: true, maxInFlightRequests: 1, transactionalId: 'faults-writer', transactionTimeout: TRANSACTION_TIMEOUT_MS },
        async (producer) => this.#sendInTransaction(producer),
      ),
    );
  }

  /** Resolves when nothing more will be written. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#running);
  }

  /** Writes one more message into every partition and answers when all are there: whoever reads them has read everything. */
  async writeEnds(topics: readonly Pick<Topic, 'name' | 'partitions'>[] = this.#options.topics): Promise<void> {
    const producer = this.#client().producer();
    await producer.connect();
    try {
      for (const { name, partitions } of topics) {
        const messages = Array.from({ length: partitions }, (_, partition) => ({ ...this.#message(0), partition, key: END_KEY }));
        await producer.send({ topic: name, messages });
      }
    } finally {
      await producer.disconnect();
    }
  }

  async #keepProducing(options: kafkajs.ProducerConfig, send: (producer: Producer) => Promise<void>): Promise<void> {
    while (!this.#isStopping) {
      const producer = this.#client().producer(options);
      try {
        await producer.connect();
        for (;;) {
          const startedAtMs = Date.now();
          await send(producer);
          if (this.#isOver()) break;
          await pauseMs(TICK_MS - (Date.now() - startedAtMs));
        }
      } catch (error) {
        this.#options.journal.note('producer', { error: (error as Error).message });
        await pauseMs(TICK_MS);
      } finally {
        await producer.disconnect().catch(() => undefined);
      }
    }
  }

  async #send(producer: Producer): Promise<void> {
    const compression = this.#options.random.chance(0.3) ? kafkajs.CompressionTypes.GZIP : kafkajs.CompressionTypes.None;
    await producer.sendBatch({ topicMessages: this.#messages(), compression });
  }

  async #sendInTransaction(producer: Producer): Promise<void> {
    const transaction = await producer.transaction();
    try {
      await transaction.sendBatch({ topicMessages: this.#messages() });
      if (this.#options.random.chance(ABORTED_SHARE)) await transaction.abort();
      else await transaction.commit();
    } catch (error) {
      await transaction.abort().catch(() => undefined);
      throw error;
    }
  }

  /** As `#isStopping`, which changes while others are waited for. */
  #isOver(): boolean {
    return this.#isStopping;
  }

  /** A tick's share of messages of one producer, in a few partitions. */
  #messages(): TopicMessages[] {
    const { random, topics, messagesPerSecond } = this.#options;
    const count = Math.max(topics.length, Math.round((messagesPerSecond * TICK_MS) / 1000 / 2));
    const perTopic = topics.map(({ name, partitions, brokenShare }) => {
      const messages = Array.from({ length: Math.ceil(count / topics.length) }, () => ({
        ...this.#message(brokenShare),
        partition: random.between(0, partitions - 1),
      }));
      return { topic: name, messages };
    });
    return perTopic;
  }

  #message(brokenShare: number): Message {
    const { random } = this.#options;
    const n = this.#number++;
    const key = random.chance(0.8) ? `key ${n % 100}` : null;
    if (random.chance(brokenShare))
      return { key, value: random.pick([`{"n": ${n}, "p": `, `{"n": "no number", "p": ${n}}`, `no JSON ${n}`]) };
    return { key, value: JSON.stringify({ n, p: 'x'.repeat(random.between(0, PAYLOAD_CHARACTERS)) }) };
  }

  #client(): kafkajs.Kafka {
    return new kafkajs.Kafka({
      clientId: 'faults-producer',
      brokers: [this.#options.brokers],
      logLevel: kafkajs.logLevel.NOTHING,
      connectionTimeout: 2000,
      requestTimeout: 5000,
      retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 1000 },
    });
  }
}

/** Key of the last message of each partition. */
export const END_KEY = 'the end';

export async function pauseMs(durationMs: number): Promise<void> {
  if (durationMs > 0) await new Promise((resolve) => setTimeout(resolve, durationMs));
}
