import type { Logger } from '../logger.ts';
import { createKafkaClient, type ClientOptions } from './client.ts';
import { KafkaError } from './errors.ts';
import { TopicReader } from './topic-reader.ts';
import type { FetchedPartition, TopicPartition } from './types.ts';

/** Offsets `first` up to `next` (exclusive). */
export interface WantedRange extends TopicPartition {
  readonly first: number;
  readonly next: number;
}

/**
 * What the topics still hold of these ranges, in their order, read outside of any group: nothing is joined or committed. Offsets that retention or a deletion
 * took away are left out; more than the range may be at its ends. Throws `KafkaError` when a broker does not answer, a topic does not exist, or `signal` is aborted.
 */
export async function readRanges(
  options: ClientOptions,
  ranges: readonly WantedRange[],
  signal: AbortSignal,
  logger: Logger,
): Promise<readonly (readonly FetchedPartition[])[]> {
  const client = createKafkaClient(options, logger);
  const cut = (): void => client.cut();
  signal.addEventListener('abort', cut);
  try {
    const reader = new TopicReader(client);
    const topics = [...new Set(ranges.map(({ topic }) => topic))];
    await reader.open(topics);
    const bounds = new Map<string, Awaited<ReturnType<TopicReader['bounds']>>>();
    for (const topic of topics) bounds.set(topic, await reader.bounds(topic));
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
