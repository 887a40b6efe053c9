import { randomBytes } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { useClickHouse, useKafka } from './servers.ts';

/** `<prefix>_<words of the test's title>_<random>`: valid, unquoted, as database, table, topic and group, and told apart in logs. */
export function uniqueName(t: Pick<ExecutionContext, 'title'>, prefix: string): string {
  const words = t.title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 30);
  return `${prefix}_${words}_${randomBytes(4).toString('hex')}`;
}

/** A fresh topic on the shared Kafka, deleted when the test ends; its name. */
export async function useTopic(t: ExecutionContext, partitions = 1, config: Readonly<Record<string, string>> = {}): Promise<string> {
  const kafka = await useKafka(t);
  const topic = uniqueName(t, 'topic');
  await kafka.createTopic(topic, partitions, config);
  t.teardown(async () => kafka.deleteTopic(topic));
  return topic;
}

/** A fresh database on the shared ClickHouse, dropped when the test ends; its name. */
export async function useDatabase(t: ExecutionContext): Promise<string> {
  const clickHouse = await useClickHouse(t);
  const database = uniqueName(t, 'db');
  await clickHouse.query(`CREATE DATABASE ${database}`);
  t.teardown(async () => clickHouse.query(`DROP DATABASE IF EXISTS ${database} SYNC`));
  return database;
}
