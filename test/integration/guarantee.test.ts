import test from 'ava';
import { useClickHouse, useOwnClickHouse, waitFor } from '../helpers/index.ts';
import { UNCHECKED, useGateway } from '../helpers/gateway.ts';
import { SERVER_PACKETS } from '../../src/protocol/index.ts';
import { useNativeClient } from '../frontend/native/helpers/native-client.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

interface Report {
  readonly database: string;
  readonly table: string;
  readonly state: string;
  readonly reason?: string;
  readonly delivery: {
    readonly guarantee: string;
    readonly prevents: readonly { readonly table: string; readonly reason: string; readonly statement?: string }[];
    readonly targets: readonly { readonly table: string; readonly blocks: number; readonly seconds?: number }[];
  };
  readonly rows_inserted: number;
  readonly commits: number;
  readonly last_commit: string | null;
  readonly exceptions: readonly { readonly time: string; readonly text: string }[];
}

/** What `/status` says of the test's table. */
async function reportOf({ gateway, database }: Stream, table = 'q'): Promise<Report | undefined> {
  const { tables } = (await (await fetch(`${gateway.adminUrl}/status`)).json()) as { tables: Report[] };
  return tables.find((one) => one.database === database && one.table === table);
}

async function waitForReport(stream: Stream, isWanted: (report: Report) => boolean, table = 'q'): Promise<Report> {
  return waitFor(
    async () => {
      const report = await reportOf(stream, table);
      if (report === undefined || !isWanted(report)) throw new Error(`/status says ${JSON.stringify(report)}`);
      return report;
    },
    { message: '/status' },
  );
}

const WINDOW = 'SETTINGS non_replicated_deduplication_window = 1000';

test('a table whose targets remember blocks is delivered to exactly once, and the status counts what it did', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE q (id UInt64) ${stream.engine()}`,
    `CREATE TABLE target (id UInt64) ENGINE = MergeTree ORDER BY id ${WINDOW}`,
  );
  t.like(await reportOf(stream), { state: 'no views', last_commit: null });
  await stream.sql(
    'CREATE MATERIALIZED VIEW v TO target AS SELECT id FROM q',
    `CREATE MATERIALIZED VIEW sums ENGINE = SummingMergeTree ORDER BY id ${WINDOW} AS SELECT id FROM target`,
  );
  await stream.kafka.produce(stream.topic, ['{"id":1}', '{"id":2}']);
  await stream.answers('SELECT count() FROM target', '2');
  // The first commit is the intent's, before the rows.
  const report = await waitForReport(stream, ({ rows_inserted: rows }) => rows === 2);
  t.like(report, { state: 'streaming', exceptions: [] });
  t.is(report.delivery.guarantee, 'exactly once');
  t.deepEqual(
    report.delivery.targets.map(({ blocks }) => blocks),
    [1000, 1000],
  );
  t.true(Math.abs(Date.parse(report.last_commit ?? '') - Date.now()) < 120_000);
});

test('status and log name the target that prevents exactly-once; the statement they give works while the table streams', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE q (id UInt64) ${stream.engine()}`,
    'CREATE TABLE `my target` (id UInt64) ENGINE = MergeTree ORDER BY id',
    'CREATE MATERIALIZED VIEW v TO `my target` AS SELECT id FROM q',
    'CREATE MATERIALIZED VIEW inner ENGINE = ReplacingMergeTree ORDER BY id AS SELECT id FROM `my target`',
  );
  await stream.kafka.produce(stream.topic, ['{"id":1}']);
  await stream.answers('SELECT count() FROM inner', '1');
  const { delivery } = await waitForReport(stream, (report) => report.delivery.prevents.length === 2);
  t.is(delivery.guarantee, 'at least once');
  t.regex(delivery.prevents[0]?.table ?? '', /\.\.inner_id\./);
  t.deepEqual(delivery.prevents[1], {
    table: `${stream.database}.my target`,
    reason: 'non_replicated_deduplication_window is 0',
    statement: `ALTER TABLE \`${stream.database}\`.\`my target\` MODIFY SETTING non_replicated_deduplication_window = 10000`,
  });
  t.regex(stream.gateway.logs(), new RegExp(`"level":40[^\\n]*"${stream.database}.q"[^\\n]*"delivery is at least once"`));

  const members = await stream.kafka.groupMembers(stream.group);
  for (const { statement = '' } of delivery.prevents) await stream.direct(statement);
  await waitForReport(stream, (report) => report.delivery.guarantee === 'exactly once');
  await stream.kafka.produce(stream.topic, ['{"id":2}']);
  await stream.answers('SELECT count() FROM inner', '2');
  t.deepEqual(await stream.kafka.groupMembers(stream.group), members, 'the stream went on');
  t.regex(stream.gateway.logs(), new RegExp(`"${stream.database}.q"[^\\n]*"delivery is exactly once"`));
});

