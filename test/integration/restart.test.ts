import test from 'ava';
import { useGateway } from '../helpers/gateway.ts';
import { uniqueName, useOwnClickHouse, waitFor } from '../helpers/index.ts';
import { readCommitted } from '../helpers/read-committed.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

const COLUMNS = '(id UInt64, name String)';
const TARGET = `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id`;
const VIEW = 'CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue';

function rows(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => JSON.stringify({ id: from + i, name: `n${from + i}` }));
}

/** Less than the session time-out (45 s), however busy the machine is: a member that is gone by then has left, and was not forgotten. */
const BEFORE_A_SESSION_ENDS_MS = 35_000;

/** Waits until the group has so many members and none of them is joining: in the middle of a rebalance rows may come twice (at least once). */
async function isSettled({ kafka, group }: Stream, members: number, timeoutMs?: number): Promise<void> {
  await waitFor(
    async () => (await kafka.groupMembers(group)).length === members && ['Stable', 'Empty'].includes(await kafka.groupState(group)),
    { message: `the group has ${members} members`, ...(timeoutMs !== undefined && { timeoutMs }) },
  );
}

test.serial('a gateway killed in the middle loses nothing: the next one goes on', async (t) => {
  const first = await useGateway(t);
  const stream = await useStream(t, { partitions: 3, gateway: first });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: 'kafka_max_block_size = 500' })}`, TARGET, VIEW);
  const producing = (async () => {
    for (let i = 0; i < 20; i++) await stream.kafka.produce(stream.topic, rows(i * 500, (i + 1) * 500));
  })();
  await waitFor(async () => Number(await stream.direct('SELECT count() FROM target')) > 1000);
  await first.kill();
  await producing;
  const second = await useGateway(t);
  t.truthy(second.pid);
  // The dead member's session (45 s) has to expire before its partitions are given out again.
  await waitFor(async () => (await stream.direct('SELECT uniqExact(id) FROM target')) === '10000', { timeoutMs: 170_000 });
});

test.serial('a gateway killed among dead letters neither loses nor doubles one', async (t) => {
  const first = await useGateway(t);
  const stream = await useStream(t, { gateway: first });
  const topic = uniqueName(t, 'letters');
  await stream.kafka.createTopic(topic);
  const total = 3000;
  const isBroken = (i: number): boolean => i % 10 === 3;
  await stream.kafka.produce(
    stream.topic,
    Array.from({ length: total }, (_, i) => (isBroken(i) ? `{"id":"broken ${i}"}` : `{"id":${i},"name":"n"}`)),
  );
  const settings = `kafka_handle_error_mode = 'dead_letter_queue', kafka_dead_letter_topic = '${topic}'`;
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings })}`, TARGET, VIEW);
  const letters = `SELECT count(), uniqExact(kafka_offset) FROM system.dead_letter_queue FINAL WHERE database = '${stream.database}'`;
  // Its table has letters, and nothing is committed yet, or has just been.
  await waitFor(async () => Number((await stream.direct(letters)).split('\t')[0]) > 0);
  await first.kill();
  await useGateway(t);
  const broken = total / 10;
  await waitFor(async () => (await stream.direct('SELECT uniqExact(id) FROM target')) === String(total - broken), { timeoutMs: 170_000 });
  await waitFor(async () => (await stream.direct(letters)) === `${broken}\t${broken}`);
  await waitFor(async () => (await stream.kafka.groupOffsets(stream.group)).some(({ offset }) => offset === BigInt(total)));
  const sent = await readCommitted(t, stream.kafka, topic, broken);
  t.is(sent.length, broken);
  t.is(new Set(sent.map(({ headers }) => String(headers?.['sluice.offset']))).size, broken);
});

