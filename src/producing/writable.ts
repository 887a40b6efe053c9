import type { ManagedTable } from '../catalog/index.ts';
import type { ServiceClient } from '../clickhouse/index.ts';
import { ClickHouseException, clickhouseError } from '../errors.ts';
import { COMPRESSION_NAMES } from '../kafka/index.ts';
import { isCodec } from './producer-options.ts';

/** Throws what an INSERT into a table with these options is answered with, before it has cost anything. */
export async function checkWritable(_client: ServiceClient, { options }: ManagedTable): Promise<void> {
  const { topics, write } = options;
  if (topics.length > 1) throw clickhouseError('NOT_IMPLEMENTED', "Can't write to Kafka table with multiple topics!");
  if (write.maxRowsPerMessage < 1)
    throw clickhouseError('BAD_ARGUMENTS', 'kafka_max_rows_per_message is 0: a message must have one row at least');
  if (write.compressionCodec !== '' && !isCodec(write.compressionCodec)) {
    const text = `Invalid value "${write.compressionCodec}" for configuration property "compression.codec"`;
    throw new ClickHouseException(
      1001,
      'STD_EXCEPTION',
      `Failed to set compression.codec: ${text}, allowed: ${COMPRESSION_NAMES.join(', ')}`,
    );
  }
  await Promise.resolve();
}
