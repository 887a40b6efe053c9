import test from 'ava';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import {
  uniqueName,
  useClickHouse,
  useDatabase,
  useFolder,
  useKafka,
  useOwnClickHouse,
  useOwnKafka,
  useTopic,
  waitFor,
} from '../helpers/index.ts';
import { installOnce } from './cache.ts';
import { startOwnClickHouse } from './clickhouse.ts';
import { startProcess, type RunningProcess } from './process.ts';

// Client `x` 1.1 of revision 54058 as `default` in `default`.
const NATIVE_HELLO = Buffer.from('\0\x01x\x01\x01\xaa\xa6\x03\x07default\x07default\0', 'latin1');

test('the shared Kafka keeps what was produced and knows no group that never was', async (t) => {
  const kafka = await useKafka(t);
  const topic = await useTopic(t, 2);
  await kafka.produce(topic, [
    { value: 'a', partition: 0 },
    { value: 'b', partition: 1, key: 'k' },
    { value: 'c', partition: 1 },
  ]);
  t.deepEqual(await kafka.endOffsets(topic), [
    { partition: 0, low: 0n, high: 1n },
    { partition: 1, low: 0n, high: 2n },
  ]);
  const group = uniqueName(t, 'group');
  t.deepEqual(await kafka.groupOffsets(group), []);
  t.deepEqual(await kafka.groupMembers(group), []);
});

test('the native Kafka engine of the shared ClickHouse reads from the shared Kafka', async (t) => {
  const kafka = await useKafka(t);
  const clickHouse = await useClickHouse(t);
  const topic = await useTopic(t);
  const database = await useDatabase(t);
  const group = uniqueName(t, 'group');
  await kafka.produce(topic, ['{"id":1}', '{"id":2}']);
  await clickHouse.query(`CREATE TABLE ${database}.target (id UInt64) ENGINE = MergeTree ORDER BY id`);
  await clickHouse.query(
    `CREATE TABLE ${database}.queue (id UInt64) ENGINE = Kafka('${kafka.brokers}', '${topic}', '${group}', 'JSONEachRow')
      SETTINGS kafka_flush_interval_ms = 200`,
  );
  await clickHouse.query(`CREATE MATERIALIZED VIEW ${database}.view TO ${database}.target AS SELECT id FROM ${database}.queue`);
  await waitFor(async () => (await clickHouse.query(`SELECT count() FROM ${database}.target`)) === '2', { message: 'two rows' });
  t.deepEqual(await clickHouse.rows(`SELECT id FROM ${database}.target ORDER BY id`), [{ id: '1' }, { id: '2' }]);
  await waitFor(async () => (await kafka.groupOffsets(group)).some(({ offset }) => offset === 2n), { message: 'the commit of offset 2' });
});

test('a ClickHouse of its own has its users and keeps its tables over a kill', async (t) => {
  const clickHouse = await useOwnClickHouse(t, {
    usersXml: `<reader><password>secret</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
      <grants><query>GRANT SELECT ON *.*</query></grants></reader>`,
    configXml: '<query_log><database>system</database><table>query_log</table></query_log>',
  });
  await clickHouse.query('CREATE TABLE kept (a Int8) ENGINE = MergeTree ORDER BY a');
  await clickHouse.query('INSERT INTO kept VALUES (7)');
  const asReader = { user: 'reader', password: 'secret' };
  const response = await fetch(`${clickHouse.url}/?${new URLSearchParams({ ...asReader, query: 'SELECT currentUser()' }).toString()}`);
  t.is(await response.text(), 'reader\n');
  await clickHouse.kill();
  await t.throwsAsync(clickHouse.query('SELECT 1'));
  await clickHouse.restart();
  t.is(await clickHouse.query('SELECT a FROM kept'), '7');
});

