import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';
import { useSharedGateway } from '../helpers/gateway.ts';
import { uniqueName, useClickHouse, useDatabase, waitFor } from '../helpers/index.ts';
import { kafkaTableStatements, untilCancelled, useKafkaTable } from './scenarios.ts';

/** What curl prints, bytes as latin1. */
async function curl(args: readonly string[], input = ''): Promise<string> {
  const running = promisify(execFile)('curl', ['-sS', '--max-time', '60', ...args], { encoding: 'latin1', maxBuffer: 1e9 });
  // A curl that reads no input may have ended before it is given the end of it.
  running.child.stdin?.on('error', () => undefined).end(input);
  return (await running).stdout;
}

test('curl inserts and selects in volume', async (t) => {
  const { url } = await useSharedGateway(t);
  const server = await useClickHouse(t);
  const database = await useDatabase(t);
  t.is(await curl([url, '--data-binary', `CREATE TABLE ${database}.t (a UInt64) ENGINE = MergeTree ORDER BY a`]), '');
  const rows = Array.from({ length: 500_000 }, (_, i) => `${i}\n`).join('');
  t.is(await curl([`${url}/?query=INSERT+INTO+${database}.t+FORMAT+TSV`, '--data-binary', '@-'], rows), '');
  t.is(await curl([`${url}/?query=INSERT+INTO+${database}.t+FORMAT+TSV`, '-X', 'POST', '-T', '-'], rows), '');
  t.is(await server.query(`SELECT count() FROM ${database}.t`), '1000000');
  t.is((await curl([`${url}/?query=SELECT+a+FROM+${database}.t`])).length, 2 * rows.length);
  const compressed = await curl([`${url}/?query=SELECT+a+FROM+${database}.t&enable_http_compression=1`, '--compressed']);
  t.is(compressed.length, 2 * rows.length);
});

test('curl without data posts as it always did: the server wants a length', async (t) => {
  const { url } = await useSharedGateway(t);
  const server = await useClickHouse(t);
  for (const target of ['/', '/?query=SELECT+1']) {
    const ask = async (base: string): Promise<string> => curl(['-X', 'POST', '-w', '%{http_code}', base + target]);
    t.is(await ask(url), await ask(server.url));
    t.regex(await ask(url), /HTTP_LENGTH_REQUIRED[^]*411$/);
  }
});

test('curl gets errors with their code, status and text', async (t) => {
  const { url } = await useSharedGateway(t);
  const answer = await curl(['-i', `${url}/?query=SELECT+nope`]);
  t.regex(answer, /^HTTP\/1\.1 404 Not Found\r\n/);
  t.regex(answer, /\r\nX-ClickHouse-Exception-Code: 47\r\n/);
  t.regex(answer, /\r\n\r\nCode: 47\. DB::Exception: Unknown expression identifier `nope`/);
});

test('curl waits for 100 Continue and gets it', async (t) => {
  const { url } = await useSharedGateway(t);
  t.regex(
    await curl(['-i', '-H', 'Expect: 100-continue', url, '--data', 'SELECT 1']),
    /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n1\n$/,
  );
  t.regex(
    await curl(['-i', '-H', 'Expect: 100-continue', `${url}/?query=SELECT`, '--data', '1']),
    /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n1\n$/,
  );
});

test('curl sends an external table as a form', async (t) => {
  const { url } = await useSharedGateway(t);
  const args = ['-F', 'ext=@-;filename=ext', `${url}/?query=SELECT+sum(a)+FROM+ext&ext_structure=a+UInt64`];
  t.is(await curl(args, '1\n2\n3\n'), '6\n');
});

test('curl speaks HTTP/1.0, too', async (t) => {
  const { url } = await useSharedGateway(t);
  t.is(await curl(['-0', `${url}/?query=SELECT+number+FROM+numbers(3)`]), '0\n1\n2\n');
});

test('curl creates a Kafka table and sees its rows arrive', async (t) => {
  const { database, gateway, engine } = await useKafkaTable(t);
  const target = `${gateway.url}/?database=${database}`;
  for (const statement of kafkaTableStatements(engine)) t.is(await curl([target, '--data-binary', statement]), '');
  t.regex(await curl([target, '--data-binary', 'SHOW CREATE TABLE queue']), /ENGINE = Kafka/);
  t.regex(await curl([target, '--data-binary', 'SELECT * FROM queue']), /^Code: 620\. DB::Exception: Direct select is not allowed/);
  await waitFor(async () => (await curl([target, '--data-binary', 'SELECT count(), sum(id) FROM target'])) === '100\t4950\n');
});

test('curl is stopped in the middle of a result', async (t) => {
  const { url } = await useSharedGateway(t);
  const queryId = uniqueName(t, 'query');
  const running = spawn('curl', ['-sSN', `${url}/?query=SELECT+number+FROM+system.numbers&query_id=${queryId}`]);
  t.teardown(() => running.kill());
  await new Promise((resolve) => running.stdout.once('data', resolve));
  running.kill();
  await untilCancelled(t, await useClickHouse(t), queryId);
});
