import type { ExecutionContext } from 'ava';
import {
  createTransactionalProducer,
  KafkaProduceError,
  RecordBatchWriter,
  sampleTopic,
  type OpenTransaction,
  type TransactionalProducer,
  type TransactionalProducerOptions,
} from '../../src/kafka/index.ts';
import { silentLogger } from '../../src/logger.ts';
import type { KafkaPart } from '../parts/kafka.ts';

/** A producer that is not open yet; it is closed when the test ends. */
export function createProducer(
  t: ExecutionContext,
  { brokers }: Pick<KafkaPart, 'brokers'>,
  transactionalId: string,
  options: Partial<TransactionalProducerOptions> = {},
): TransactionalProducer {
  const defaults = { brokers: [brokers], clientId: 'sluice-test', security: {}, transactionalId, transactionTimeoutMs: 60_000 };
  const producer = createTransactionalProducer({ ...defaults, ...options }, silentLogger());
  t.teardown(async () => producer.close());
  return producer;
}

export async function openProducer(...args: Parameters<typeof createProducer>): Promise<TransactionalProducer> {
  const producer = createProducer(...args);
  await producer.open();
  return producer;
}

export interface SentMessage {
  readonly key?: string | null;
  readonly value: string | null;
  readonly timestampMs?: number;
  readonly headers?: readonly (readonly [string, string])[];
}

/** Writes messages (a string is a value) into batches of at most `maxBytes` and sends them. */
export async function sendAll(
  transaction: OpenTransaction,
  topic: string,
  partition: number,
  messages: readonly (SentMessage | string)[],
  maxBytes = 100_000,
): Promise<void> {
  const writer = new RecordBatchWriter(maxBytes);
  for (const message of messages) {
    if (append(writer, message)) continue;
    await transaction.send(topic, partition, writer);
    append(writer, message);
  }
  await transaction.send(topic, partition, writer);
}

export const NOW_MS = 1_700_000_000_000;

function append(writer: RecordBatchWriter, message: SentMessage | string): boolean {
  const { key = null, value, timestampMs = NOW_MS, headers }: SentMessage = typeof message === 'string' ? { value: message } : message;
  const [keyBytes, valueBytes] = [Buffer.from(key ?? ''), Buffer.from(value ?? '')];
  const source = Buffer.concat([keyBytes, valueBytes]);
  const [keyStart, keyEnd] = key === null ? [-1, -1] : [0, keyBytes.length];
  const [valueStart, valueEnd] = value === null ? [-1, -1] : [keyBytes.length, source.length];
  const pairs = headers?.map(([name, of]) => ({ name: Buffer.from(name), value: Buffer.from(of) }));
  return writer.append(source, keyStart, keyEnd, valueStart, valueEnd, timestampMs, pairs);
}

/** How many messages our own reader sees in the topic, those of open and aborted transactions left out. */
export async function visibleMessages({ brokers }: Pick<KafkaPart, 'brokers'>, topic: string): Promise<number> {
  const options = { brokers: [brokers], clientId: 'sluice-test', security: {} };
  const limits = { messages: 10_000_000, bytes: 1 << 30, timeoutMs: 20_000 };
  const fetched = (await sampleTopic(options, topic, limits, silentLogger())) ?? [];
  return fetched.flatMap(({ batches }) => batches).reduce((count, { recordCount }) => count + recordCount, 0);
}

/** What it rejects with, which must be a `KafkaProduceError`. */
export async function failureOf(t: ExecutionContext, work: Promise<unknown>): Promise<KafkaProduceError> {
  const error = await t.throwsAsync(work, { instanceOf: KafkaProduceError });
  if (!(error instanceof KafkaProduceError)) throw new Error('it did not fail');
  return error;
}
