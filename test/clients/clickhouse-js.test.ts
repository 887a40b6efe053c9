import { Readable } from 'node:stream';
import { ClickHouseError, ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import test, { type ExecutionContext } from 'ava';
import { useSharedGateway } from '../helpers/gateway.ts';
import { uniqueName, useDatabase } from '../helpers/index.ts';

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