/** The answer's notice to this statement, sent by HTTP. */
async function noticeOf({ gateway, database }: Stream, statement: string, settings = ''): Promise<string | null> {
  const answer = await fetch(`${gateway.url}/?database=${database}${settings}`, { method: 'POST', body: statement });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.headers.get('x-sluice-notice');
}

test('CREATE tells a client of the HTTP interface in a header which target prevents exactly-once and what changes it, once', async (t) => {
  const stream = await useStream(t);
  const { database } = stream;
  t.is(await noticeOf(stream, `CREATE TABLE q (id UInt64) ${stream.engine()}`), null);
  t.is(await noticeOf(stream, `CREATE TABLE good (id UInt64) ENGINE = MergeTree ORDER BY id ${WINDOW}`), null);
  t.is(await noticeOf(stream, 'CREATE TABLE `bäd` (id UInt64) ENGINE = MergeTree ORDER BY id'), null);
  t.is(await noticeOf(stream, 'CREATE MATERIALIZED VIEW v TO good AS SELECT id FROM q'), null);
  t.is(
    await noticeOf(stream, 'CREATE MATERIALIZED VIEW w TO `bäd` AS SELECT id FROM good'),
    `Delivery of ${database}.q is at least once, not exactly once. ${database}.b\\u00e4d: non_replicated_deduplication_window is 0; change it by ` +
      `ALTER TABLE \`${database}\`.\`b\\u00e4d\` MODIFY SETTING non_replicated_deduplication_window = 10000.`,
  );
  t.is(await noticeOf(stream, 'CREATE MATERIALIZED VIEW x TO `bäd` AS SELECT id + 1 AS id FROM q'), null);
  t.is(await noticeOf(stream, 'DROP TABLE q SYNC'), null);
  const again = `CREATE TABLE q (id UInt64) ${stream.engine()}`;
  t.regex((await noticeOf(stream, again)) ?? '', /^Delivery of .* is at least once/, 'its views are there already');
});

test('a head that comes in pieces has no notice, and the answer is whole', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE q (id UInt64) ${stream.engine()}`);
  const view = 'CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT id FROM q';
  t.is(await noticeOf(stream, view, '&send_progress_in_http_headers=1'), null);
  t.is(await stream.direct('EXISTS TABLE v'), '1');
});

test('a client of the native interface gets the notice as a line of the log, before the end of the answer', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE q (id UInt64) ${stream.engine()}`);
  const client = await useNativeClient(t, stream.gateway.nativePort, { database: stream.database, user: 'default', password: '' });
  const first = await client.query('CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT id FROM q');
  t.is(first.exception, undefined);
  t.deepEqual(first.packets.slice(-2), [SERVER_PACKETS.Log, SERVER_PACKETS.EndOfStream]);
  const second = await client.query('CREATE MATERIALIZED VIEW w TO v AS SELECT id + 1 AS id FROM q');
  t.deepEqual([second.exception, second.packets.includes(SERVER_PACKETS.Log)], [undefined, false]);
  t.deepEqual((await client.query('SELECT 1')).rows, [['1']]);
});

test('a target that no setting helps is named without a statement', async (t) => {
  const stream = await useStream(t);
  await stream.sql(`CREATE TABLE q (id UInt64) ${stream.engine()}`, 'CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT id FROM q');
  const { delivery } = await waitForReport(stream, ({ state }) => state === 'streaming');
  t.deepEqual(
    delivery.prevents.map(({ reason, statement }) => [reason, statement]),
    [['engine Memory does not know a repeated block', undefined]],
  );
});

