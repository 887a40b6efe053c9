import type { PARTITIONERS, RoleProperties } from '../librdkafka/index.ts';

export const KEY_FORMATS = ['JSONEachRow', 'RawBLOB'] as const;
export type KeyFormat = (typeof KEY_FORMATS)[number];

/** librdkafka's names and rules (`partitioner` in its CONFIGURATION.md). */
export type PartitionerName = (typeof PARTITIONERS)[number];

/** How rows of a table become messages. */
export interface WriteOptions {
  /** 0 is accepted by CREATE, as by the server, and cannot be written with. */
  readonly maxRowsPerMessage: number;
  /** Whether `_key`, `_timestamp` and `_headers` that the table declares leave the body. */
  readonly mapsVirtualColumns: boolean;
  /** As written; '' for none given. */
  readonly compressionCodec: string;
  /** -1: the codec's own default. */
  readonly compressionLevel: number;
  readonly partitioner: PartitionerName;
  readonly waitsForDelivery: boolean;
  readonly deliveryTimeoutMs: number;
  /** Limits of the outbox, 0 for none. */
  readonly outboxMaxRows: number;
  readonly outboxMaxBytes: number;
  readonly outboxMaxAgeMs: number;
  readonly onDrop: 'wait' | 'drop';
}

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
  /** How brokers are reached, in librdkafka's words. */
  readonly properties: RoleProperties;
  /** Whether CREATE goes to the brokers and makes no table that could not be read. */
  readonly checkOnCreate: boolean;
  /** Whether nothing may be read before every table behind the views waits for the disk. */
  readonly requireFsync: boolean;
  readonly write: WriteOptions;
  /** Format settings, by name, values as text. */
  readonly formatSettings: Readonly<Record<string, string>>;
  /** Settings of the server's that go with every INSERT (`INSERT_SETTINGS`), by name, values as text. */
  readonly insertSettings: Readonly<Record<string, string>>;
}
