import type { Broker, Cluster } from 'kafkajs';
import type { Logger } from '../logger.ts';
import { addressText, type Address } from './address.ts';
import { createKafkaClient, type ClientOptions, type KafkaClient } from './client.ts';
import { createCluster } from './cluster.ts';
import { failureAt, settingsFailure, silence, type KafkaFailure, type KafkaStep, type Moment } from './failures.ts';
import { greet, type Patience } from './greeting.ts';
import { securityOf, type Security } from './security.ts';

export type AnyBroker = Omit<Broker, 'fetch'>;
type AskedCluster = Cluster & { readonly brokerPool: { findConnectedBroker(): Promise<AnyBroker> } };

/** A connection to one certain broker, with the table's credentials. */
export class BrokerSession {
  readonly address: string;
  readonly #client: KafkaClient;
  readonly #broker: AnyBroker;
  readonly #patience: Patience;
  readonly #moment: Omit<Moment, 'step'>;

  private constructor(client: KafkaClient, broker: AnyBroker, moment: Omit<Moment, 'step'>, patience: Patience) {
    this.address = moment.broker;
    this.#client = client;
    this.#broker = broker;
    this.#moment = moment;
    this.#patience = patience;
  }

  /** Throws `KafkaFailure` with the step that failed. */
  static async open(address: Address, options: ClientOptions, patience: Patience, logger: Logger): Promise<BrokerSession> {
    const security = knownSecurity(options);
    await greet(address, security, patience);
    const moment = { broker: addressText(address), hasTls: security.tls !== undefined, hasSasl: security.sasl !== undefined };
    const client = createKafkaClient({ ...options, brokers: [moment.broker] }, logger);
    // They are told as the statement's answer.
    client.expectFailures();
    try {
      const broker = await during(connect(client), { ...moment, step: moment.hasSasl ? 'sasl' : 'protocol' }, patience);
      return new BrokerSession(client, broker, moment, patience);
    } catch (error) {
      client.cut();
      throw error;
    }
  }

  /** Asks the broker something. Throws `KafkaFailure`: of this step, unless the error tells of another one. */
  async ask<T>(step: KafkaStep, request: (broker: AnyBroker) => Promise<T>): Promise<T> {
    return during(request(this.#broker), { ...this.#moment, step }, this.#patience);
  }

  /** What is told of an answer of the broker's that says no. */
  failure(step: KafkaStep, error: unknown): KafkaFailure {
    return failureAt(error, { ...this.#moment, step });
  }

  close(): void {
    this.#client.cut();
  }
}

/** Throws `KafkaFailure` for properties that no broker can be reached with. */
export function knownSecurity({ security, brokers }: Pick<ClientOptions, 'security' | 'brokers'>): Security {
  try {
    const known = securityOf(security, brokers);
    known.tls?.();
    return known;
  } catch (error) {
    throw settingsFailure(error);
  }
}

async function connect(client: KafkaClient): Promise<AnyBroker> {
  const cluster = createCluster(client) as AskedCluster;
  await cluster.connect();
  return cluster.brokerPool.findConnectedBroker();
}

/** The work's result, unless the patience is over before. */
async function during<T>(work: Promise<T>, moment: Moment, { signal, timeoutMs }: Patience): Promise<T> {
  let stop: (() => void) | undefined;
  const over = new Promise<never>((_, reject) => {
    stop = () => reject(silence(moment, timeoutMs));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, over]);
  } catch (error) {
    throw failureAt(error, moment);
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop);
  }
}
