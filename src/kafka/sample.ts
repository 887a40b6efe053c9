import type { Logger } from '../logger.ts';
import { createKafkaClient, type ClientOptions } from './client.ts';
import { errorFields, KafkaError } from './errors.ts';
import { TopicReader, type Bounds } from './topic-reader.ts';
import type { FetchedPartition } from './types.ts';

export interface SampleLimits {
  /** The newest so many offsets of each partition, all together. */
  readonly messages: number;
  /** No more is fetched once so many bytes have come. */
  readonly bytes: number;
  readonly timeoutMs: number;
  /** Aborted when nobody waits for it any more. */
  readonly signal?: AbortSignal;
}

/**
 * The newest messages of a topic, read outside of any group: nothing is joined or committed. Undefined when the topic does not exist, empty when there is no
 * message (any more). Throws `KafkaError` when no broker answers, or not in time.
 */
export async function sampleTopic(
  options: ClientOptions,
  topic: string,
  limits: SampleLimits,
  logger: Logger,
): Promise<readonly FetchedPartition[] | undefined> {
  const client = createKafkaClient(options, logger);
  const tooLate = new AbortController();
  const giveUp = (): void => {
    tooLate.abort();
    client.cut();
  };
  const timer = setTimeout(giveUp, limits.timeoutMs);
  if (limits.signal?.aborted === true) giveUp();
  limits.signal?.addEventListener('abort', giveUp, { once: true });
  try {
    return await newest(new TopicReader(client), topic, limits);
  } catch (error) {
    if (errorFields(error).type === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined;
    throw new KafkaError(tooLate.signal.aborted ? new Error(`no answer within ${limits.timeoutMs} ms`) : error);
  } finally {
    clearTimeout(timer);
    limits.signal?.removeEventListener('abort', giveUp);
    client.cut();
  }
}

async function newest(reader: TopicReader, topic: string, { messages, bytes }: SampleLimits): Promise<readonly FetchedPartition[]> {
  await reader.open([topic]);
  const bounds = (await reader.bounds(topic)).filter(({ low, high }) => low < high);
  const each = Math.ceil(messages / Math.max(1, bounds.length));
  const found = await readAll(reader, topic, bounds, ({ low, high }) => Math.max(low, high - each), bytes);
  // The newest offsets may hold no messages: marks of transactions, or what compaction took away.
  return found.length > 0 ? found : readAll(reader, topic, bounds, ({ low }) => low, bytes);
}

async function readAll(
  reader: TopicReader,
  topic: string,
  bounds: readonly Bounds[],
  from: (bounds: Bounds) => number,
  maxBytes: number,
): Promise<FetchedPartition[]> {
  const fetched: FetchedPartition[] = [];
  let left = maxBytes;
  for (const one of bounds) {
    const read = await reader.read(topic, one, from(one), left);
    left -= read.reduce((total, { batches }) => total + batches.reduce((bytes, { records }) => bytes + records.length, 0), 0);
    fetched.push(...read.filter(({ batches }) => batches.length > 0));
    if (left <= 0) break;
  }
  return fetched;
}