test('the status says why a table does not stream', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE q (id UInt64) ${stream.engine()}`,
    `CREATE TABLE target (id UInt64) ENGINE = MergeTree ORDER BY id ${WINDOW}`,
    'CREATE MATERIALIZED VIEW v TO target AS SELECT id FROM q',
    'DROP TABLE target SYNC',
  );
  const report = await waitForReport(stream, ({ state }) => state === 'not ready');
  t.regex(report.reason ?? '', /writes to .*target, which does not exist/);
});

test('the status says that a table without a group cannot be read', async (t) => {
  const stream = await useStream(t);
  await stream.sql(
    `CREATE TABLE q (id UInt64) ${stream.engine({ group: '' })}`,
    'CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY id AS SELECT id FROM q',
  );
  const { exceptions } = await waitForReport(stream, (report) => report.exceptions.length > 0);
  t.is(exceptions[0]?.text, 'Local: Unknown group: kafka_group_name is empty, and a table that is read needs one');
});

test('what the status says of a window is true: the same INSERT again leaves rows once where it says so, and twice where it does not', async (t) => {
  const stream = await useStream(t);
  const { url } = await useClickHouse(t);
  const engines: Record<string, string> = {
    plain: `MergeTree ORDER BY id ${WINDOW}`,
    forgetful: 'MergeTree ORDER BY id',
    small: 'MergeTree PARTITION BY id ORDER BY id SETTINGS non_replicated_deduplication_window = 2',
    parted: `MergeTree PARTITION BY id ORDER BY id ${WINDOW}`,
    replacing: `ReplacingMergeTree ORDER BY id ${WINDOW}`,
    summing: `SummingMergeTree ORDER BY id ${WINDOW}`,
    aggregating: `AggregatingMergeTree ORDER BY id ${WINDOW}`,
    coalescing: `CoalescingMergeTree ORDER BY id ${WINDOW}`,
    memory: 'Memory',
    log: 'Log',
    stripe: 'StripeLog',
  };
  await stream.sql(`CREATE TABLE q (id UInt64) ${stream.engine()}`);
  for (const [name, engine] of Object.entries(engines)) {
    await stream.sql(
      `CREATE TABLE ${name} (id UInt64, v UInt64) ENGINE = ${engine}`,
      `CREATE MATERIALIZED VIEW ${name}_view TO ${name} AS SELECT id, 1 AS v FROM q`,
    );
  }
  const { delivery } = await waitForReport(stream, (report) => report.state === 'streaming' && report.delivery.prevents.length > 0);
  const prevented = new Set(delivery.prevents.map(({ table }) => table.slice(table.indexOf('.') + 1)));
  const target = new URL(url);
  target.search = new URLSearchParams({
    database: stream.database,
    query: "INSERT INTO q (id) SELECT id FROM input('id UInt64') FORMAT TSV",
    insert_allow_materialized_columns: '1',
    insert_deduplication_token: 'the same',
    deduplicate_blocks_in_dependent_materialized_views: '1',
  }).toString();
  for (let time = 0; time < 2; time += 1) {
    const answer = await fetch(target, { method: 'POST', body: '1\n2\n3\n' });
    t.is(answer.status, 200, await answer.text());
  }
  for (const name of Object.keys(engines)) {
    const once = (await stream.direct(`SELECT sum(v) FROM ${name}`)) === '3';
    t.is(once, !prevented.has(name), name);
  }
});

test('a server that remembers blocks by default needs nothing in its tables, nor do replicated tables', async (t) => {
  const server = await useOwnClickHouse(t, {
    configXml:
      '<merge_tree><non_replicated_deduplication_window>500</non_replicated_deduplication_window></merge_tree>' +
      '<zookeeper><implementation>testkeeper</implementation></zookeeper>',
  });
  const gateway = await useGateway(t, { ...UNCHECKED, clickHouseUrl: server.url, clickHouseNativePort: server.nativePort });
  const send = async (statement: string): Promise<void> => {
    const answer = await fetch(`${gateway.url}/`, { method: 'POST', body: statement });
    t.is(answer.status, 200, await answer.text());
  };
  await send("CREATE TABLE q (id UInt64) ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'JSONEachRow')");
  await send('CREATE TABLE plain (id UInt64) ENGINE = MergeTree ORDER BY id');
  await send("CREATE TABLE replicated (id UInt64) ENGINE = ReplicatedMergeTree('/p', 'r') ORDER BY id");
  await send('CREATE MATERIALIZED VIEW v TO plain AS SELECT id FROM q');
  await send('CREATE MATERIALIZED VIEW w TO replicated AS SELECT id FROM q');
  const { tables } = (await (await fetch(`${gateway.adminUrl}/status`)).json()) as { tables: Report[] };
  t.deepEqual(tables[0]?.delivery, {
    guarantee: 'exactly once',
    prevents: [],
    targets: [
      { table: 'default.plain', blocks: 500 },
      { table: 'default.replicated', blocks: 10000, seconds: 3600 },
    ],
  });
});
