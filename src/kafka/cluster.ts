import type { Cluster } from 'kafkajs';
import type { KafkaClient } from './client.ts';

/** Kafka's numbers for `isolation.level`. */
const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;
const METADATA_MAX_AGE_MS = 300_000;

/** A cluster outside of any group, not connected yet: kafkajs shows its own to partition assigners only. */
export function createCluster(client: Pick<KafkaClient, 'kafka' | 'readsUncommitted'>): Cluster {
  const { kafka } = client;
  const symbol = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === 'private:Kafka:createCluster');
  const create = symbol && (kafka as unknown as Record<symbol, (options: Readonly<Record<string, unknown>>) => Cluster>)[symbol];
  if (create === undefined) throw new Error('kafkajs has no createCluster, another version is installed than the one that is known');
  return create({ metadataMaxAge: METADATA_MAX_AGE_MS, allowAutoTopicCreation: false, isolationLevel: isolationLevelOf(client) });
}

export function isolationLevelOf({ readsUncommitted }: Pick<KafkaClient, 'readsUncommitted'>): number {
  return readsUncommitted ? READ_UNCOMMITTED : READ_COMMITTED;
}