test('ClickHouse logs what a broken connection does to it and goes on', async (t) => {
  const clickHouse = await useOwnClickHouse(t);
  for (const hello of [NATIVE_HELLO, Buffer.from('no hello')]) {
    const socket = connect(clickHouse.nativePort, '127.0.0.1');
    socket.write(hello);
    await once(socket, 'data');
    socket.resetAndDestroy();
  }
  await waitFor(() => clickHouse.output().includes('Connection reset by peer'), { message: 'the reset in the log' });
  await waitFor(() => clickHouse.output().includes('Unexpected packet from client'), { message: 'the packet in the log' });
  t.is(await clickHouse.query('SELECT 1'), '1');
});

test('a ClickHouse that dies by itself fails its queries and its stop with its last words', async (t) => {
  const clickHouse = await startOwnClickHouse();
  process.kill(clickHouse.pid, 'SIGSEGV');
  await waitFor(() => clickHouse.output().includes('Received signal'), { message: 'its last words' });
  const lastWords = /ClickHouse (crashed|ended by itself \(SIG\w+\))\n.*<Fatal>.*Received signal 11/s;
  await t.throwsAsync(clickHouse.query('SELECT 1'), { message: lastWords });
  await t.throwsAsync(clickHouse.stop(), { message: lastWords });
});

test('a broker of its own keeps its topics over a kill', async (t) => {
  const kafka = await useOwnKafka(t);
  await kafka.createTopic('kept');
  await kafka.produce('kept', ['a']);
  await kafka.kill();
  await kafka.restart();
  t.deepEqual(await kafka.endOffsets('kept'), [{ partition: 0, low: 0n, high: 1n }]);
});

test('a process that ends before it serves fails the start with what it printed', async (t) => {
  const folder = await useFolder(t);
  const start = startProcess({
    name: 'The patient',
    command: 'sh',
    args: ['-c', 'echo it hurts here; exit 3'],
    logFile: join(folder, 'log'),
    isReady: async () => Promise.resolve(false),
  });
  await t.throwsAsync(start, { message: /The patient ended with code 3 before it was ready\nit hurts here/ });
});

test('a process that ends by itself tells how, one that was stopped does not', async (t) => {
  const folder = await useFolder(t);
  const start = async (name: string, script: string): Promise<RunningProcess> =>
    startProcess({
      name,
      command: 'sh',
      args: ['-c', script],
      cwd: folder,
      logFile: join(folder, name),
      isReady: async () => Promise.resolve(true),
    });
  const patient = await start('patient', 'echo it hurts here; until [ -e end ]; do sleep 0.05; done; exit 3');
  await writeFile(join(folder, 'end'), '');
  await patient.exited();
  t.is(patient.crash(), 'patient ended by itself (code 3)\nit hurts here\n');
  const healthy = await start('healthy', 'exec sleep 60');
  t.is(healthy.crash(), undefined);
  await healthy.stop();
  t.is(healthy.crash(), undefined);
});

test.serial('an install happens once for all who ask at the same time, and a failed one leaves nothing', async (t) => {
  const folder = await useFolder(t);
  const previous = process.env['SLUICE_PARTS_CACHE'];
  process.env['SLUICE_PARTS_CACHE'] = join(folder, 'cache');
  t.teardown(() => {
    if (previous === undefined) delete process.env['SLUICE_PARTS_CACHE'];
    else process.env['SLUICE_PARTS_CACHE'] = previous;
  });
  const versions = join(folder, 'versions.txt');
  await writeFile(versions, '1');
  const install = { name: 'thing', files: [versions], command: 'sh', args: ['-c', `echo run >> ${folder}/runs; sleep 0.3; touch done`] };
  const folders = await Promise.all([installOnce(install), installOnce(install), installOnce(install)]);
  t.is(new Set(folders).size, 1);
  t.true(existsSync(join(folders[0], 'done')));
  await writeFile(versions, '2');
  await t.throwsAsync(installOnce({ ...install, args: ['-c', 'echo no network; exit 1'] }), { message: /ended with code 1\nno network/ });
  t.is((await readdir(join(folder, 'cache'))).length, 1);
});
