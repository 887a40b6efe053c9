import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { startChild } from '../fixtures/child.ts';
import { useGateway } from '../helpers/gateway.ts';
import { useClickHouse, useDatabase, waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';
import type { GatewayPart } from '../parts/gateway.ts';

const FIRST = 'the first key of this file';
const SECOND = 'the second key of this file';

const COLUMNS = '(id UInt64)';
const TARGET = `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 10000`;
const VIEW = 'CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue';
const COUNTS = 'SELECT count(), uniqExact(id) FROM target';
/** A password that no broker here asks for: what counts is that it has to be sealed. */
const SECRET = "kafka_sasl_password = 'hunter2'";

const withKeys = (current: string, old?: string): { env: Record<string, string> } => ({
  env: { SLUICE_SECRET_KEY: current, ...(old !== undefined && { SLUICE_OLD_SECRET_KEY: old }) },
});

/** `sluice rotate-secret-key …`: its exit code and what it said. */
async function rotate(
  t: ExecutionContext,
  keys: ReturnType<typeof withKeys>,
  ...flags: string[]
): Promise<{ code: number | null; said: string }> {
  const { url } = await useClickHouse(t);
  const env = { ...keys.env, SLUICE_CLICKHOUSE_URL: url };
  const { code, stdout, stderr } = await startChild(t, 'src/main.ts', ['rotate-secret-key', ...flags], env).ended;
  t.notRegex(stdout + stderr, /hunter/);
  return { code, said: stdout + stderr };
}

/** The commands of README, "Secrets", with the sources for the package. */
async function runRecipe(keys: Record<string, string>): Promise<{ code: number | null; said: string }> {
  const { url } = await useClickHouse();
  const [, recipe = ''] = /<!-- rotation: .*? -->\s+```sh\n(.*?)```/s.exec(readFileSync('README.md', 'utf8')) ?? [];
  const command = recipe.replace('node dist/main.js', `${process.execPath} --import tsx src/main.ts`);
  const env = { ...keys, SLUICE_CLICKHOUSE_URL: url };
  return new Promise((resolve) => {
    const child = execFile('sh', ['-c', command], { env }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, said: stdout + stderr }),
    );
  });
}

async function produceIds({ kafka, topic }: Stream, from: number, to: number): Promise<void> {
  await kafka.produce(
    topic,
    Array.from({ length: to - from }, (_, i) => JSON.stringify({ id: from + i })),
  );
}

interface TableReport {
  readonly table: string;
  readonly state: string;
  readonly reason?: string;
}

async function reportOf({ adminUrl }: GatewayPart, database: string, table: string): Promise<TableReport | undefined> {
  const { tables } = (await (await fetch(`${adminUrl}/status`)).json()) as { tables: (TableReport & { database: string })[] };
  return tables.find((one) => one.database === database && one.table === table);
}

async function isUnreadable(t: ExecutionContext, gateway: GatewayPart, { database }: Stream, table: string, reason: RegExp): Promise<void> {
  await waitFor(async () => (await reportOf(gateway, database, table))?.state === 'unreadable', { message: `${table} is unreadable` });
  t.regex((await reportOf(gateway, database, table))?.reason ?? '', reason);
  t.true(gateway.logs().includes(`"table":"${database}.${table}"`), 'the log names it');
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");

async function commentOf(stream: Stream, table: string, database = stream.database): Promise<string> {
  return stream.direct(`SELECT comment FROM system.tables WHERE database = '${database}' AND name = '${table}' FORMAT TSVRaw`);
}

test.serial('the key is changed while a table streams: no row is lost or doubled, and the stream is not started again', async (t) => {
  const old = await useGateway(t, withKeys(FIRST));
  const stream = await useStream(t, { partitions: 2, gateway: old });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: SECRET })}`, TARGET, VIEW);
  await produceIds(stream, 0, 1000);
  await stream.answers(COUNTS, '1000\t1000');

  const both = await useGateway(t, withKeys(SECOND, FIRST));
  t.is(await old.stop(), 0);
  const enough = new AbortController();
  let produced = 1000;
  const producing = (async () => {
    for (; !enough.signal.aborted; produced += 100) await produceIds(stream, produced, produced + 100);
  })();
  await waitFor(async () => Number(await stream.direct('SELECT count() FROM target')) > 1500);
  const starts = both.logs().match(/"msg":"streaming started"/g)?.length;

  const sealed = await commentOf(stream, 'queue');
  const changed = await runRecipe({ NEW_SECRET_KEY: SECOND, OLD_SECRET_KEY: FIRST });
  t.is(changed.code, 0, changed.said);
  t.regex(changed.said, /queue`: signed\n1 signed with the new key, 0 were signed with it before, 0 left alone/);
  t.not(await commentOf(stream, 'queue'), sealed);
  const again = await rotate(t, withKeys(SECOND));
  t.is(again.code, 0);
  t.regex(again.said, /^0 signed with the new key, 1 were signed with it before, 0 left alone/);

  const seen = Number(await stream.direct('SELECT count() FROM target'));
  await waitFor(async () => Number(await stream.direct('SELECT count() FROM target')) > seen + 500);
  t.is(both.logs().match(/"msg":"streaming started"/g)?.length, starts);
  t.notRegex(both.logs(), /"msg":"streaming stopped"/);

  const onlyNew = await useGateway(t, withKeys(SECOND));
  t.is(await both.stop(), 0);
  enough.abort();
  await producing;
  const answer = `${produced}\t${produced}`;
  await waitFor(async () => (await stream.direct(COUNTS)) === answer, { message: answer });
  t.is((await reportOf(onlyNew, stream.database, 'queue'))?.state, 'streaming');
});

