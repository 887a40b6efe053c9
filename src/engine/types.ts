export const KEY_FORMATS = ['JSONEachRow', 'RawBLOB'] as const;
export type KeyFormat = (typeof KEY_FORMATS)[number];

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
  /** Bytes that stand before the payload of every message, 0 to 255. */
  readonly skipBytes: number;
  readonly skipBrokenMessages: number;
  readonly handleErrorMode: 'default' | 'stream' | 'dead_letter_queue';
  /** Topic that broken messages are sent to as well; '' for none. */
  readonly deadLetterTopic: string;
  /** Whether a message without value becomes a row. */
  readonly tombstones: boolean;
  /** How a message's key is parsed; '' when it is not. */
  readonly keyFormat: KeyFormat | '';
  /** Columns that the key fills; empty when it is not parsed. */
  readonly keyColumns: readonly string[];
  readonly securityProtocol: string;
  readonly saslMechanism: string;
  readonly saslUsername: string;
  readonly saslPassword: string;
  /** Whether nothing may be read before every table behind the views waits for the disk. */
  readonly requireFsync: boolean;
  /** Format settings, by name, values as text. */
  readonly formatSettings: Readonly<Record<string, string>>;
  /** Settings of the server's that go with every INSERT (`INSERT_SETTINGS`), by name, values as text. */
  readonly insertSettings: Readonly<Record<string, string>>;
}
