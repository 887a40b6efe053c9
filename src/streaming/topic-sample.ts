import { hostname } from 'node:os';
import type { KafkaTableOptions } from '../engine/index.ts';
import { RecordCursor } from '../formats/index.ts';
import { connectionOf, sampleTopic, type ClientOptions, type FetchedPartition, type Patience } from '../kafka/index.ts';
import type { Logger } from '../logger.ts';

const LIMITS = { messages: 100, bytes: 4 * 1024 * 1024, timeoutMs: 10_000 };

/** Payloads of a table's topics; `missing` are the topics that do not exist. */
export interface TopicSample {
  readonly payloads: readonly Buffer[];
  readonly missing: readonly string[];
}

/**
 * Some of the newest payloads in the topics that a table with these options would read, without its consumer group; messages without payload are passed over.
 * Throws `KafkaError` when no broker answers, or not in time.
 */
export async function sampleTopics(options: KafkaTableOptions, logger: Logger): Promise<TopicSample> {
  const client = clientFor(options);
  const payloads: Buffer[] = [];
  const missing: string[] = [];
  for (const topic of options.topics) {
    const fetched = await sampleTopic(client, topic, LIMITS, logger);
    if (fetched === undefined) missing.push(topic);
    else payloads.push(...fetched.flatMap((partition) => payloadsOf(partition, options.skipBytes)));
  }
  return { payloads, missing };
}

/** The payload of the newest message in the topics of such a table, by the time of its record batch; undefined when they have none. Throws as `sampleTopics`. */
export async function newestPayload(
  options: KafkaTableOptions,
  { signal, timeoutMs }: Patience,
  logger: Logger,
): Promise<Buffer | undefined> {
  let newest: { readonly timeMs: number; readonly payload: Buffer } | undefined;
  for (const topic of options.topics) {
    const fetched = await sampleTopic(clientFor(options), topic, { ...LIMITS, messages: 1, timeoutMs, signal }, logger);
    for (const partition of fetched ?? []) {
      const payload = payloadsOf(partition, options.skipBytes).at(-1);
      const timeMs = partition.batches.at(-1)?.maxTimestampMs ?? 0;
      if (payload !== undefined && timeMs >= (newest?.timeMs ?? 0)) newest = { timeMs, payload };
    }
  }
  return newest?.payload;
}

function clientFor(options: KafkaTableOptions): ClientOptions {
  return {
    brokers: options.brokers,
    clientId: options.clientId || `ClickHouse-${hostname()}`,
    security: options.properties.consumer,
    connection: connectionOf(options.properties.consumer),
  };
}

function payloadsOf({ batches, fromOffset }: FetchedPartition, skipBytes: number): Buffer[] {
  const cursor = new RecordCursor(skipBytes);
  const payloads: Buffer[] = [];
  for (const batch of batches) {
    cursor.open(batch);
    while (cursor.next()) {
      if (cursor.offset >= fromOffset && cursor.valueEnd > cursor.valueStart)
        payloads.push(cursor.bytes.subarray(cursor.valueStart, cursor.valueEnd));
    }
  }
  return payloads;
}
