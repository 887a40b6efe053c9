import { Readable } from 'node:stream';
import { ClickHouseError, ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import test, { type ExecutionContext } from 'ava';
import { useSharedGateway } from '../helpers/gateway.ts';
import { uniqueName, useClickHouse, useDatabase, waitFor } from '../helpers/index.ts';
import { kafkaTableStatements, untilCancelled, useKafkaTable } from './scenarios.ts';

async function useClient(t: ExecutionContext, options: Parameters<typeof createClient>[0] = {}): Promise<ClickHouseClient> {
  const gateway = await useSharedGateway(t);
  const client = createClient({ url: gateway.url, database: await useDatabase(t), ...options });
  t.teardown(async () => client.close());
  return client;
}

test('@clickhouse/client inserts and selects in volume', async (t) => {
  const client = await useClient(t);
  await client.command({ query: 'CREATE TABLE t (id UInt64, s String) ENGINE = MergeTree ORDER BY id' });
  const rows = Readable.from(Array.from({ length: 200_000 }, (_, id) => ({ id, s: `row ${id}` })));
  await client.insert({ table: 't', values: rows, format: 'JSONEachRow' });
  const result = await client.query({ query: 'SELECT * FROM t ORDER BY id', format: 'JSONCompactEachRow' });
  let count = 0;
  for await (const part of result.stream()) count += part.length;
  t.is(count, 200_000);
});

test('@clickhouse/client compresses in both directions', async (t) => {
  const client = await useClient(t, { compression: { request: true, response: true } });
  await client.command({ query: 'CREATE TABLE t (id UInt64) ENGINE = Memory' });
  await client.insert({ table: 't', values: Array.from({ length: 10_000 }, (_, id) => ({ id })), format: 'JSONEachRow' });
  const result = await client.query({ query: 'SELECT sum(id) AS s FROM t', format: 'JSONEachRow' });
  t.deepEqual(await result.json(), [{ s: 49_995_000 }]);
});

test('@clickhouse/client keeps a session and its temporary table', async (t) => {
  const client = await useClient(t, { session_id: uniqueName(t, 'session'), max_open_connections: 1 });
  await client.command({ query: 'CREATE TEMPORARY TABLE tmp (a UInt8)' });
  await client.insert({ table: 'tmp', values: [{ a: 1 }, { a: 2 }], format: 'JSONEachRow' });
  const result = await client.query({
    query: 'SELECT sum(a) AS s FROM tmp WHERE a < {limit:UInt8}',
    query_params: { limit: 9 },
    format: 'JSONEachRow',
  });
  t.deepEqual(await result.json(), [{ s: 3 }]);
});

test('@clickhouse/client gets errors with their code and type', async (t) => {
  const client = await useClient(t, { log: { level: ClickHouseLogLevel.OFF } });
  const error = await t.throwsAsync(client.query({ query: 'SELECT * FROM no_such_table' }), { instanceOf: ClickHouseError });
  t.is(error.code, '60');
  t.is(error.type, 'UNKNOWN_TABLE');
});

test('@clickhouse/client pings through the gateway', async (t) => {
  const client = await useClient(t);
  t.true((await client.ping()).success);
  t.true((await client.ping({ select: true })).success);
});

test('@clickhouse/client creates a Kafka table and sees its rows arrive', async (t) => {
  const { database, gateway, engine } = await useKafkaTable(t);
  const client = createClient({ url: gateway.url, database, log: { level: ClickHouseLogLevel.OFF } });
  t.teardown(async () => client.close());
  for (const query of kafkaTableStatements(engine)) await client.command({ query });
  const rowsOf = async (query: string): Promise<unknown[]> => (await client.query({ query, format: 'JSONEachRow' })).json();
  const [created] = (await rowsOf('SHOW CREATE TABLE queue')) as { statement: string }[];
  t.regex(created?.statement ?? '', /ENGINE = Kafka/);
  await t.throwsAsync(rowsOf('SELECT * FROM queue'), { instanceOf: ClickHouseError, code: '620' });
  await waitFor(
    async () =>
      JSON.stringify(await rowsOf('SELECT toUInt32(count()) AS n, toUInt32(sum(id)) AS s FROM target')) === '[{"n":100,"s":4950}]',
  );
});

test('@clickhouse/client aborts a result in the middle', async (t) => {
  const client = await useClient(t, { log: { level: ClickHouseLogLevel.OFF } });
  const aborting = new AbortController();
  const queryId = uniqueName(t, 'query');
  const query = { query: 'SELECT number FROM system.numbers', format: 'JSONCompactEachRow', query_id: queryId } as const;
  const result = await client.query({ ...query, abort_signal: aborting.signal });
  const stream = result.stream().on('error', () => undefined);
  await new Promise((resolve) => stream.once('data', resolve));
  aborting.abort();
  stream.destroy();
  await untilCancelled(t, await useClickHouse(t), queryId);
});