test.serial('a definition that was written, changed or copied past the gateway is not run', async (t) => {
  const gateway = await useGateway(t, withKeys(FIRST));
  const stream = await useStream(t, { gateway });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: SECRET })}`);
  const comment = await commentOf(stream, 'queue');
  const forge = async (table: string, definition: string): Promise<string> =>
    stream.direct(`CREATE TABLE ${table} ${COLUMNS} ENGINE = Null COMMENT '${escaped(definition)}'`);
  await forge('copied', comment);
  await forge('redirected', comment.replace(`"kafka_broker_list":"${stream.kafka.brokers}"`, '"kafka_broker_list":"127.0.0.1:1"'));
  await forge('written', comment.replace(/,"sealed":.*/, '}'));
  await forge('first', comment.replace('sluice:2:', 'sluice:1:').replace(/,"place":.*/, '}'));
  await isUnreadable(t, gateway, stream, 'copied', /signed for another table/);
  await isUnreadable(t, gateway, stream, 'redirected', /signed with another SLUICE_SECRET_KEY, or changed past the gateways/);
  await isUnreadable(t, gateway, stream, 'written', /not signed.*sluice rotate-secret-key/);
  await isUnreadable(t, gateway, stream, 'first', /not signed.*sluice rotate-secret-key/);
  for (const statement of ['INSERT INTO copied VALUES (1)', 'SELECT * FROM copied', 'CREATE TABLE again AS copied'])
    await t.throwsAsync(stream.sql(statement), { message: /Code: 344\..*signed for another table.*SUPPORT_IS_DISABLED/s }, statement);

  // The password cannot be had by a comment of one's own for the table itself either.
  await stream.direct(`ALTER TABLE queue MODIFY COMMENT '${escaped(comment.replace(stream.kafka.brokers, '127.0.0.1:1'))}'`);
  await isUnreadable(t, gateway, stream, 'queue', /changed past the gateways/);
  t.is(await stream.sql('DROP TABLE copied'), '');

  const refused = await rotate(t, withKeys(FIRST));
  t.is(refused.code, 1);
  t.regex(refused.said, /`written`: left alone: its definition is not signed/);
});

test.serial('what is done to a table through a gateway and past it leaves its definition valid, wherever the table goes', async (t) => {
  const gateway = await useGateway(t, withKeys(FIRST));
  const stream = await useStream(t, { gateway });
  const other = await useDatabase(t);
  const isRead = async (table: string, database = stream.database): Promise<void> => {
    await waitFor(async () => (await reportOf(gateway, database, table))?.state === 'no views', {
      message: `${database}.${table} is read`,
    });
    t.pass();
  };
  const create = `TABLE queue ${COLUMNS} ${stream.engine({ settings: SECRET })}`;
  await stream.sql(`CREATE ${create}`);
  await stream.direct('RENAME TABLE queue TO renamed');
  await isRead('renamed');
  await stream.sql(`CREATE ${create}`, 'EXCHANGE TABLES queue AND renamed', 'DETACH TABLE queue', 'ATTACH TABLE queue');
  await isRead('queue');
  await isRead('renamed');
  await stream.sql("ALTER TABLE queue MODIFY COMMENT 'what it''s for'");
  await isRead('queue');
  t.regex(await stream.sql('SHOW CREATE TABLE queue'), /COMMENT \\'what it\\\\\\'s for\\'/);
  await stream.sql(
    `CREATE OR REPLACE ${create}`,
    `REPLACE ${create}`,
    'CREATE TABLE copy AS queue',
    `RENAME TABLE renamed TO ${other}.moved`,
  );
  await isRead('queue');
  await isRead('copy');
  await isRead('moved', other);
  await stream.sql(`CREATE TABLE given UUID '0E5DDCE6-1111-4222-8333-444455556666' ${COLUMNS} ${stream.engine({ settings: SECRET })}`);
  await isRead('given');
  t.is(
    await stream.direct("SELECT uuid FROM system.tables WHERE name = 'given' AND database = currentDatabase()"),
    '0e5ddce6-1111-4222-8333-444455556666',
  );
  await t.throwsAsync(stream.sql(create.replace('TABLE queue', 'ATTACH TABLE attached')), { message: /ATTACH TABLE/ });
  await stream.sql(`CREATE TABLE nothing UUID '00000000-0000-0000-0000-000000000000' ${COLUMNS} ${stream.engine({ settings: SECRET })}`);
  await isRead('nothing');
});

test.serial('in a database that keeps no UUIDs a definition holds for the database', async (t) => {
  const gateway = await useGateway(t, withKeys(FIRST));
  const stream = await useStream(t, { gateway });
  const memory = `${stream.database}_memory`;
  await stream.direct(`CREATE DATABASE ${memory} ENGINE = Memory`);
  t.teardown(async () => stream.direct(`DROP DATABASE ${memory}`));
  await stream.sql(`CREATE TABLE ${memory}.queue ${COLUMNS} ${stream.engine({ settings: SECRET })}`);
  await waitFor(async () => (await reportOf(gateway, memory, 'queue'))?.state === 'no views');
  const comment = await commentOf(stream, 'queue', memory);
  await stream.direct(`CREATE TABLE elsewhere ${COLUMNS} ENGINE = Null COMMENT '${escaped(comment)}'`);
  await isUnreadable(t, gateway, stream, 'elsewhere', /signed for another table \(database:/);
});

test.serial('a gateway with another key runs nothing of the others and says why', async (t) => {
  const first = await useGateway(t, withKeys(FIRST));
  const stream = await useStream(t, { gateway: first });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  const other = await useGateway(t, withKeys(SECOND));
  await isUnreadable(t, other, stream, 'queue', /signed with another SLUICE_SECRET_KEY/);
  await produceIds(stream, 0, 10);
  await stream.answers(COUNTS, '10\t10');
  t.is((await stream.kafka.groupMembers(stream.group)).length, 1);
  const refused = await rotate(t, withKeys(SECOND));
  t.is(refused.code, 1);
  t.regex(refused.said, /`queue`: left alone: its definition was signed with another SLUICE_SECRET_KEY/);
});

test.serial('a first key signs what is there, once a person has looked at it', async (t) => {
  const without = await useGateway(t, { env: { SLUICE_SECRET_KEY: '' } });
  const stream = await useStream(t, { gateway: without });
  t.regex(without.logs(), /there is no secret_key: whoever may create a Null table.*"msg":"definitions are not signed"/);
  await t.throwsAsync(stream.sql(`CREATE TABLE secret ${COLUMNS} ${stream.engine({ settings: SECRET })}`), {
    message: /kafka_sasl_password cannot be kept.*SLUICE_SECRET_KEY.*openssl rand -base64 32/s,
  });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine()}`, TARGET, VIEW);
  await produceIds(stream, 0, 10);
  await stream.answers(COUNTS, '10\t10');
  t.is(await without.stop(), 0);

  const shown = await rotate(t, withKeys(FIRST));
  t.is(shown.code, 1);
  for (const told of [stream.kafka.brokers, stream.topic, 'CREATE TABLE queue', '--sign-unsigned']) t.true(shown.said.includes(told), told);
  t.is((await rotate(t, withKeys(FIRST), '--sign-unsigned')).code, 0);
  await useGateway(t, withKeys(FIRST));
  await produceIds(stream, 10, 20);
  await waitFor(async () => (await stream.direct(COUNTS)) === '20\t20');
});

