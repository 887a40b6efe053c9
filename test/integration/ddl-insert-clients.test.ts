import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createClient } from '@clickhouse/client';
import test, { type ExecutionContext } from 'ava';
import { usePythonDriver } from '../clients/python/driver.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { debianProgram } from '../parts/debian.ts';
import { KAFKA_ENGINE, useWriting, type Writing } from '../query/writing.ts';

ownClickHouse();

const run = promisify(execFile);

/** A Kafka table, whose delivery takes as long as a client needs to hear that the gateway lives. */
async function useSlowQueue(t: ExecutionContext): Promise<Writing & { readonly count: () => Promise<string> }> {
  const writing = await useWriting(t);
  t.is(await writing.sql(`CREATE TABLE q (id UInt64, s String) ${KAFKA_ENGINE}`), '');
  writing.outboxes.delivered = async () => new Promise((resolve) => setTimeout(resolve, 150));
  return { ...writing, count: async () => writing.direct('SELECT count() FROM `.outbox.q`') };
}

test('clickhouse-driver writes to a Kafka table', async (t) => {
  const python = await usePythonDriver();
  const { nativePort, database, count } = await useSlowQueue(t);
  const program = `
from clickhouse_driver import Client, errors
for compression in (False, 'lz4', 'zstd'):
    client = Client('127.0.0.1', port=${nativePort}, database='${database}', compression=compression)
    assert client.execute('INSERT INTO q (id, s) VALUES', [(i, 'd') for i in range(1000)]) == 1000
    assert client.execute('INSERT INTO q VALUES', [{'id': 1, 's': 'd'}]) == 1
    client.execute("INSERT INTO q SELECT number, 'x' FROM numbers(5)")
    try:
        client.execute('INSERT INTO q (nosuch) VALUES', [(1,)])
        assert False
    except errors.ServerException as error:
        assert error.code == 16 and '${database}.q (' in error.message, error
    assert client.execute('SELECT 1') == [(1,)]
`;
  await t.notThrowsAsync(run(python, ['-c', program]));
  t.is(await count(), '3018');
});

test('a clickhouse-client of 2018 writes to a Kafka table', async (t) => {
  const { command, env } = await debianProgram('clickhouse-client', ['clickhouse-client', 'clickhouse-common']);
  const { nativePort, database, count } = await useSlowQueue(t);
  const client = async (statement: string): Promise<unknown> =>
    run(command, ['--host', '127.0.0.1', '--port', String(nativePort), '--database', database, '--query', statement], { env });
  await client("INSERT INTO q VALUES (1, 'a'), (2, 'b')");
  await client("INSERT INTO q (id, _key) VALUES (3, 'k')");
  await client("INSERT INTO q SELECT number, 'x' FROM system.numbers LIMIT 5");
  await t.throwsAsync(client('INSERT INTO q (nosuch) VALUES (1)'), { message: /No such column nosuch in table \w+\.q/ });
  t.is(await count(), '8');
});

test('the JavaScript client writes to a Kafka table', async (t) => {
  const { url, database, count } = await useSlowQueue(t);
  for (const request of [true, false]) {
    const client = createClient({ url, database, compression: { request, response: true } });
    t.teardown(async () => client.close());
    const values = Array.from({ length: 1000 }, (_, id) => ({ id, s: 'x' }));
    const { summary } = await client.insert({ table: 'q', values, format: 'JSONEachRow' });
    t.is(summary?.written_rows, '1000');
    await client.insert({ table: 'q', values: [[1]], columns: ['id'], format: 'JSONCompactEachRow' });
    await client.command({ query: 'INSERT INTO {t:Identifier} (id) SELECT {n:UInt8}', query_params: { t: 'q', n: 1 } });
    await t.throwsAsync(client.insert({ table: 'q', values: [[1]], columns: ['nosuch'], format: 'JSONCompactEachRow' }), {
      message: new RegExp(`No such column nosuch in table ${database}\\.q \\(`),
    });
  }
  t.is(await count(), '2004');
});