test.serial('SIGTERM finishes and commits what is under way, leaves the group and exits with 0', async (t) => {
  const first = await useGateway(t);
  const stream = await useStream(t, { partitions: 2, gateway: first });
  await stream.kafka.produce(stream.topic, rows(0, 3000));
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: 'kafka_max_block_size = 100' })}`, TARGET, VIEW);
  await waitFor(async () => Number(await stream.direct('SELECT count() FROM target')) > 0);
  t.is(await first.stop(), 0);
  await isSettled(stream, 0, BEFORE_A_SESSION_ENDS_MS);
  await useGateway(t);
  await waitFor(async () => (await stream.direct('SELECT uniqExact(id) FROM target')) === '3000');
  t.is(await stream.direct('SELECT count() FROM target'), '3000', 'nothing came twice');
});

test.serial('two gateways share a table’s partitions and no row comes twice', async (t) => {
  const first = await useGateway(t);
  const stream = await useStream(t, { partitions: 4, gateway: first });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await stream.kafka.produce(stream.topic, rows(0, 1000));
  await waitFor(async () => (await stream.direct('SELECT count() FROM target')) === '1000');
  const second = await useGateway(t);
  await isSettled(stream, 2);
  await stream.kafka.produce(stream.topic, rows(1000, 2000));
  await waitFor(async () => (await stream.direct('SELECT uniqExact(id) FROM target')) === '2000');
  await second.stop();
  await isSettled(stream, 1, BEFORE_A_SESSION_ENDS_MS);
  await stream.kafka.produce(stream.topic, rows(2000, 3000));
  await waitFor(async () => (await stream.direct('SELECT uniqExact(id) FROM target')) === '3000');
  t.is(await stream.direct('SELECT count() FROM target'), '3000');
});

test.serial('a view made through one gateway gets every virtual column, also of rows that another one reads', async (t) => {
  const first = await useGateway(t);
  const stream = await useStream(t, { partitions: 4, gateway: first });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  let produced = 0;
  const produceMore = async (): Promise<void> => {
    await stream.kafka.produce(stream.topic, rows(produced, produced + 100));
    produced += 100;
  };
  await produceMore();
  await stream.answers('SELECT count() FROM target', '100');
  const second = await useGateway(t);
  const viewMade = new AbortController();
  const producing = (async () => {
    while (!viewMade.signal.aborted) await produceMore();
    await produceMore();
  })();
  const through = async (sql: string): Promise<void> => {
    const answer = await fetch(`${second.url}/?database=${stream.database}`, { method: 'POST', body: sql });
    t.is(answer.status, 200, await answer.text());
  };
  await through('CREATE TABLE places (id UInt64, topic String, offset UInt64) ENGINE = MergeTree ORDER BY id');
  await through('CREATE MATERIALIZED VIEW mv_places TO places AS SELECT id, _topic AS topic, _offset AS offset FROM queue');
  viewMade.abort();
  await producing;
  await stream.answers('SELECT uniqExact(id) FROM target', String(produced));
  t.not(await stream.direct('SELECT count() FROM places'), '0');
  t.is(await stream.direct(`SELECT count() FROM places WHERE topic != '${stream.topic}'`), '0');
});

test.serial('a ClickHouse that goes away and comes back gets all rows', async (t) => {
  const clickHouse = await useOwnClickHouse(t);
  const gateway = await useGateway(t, { clickHouseUrl: clickHouse.url, clickHouseNativePort: clickHouse.nativePort });
  const stream = await useStream(t, { gateway });
  await clickHouse.query(`CREATE DATABASE ${stream.database}`);
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await stream.kafka.produce(stream.topic, rows(0, 100));
  await stream.answers('SELECT count() FROM target', '100');
  await clickHouse.kill();
  await stream.kafka.produce(stream.topic, rows(100, 200));
  const refused = await t.throwsAsync(stream.sql('SELECT 1'));
  t.regex(refused.message, /^Code: 210\. DB::Exception: .*\(NETWORK_ERROR\)/s);
  await clickHouse.restart();
  await stream.answers('SELECT uniqExact(id) FROM target', '200');
});