test.serial('a table that was restored from a backup is signed for its new UUID, password and all', async (t) => {
  const gateway = await useGateway(t, withKeys(FIRST));
  const stream = await useStream(t, { gateway });
  await stream.sql(`CREATE TABLE queue ${COLUMNS} ${stream.engine({ settings: SECRET })}`, TARGET, VIEW);
  // What RESTORE does: the same statement, another UUID.
  const comment = await commentOf(stream, 'queue');
  await stream.direct('DROP VIEW view SYNC');
  await stream.direct('DROP TABLE queue SYNC');
  await stream.direct(await restoring(stream, comment));
  await stream.direct(VIEW);
  await isUnreadable(t, gateway, stream, 'queue', /signed for another table.*--sign-moved/);
  t.is((await rotate(t, withKeys(FIRST), '--sign-unsigned')).code, 1);
  t.is((await rotate(t, withKeys(FIRST), '--sign-moved')).code, 0);
  await produceIds(stream, 0, 10);
  await stream.answers(COUNTS, '10\t10');
});

async function restoring(stream: Stream, comment: string): Promise<string> {
  const copy = `CREATE TABLE as_it_was ${COLUMNS} ${stream.engine()}`;
  await stream.sql(copy);
  const shown = await stream.direct('SHOW CREATE TABLE as_it_was FORMAT TSVRaw');
  await stream.sql('DROP TABLE as_it_was');
  return shown.replace('as_it_was', 'queue').replace(/COMMENT '.*'$/s, () => `COMMENT '${escaped(comment)}'`);
}
