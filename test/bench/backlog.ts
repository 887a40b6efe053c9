import { randomBytes } from 'node:crypto';
import type { ClickHousePart } from '../parts/clickhouse.ts';
import type { KafkaPart } from '../parts/kafka.ts';

export interface Backlog {
  readonly topic: string;
  readonly partitions: number;
  /** A SELECT whose rows become messages, one each. */
  readonly sql: string;
  /** Declared columns of these rows, `name Type, …`. */
  readonly columns: string;
  readonly format: string;
  readonly codec: 'none' | 'lz4' | 'zstd';
}

/** Fills a topic that exists by the server's own producer, which compresses whole batches and makes some 200,000 messages a second. */
export async function produceBacklog(kafka: KafkaPart, clickHouse: ClickHousePart, backlog: Backlog): Promise<void> {
  const table = `default.producer_${randomBytes(4).toString('hex')}`;
  await clickHouse.query(
    `CREATE TABLE ${table} (${backlog.columns}) ENGINE = Kafka SETTINGS kafka_broker_list = '${kafka.brokers}', kafka_topic_list = '${backlog.topic}',
      kafka_group_name = 'bench-producer', kafka_format = '${backlog.format}', kafka_compression_codec = '${backlog.codec}'`,
  );
  await clickHouse.query(`INSERT INTO ${table} ${backlog.sql}`);
  await clickHouse.query(`DROP TABLE ${table} SYNC`);
}

/**
 * Throws unless `table` (columns partition, offset) holds each message of the topic exactly once. The topic must have no offsets without a message:
 * no transactions, no compaction.
 */
export async function checkEachOnce(kafka: KafkaPart, clickHouse: ClickHousePart, table: string, topic: string): Promise<void> {
  const found = await clickHouse.rows<{ partition: string; total: string; distinct: string; first: string; last: string }>(
    `SELECT toString(partition) AS partition, count() AS total, uniqExact(offset) AS distinct, min(offset) AS first, max(offset) AS last FROM ${table} GROUP BY partition`,
  );
  for (const { partition, low, high } of await kafka.endOffsets(topic)) {
    const messages = String(high - low);
    const rows = found.find((row) => row.partition === String(partition));
    if (messages === '0' && rows === undefined) continue;
    if (rows?.total !== messages || rows.distinct !== messages || rows.first !== String(low) || rows.last !== String(high - 1n)) {
      throw new Error(
        `${table}: partition ${partition} of ${topic} has offsets ${low} to ${high - 1n}, but arrived as ${JSON.stringify(rows)}`,
      );
    }
  }
}
