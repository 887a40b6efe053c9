import { hostname } from 'node:os';
import type { ManagedTable, Outbox } from '../catalog/index.ts';
import { COMPRESSION_NAMES, securityOf, type CompressionName, type TransactionalProducerOptions } from '../kafka/index.ts';

/** A broker ends a transaction that lasts longer; a gateway that died in the middle of one hides later messages from `read_committed` readers for so long, unless another one takes over. */
const TRANSACTION_TIMEOUT_MS = 120_000;

export function producerOptions({ options, database, table }: ManagedTable, { uuid }: Outbox): TransactionalProducerOptions {
  const { compressionCodec: codec, compressionLevel: level } = options.write;
  return {
    brokers: options.brokers,
    clientId: options.clientId === '' ? `ClickHouse-${hostname()}-${database}-${table}` : options.clientId,
    security: securityOf(options),
    transactionalId: `sluice-outbox-${uuid}`,
    transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
    ...(isCodec(codec) && codec !== 'none' && { compression: { codec, ...(level !== -1 && { level }) } }),
  };
}

export function isCodec(name: string): name is CompressionName {
  return COMPRESSION_NAMES.some((known) => known === name);
}
