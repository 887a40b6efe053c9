import test from 'ava';
import { CompressionTypes } from 'kafkajs';
import { waitFor } from '../helpers/index.ts';
import { useGateway } from '../helpers/gateway.ts';
import { useStream } from '../helpers/stream.ts';

const MEGABYTE = 'x'.repeat(1_000_000);
/** As JSON more than the 64 MiB that the small gateway unfolds of one batch, and less than the default. */
const LARGE = Array.from({ length: 80 }, (_, i) => ({ value: JSON.stringify({ id: 100 + i, s: MEGABYTE }) }));

test('a record batch that unfolds too far holds its partition only, is told, and is read once there is memory for it', async (t) => {
  const small = await useGateway(t, { env: { SLUICE_MEMORY_BUDGET: '64MiB', SLUICE_MAX_BATCH_SIZE: '8MiB' } });
  const stream = await useStream(t, { partitions: 2, gateway: small });
  const producer = await stream.kafka.producer();
  const send = async (partition: number, values: readonly { value: string }[]): Promise<void> => {
    const messages = values.map((message) => ({ ...message, partition }));
    await producer.send({ topic: stream.topic, messages, compression: CompressionTypes.GZIP });
  };
  await send(0, [{ value: '{"id":1}' }]);
  await send(0, LARGE);
  await send(0, [{ value: '{"id":2}' }]);
  await send(1, [{ value: '{"id":3}' }]);
  await stream.sql(
    `CREATE TABLE queue (id UInt64, s String) ${stream.engine()}`,
    'CREATE TABLE target (id UInt64, length UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100',
    'CREATE MATERIALIZED VIEW v TO target AS SELECT id, length(s) AS length FROM queue',
  );
  await stream.answers('SELECT id FROM target ORDER BY id FORMAT TSV', '1\n3');
  const reason = /record batch at offset 1: its gzip data may become more than 67108864 bytes: raise memory_budget to read it/;
  const told = async (): Promise<string> => (await fetch(`${small.adminUrl}/status`)).text();
  await waitFor(async () => reason.test(await told()));
  t.regex(await told(), /"state":\s*"retrying"/);
  await send(1, [{ value: '{"id":4}' }]);
  await stream.answers('SELECT id FROM target ORDER BY id FORMAT TSV', '1\n3\n4');
  await producer.disconnect();

  await small.stop();
  await useGateway(t);
  await waitFor(async () => (await stream.direct('SELECT count(), sum(length) FROM target FORMAT TSV')) === `84\t${80 * MEGABYTE.length}`);
});
