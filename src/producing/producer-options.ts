import type { ManagedTable, Outbox } from '../catalog/index.ts';
import { clientOf, COMPRESSION_NAMES, type CompressionName, type TransactionalProducerOptions } from '../kafka/index.ts';
import { numberOf } from '../librdkafka/index.ts';

/** A broker ends a transaction that lasts longer; a gateway that died in the middle of one hides later messages from `read_committed` readers for so long, unless another one takes over. */
const TRANSACTION_TIMEOUT_MS = 120_000;

/** Name of what Kafka knows of an outbox: its producer, and the group that keeps its position. */
export function kafkaNameOf({ uuid }: Outbox): string {
  return `sluice-outbox-${uuid}`;
}

export function producerOptions(table: ManagedTable, outbox: Outbox): TransactionalProducerOptions {
  const { compressionCodec: codec, compressionLevel: level } = table.options.write;
  return {
    ...clientOf(table, 'producer'),
    transactionalId: kafkaNameOf(outbox),
    transactionTimeoutMs: numberOf(table.options.properties.producer, 'transaction.timeout.ms') ?? TRANSACTION_TIMEOUT_MS,
    ...(isCodec(codec) && codec !== 'none' && { compression: { codec, ...(level !== -1 && { level }) } }),
  };
}

/** A batch of record batches that fits into a broker's default `message.max.bytes` (1,048,588), and its share of the property of that name. */
const MAX_BATCH_BYTES = 900_000;
const SHARE_OF_MESSAGE_MAX_BYTES = 0.9;

export function maxBatchBytes({ options }: ManagedTable): number {
  const messageMaxBytes = numberOf(options.properties.producer, 'message.max.bytes');
  return messageMaxBytes === undefined ? MAX_BATCH_BYTES : Math.floor(messageMaxBytes * SHARE_OF_MESSAGE_MAX_BYTES);
}

export function isCodec(name: string): name is CompressionName {
  return COMPRESSION_NAMES.some((known) => known === name);
}
