import type { ExecutionContext } from 'ava';
import { waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';
import type { ClickHousePart } from '../parts/clickhouse.ts';

/** 100 messages `{"id": 0…99, "name": "n…"}` for the stream's topic. */
export async function produceHundred({ kafka, topic }: Pick<Stream, 'kafka' | 'topic'>): Promise<void> {
  const messages = Array.from({ length: 100 }, (_, id) => JSON.stringify({ id, name: `n${id}` }));
  await kafka.produce(topic, messages);
}

/** A topic with those messages, a database, and the engine's clause for a table that reads them. */
export async function useKafkaTable(t: ExecutionContext): Promise<Omit<Stream, 'engine'> & { readonly engine: string }> {
  const stream = await useStream(t);
  await produceHundred(stream);
  return { ...stream, engine: stream.engine() };
}

/** The statements of a user with a topic: queue, target, view. */
export function kafkaTableStatements(engine: string): string[] {
  return [
    `CREATE TABLE queue (id UInt64, name String) ${engine}`,
    'CREATE TABLE target (id UInt64, name String) ENGINE = MergeTree ORDER BY id',
    'CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue',
  ];
}

/** Waits until the server runs no query of this id any more. */
export async function untilCancelled(t: ExecutionContext, server: ClickHousePart, queryId: string): Promise<void> {
  await waitFor(async () => (await server.query(`SELECT count() FROM system.processes WHERE query_id = '${queryId}'`)) === '0');
  t.pass();
}
