import type { Logger } from '../logger.ts';
import { createKafkaClient, type ClientOptions } from './client.ts';
import { errorFields, KafkaError } from './errors.ts';
import { TopicReader, type Bounds } from './topic-reader.ts';
import type { FetchedPartition, TopicPartition } from './types.ts';

/** Offsets `first` up to `next` (exclusive). */
export interface WantedRange extends TopicPartition {
  readonly first: number;
  readonly next: number;
}

/**
 * What the topics still hold of these ranges, in their order, read outside of any group: nothing is joined or committed. Offsets that retention or a deletion
 * took away are left out, and so are those of topics that do not exist when they are `gone`; more than the range may be at its ends. Throws `KafkaError` when
 * a broker does not answer, a topic does not exist that is not `gone`, or `signal` is aborted.
 */
export async function readRanges(
  options: ClientOptions,
  ranges: readonly WantedRange[],
  missingTopics: 'error' | 'gone',
  signal: AbortSignal,
  logger: Logger,
): Promise<readonly (readonly FetchedPartition[])[]> {
  const client = createKafkaClient(options, logger);
  const cut = (): void => client.cut();
  signal.addEventListener('abort', cut);
  try {
    const reader = new TopicReader(client);
    const bounds = new Map<string, readonly Bounds[]>();
    for (const topic of new Set(ranges.map((range) => range.topic))) bounds.set(topic, await boundsOf(reader, topic, missingTopics));
    const read: (readonly FetchedPartition[])[] = [];
    for (const { topic, partition, first, next } of ranges) {
      const has = bounds.get(topic)?.find((one) => one.partition === partition) ?? { low: 0, high: 0 };
      const [from, high] = [Math.max(first, has.low), Math.min(next, has.high)];
      const fetched = from < high ? await reader.read(topic, { partition, high }, from, Infinity) : [];
      if (from < high && (fetched.at(-1)?.nextOffset ?? from) < high)
        throw new Error(`${topic}[${partition}] could not be read up to ${high}`);
      read.push(fetched);
    }
    return read;
  } catch (error) {
    throw new KafkaError(error);
  } finally {
    signal.removeEventListener('abort', cut);
    client.cut();
  }
}

async function boundsOf(reader: TopicReader, topic: string, missingTopics: 'error' | 'gone'): Promise<readonly Bounds[]> {
  try {
    await reader.open([topic]);
    return await reader.bounds(topic);
  } catch (error) {
    if (missingTopics === 'gone' && errorFields(error).type === 'UNKNOWN_TOPIC_OR_PARTITION') return [];
    throw error;
  }
}
