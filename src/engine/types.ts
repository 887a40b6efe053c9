/** A Kafka table as its statement defines it, checked, with defaults still unresolved (undefined = not given). */
export interface KafkaTableOptions {
  readonly brokers: readonly string[];
  readonly topics: readonly string[];
  readonly groupName: string;
  readonly format: string;
  readonly schema: string;
  readonly clientId: string;
  readonly numConsumers: number;
  readonly threadPerConsumer: boolean;
  readonly maxBlockSize?: number;
  readonly pollMaxBatchSize?: number;
  readonly pollTimeoutMs?: number;
  readonly flushIntervalMs?: number;
  readonly skipBrokenMessages: number;
  readonly handleErrorMode: 'default' | 'stream' | 'dead_letter_queue';
  readonly securityProtocol: string;
  readonly saslMechanism: string;
  readonly saslUsername: string;
  readonly saslPassword: string;
  /** Everything in SETTINGS that does not begin with `kafka_`: format settings, by name, values as text. */
  readonly formatSettings: Readonly<Record<string, string>>;
}
