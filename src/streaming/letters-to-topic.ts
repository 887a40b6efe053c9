import type { ManagedTable } from '../catalog/index.ts';
import { sendWithOffset, type ClientOptions, type ProducedMessage, type TopicPartition } from '../kafka/index.ts';
import type { Logger } from '../logger.ts';
import { headersOf, wholeValueOf } from './message-rows.ts';
import type { BrokenMessage } from './broken-message.ts';

/**
 * Sends broken messages to the table's dead-letter topic as they are, with headers that tell why and where from, in one transaction with the commit of
 * `next`: a crash neither loses nor doubles a letter for readers with `read_committed`.
 */
export async function lettersToTopic(
  client: ClientOptions,
  { database, table, options }: ManagedTable,
  { topic, partition }: TopicPartition,
  broken: readonly BrokenMessage[],
  next: number,
  logger: Logger,
): Promise<void> {
  const origin = (message: BrokenMessage): ProducedMessage['headers'] =>
    Object.entries({
      'sluice.error': message.error,
      'sluice.table': `${database}.${table}`,
      'sluice.topic': topic,
      'sluice.partition': String(partition),
      'sluice.offset': String(message.message.offset),
      'sluice.timestamp_ms': String(message.message.timestampMs),
    }).map(([name, value]) => ({ name, value: Buffer.from(value) }));
  const messages = broken.map((one): ProducedMessage => {
    const { bytes, keyStart, keyEnd } = one.message;
    const own = headersOf(one.message).map(({ name, value }) => ({ name: name.toString(), value }));
    return {
      key: keyEnd < keyStart ? null : bytes.subarray(keyStart, keyEnd),
      value: wholeValueOf(one.message),
      headers: [...own, ...origin(one)],
    };
  });
  const transactionalId = `sluice-dead-letters/${options.groupName}/${topic}/${partition}`;
  const commit = { topic, partition, groupId: options.groupName, offset: next };
  await sendWithOffset(client, { transactionalId, topic: options.deadLetterTopic, messages, commit }, logger);
}
