import { createServer } from 'node:http';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { startChild } from '../fixtures/child.ts';
import { freePort, useOwnClickHouse, useOwnKafka, waitFor } from '../helpers/index.ts';
import { startGateway } from '../parts/gateway.ts';
import { type ClickHousePart } from '../parts/clickhouse.ts';
import { type KafkaPart } from '../parts/kafka.ts';
import { useNativeDoor } from './doors/native.ts';

/** One of each kind, with characters that are written otherwise in base64, in addresses and in JSON. */
const SASL_PASSWORD = 'sAsl/pw+7=hunter&"1';
const REGISTRY_PASSWORD = 'rEg/istry@hunter:2';
const SERVICE_PASSWORD = 'sErvice/hunter+3';
const SECRET_KEY = 'sEal/ing+hunter=4 and so on';
const OLD_SECRET_KEY = 'oLd/sealing+hunter=5 and so on';
/** Of statements that fail. */
const MISTYPED = 'mIs/typed+hunter6';

const SASL_USER = 'alice';
const REGISTRY_USER = 'bob';

const SECRETS = [SASL_PASSWORD, REGISTRY_PASSWORD, SERVICE_PASSWORD, SECRET_KEY, OLD_SECRET_KEY, MISTYPED];

/** Every way in which a secret may have been written. */
const FORMS = new Map(
  SECRETS.flatMap((secret): [string, string][] => [
    [secret, `${secret} as it is`],
    [encodeURIComponent(secret), `${secret} in an address`],
    [encodeURIComponent(encodeURIComponent(secret)), `${secret} in an address in an address`],
    [JSON.stringify(secret).slice(1, -1), `${secret} in JSON`],
    [secret.replaceAll('"', '\\\\"'), `${secret} in JSON in JSON`],
    ...[0, 1, 2].map((shift): [string, string] => [inBase64(secret, shift), `${secret} in base64`]),
    [Buffer.from(secret).toString('hex'), `${secret} in hexadecimal`],
  ]),
);

/** The part of the base64 of a longer text that is sure to be there when `text` begins `shift` bytes behind a group of three. */
function inBase64(text: string, shift: number): string {
  const encoded = Buffer.concat([Buffer.alloc(shift), Buffer.from(text)]).toString('base64');
  return encoded.slice(shift === 0 ? 0 : 4, -4);
}

/** Each secret with what stands before it. */
function foundIn(text: string | Buffer): string[] {
  return [...FORMS].flatMap(([form, what]) => {
    const at = text.indexOf(form);
    return at < 0 ? [] : [`${what} behind ${JSON.stringify(text.toString().slice(Math.max(0, at - 300), at))}`];
  });
}

/** A broker that asks clients of one listener for a password, and the test for none on the other. */
async function useSaslKafka(t: ExecutionContext): Promise<{ kafka: KafkaPart; brokers: string }> {
  const [port, saslPort, controllerPort] = [await freePort(), await freePort(), await freePort()];
  const plain = `PLAINTEXT://127.0.0.1:${port},SASL://127.0.0.1:${saslPort}`;
  const password = SASL_PASSWORD.replaceAll('"', '\\\\"');
  const kafka = await useOwnKafka(t, {
    port,
    properties: {
      listeners: `${plain},CONTROLLER://127.0.0.1:${controllerPort}`,
      'advertised.listeners': plain,
      'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${SASL_USER}="${password}";`,
    },
  });
  return { kafka, brokers: `127.0.0.1:${saslPort}` };
}

const SCHEMA = JSON.stringify({ type: 'record', name: 'row', fields: [{ name: 'id', type: 'long' }] });

/** A registry with one schema, for those who know the password; `asked` counts them. */
async function useGuardedRegistry(t: ExecutionContext): Promise<{ address: (password: string) => string; asked: () => number }> {
  let asked = 0;
  const server = createServer((request, response) => {
    const [, token = ''] = (request.headers.authorization ?? '').split(' ');
    const isKnown = Buffer.from(token, 'base64').toString() === `${REGISTRY_USER}:${REGISTRY_PASSWORD}`;
    if (isKnown) asked += 1;
    request.resume().on('end', () => {
      response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' });
      response.end(JSON.stringify(isKnown ? { id: 1, schema: SCHEMA } : { error_code: 401, message: 'who are you' }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { address: (password) => `http://${REGISTRY_USER}:${encodeURIComponent(password)}@127.0.0.1:${port}/`, asked: () => asked };
}

/** As in README, "Secrets": at level trace the server itself writes the address of a registry that it asks. */
const LOGGER = '<levels><logger><name>ConfluentSchemaRegistry</name><level>none</level></logger></levels>';

const LOGS = [
  'query_log',
  'query_thread_log',
  'query_views_log',
  'text_log',
  'error_log',
  'session_log',
  'part_log',
  'processors_profile_log',
];
const CONFIG = LOGS.map(
  (table) =>
    `<${table}><database>system</database><table>${table}</table><flush_interval_milliseconds>1000</flush_interval_milliseconds></${table}>`,
).join('');

const USERS = `<sluice><password>${SERVICE_PASSWORD}</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
  <access_management>1</access_management></sluice>`;

test.serial('no secret is in anything that a whole run leaves behind', async (t) => {
  const { kafka, brokers } = await useSaslKafka(t);
  const registry = await useGuardedRegistry(t);
  const clickHouse = await useOwnClickHouse(t, { logLevel: 'trace', loggerXml: LOGGER, configXml: CONFIG, usersXml: USERS });
  await clickHouse.query('CREATE DATABASE run');
  for (const topic of ['plain', 'letters', 'avro', 'out', 'avro_out']) await kafka.createTopic(topic);
  const env = {
    SLUICE_LOG_LEVEL: 'trace',
    SLUICE_CLICKHOUSE_USER: 'sluice',
    SLUICE_CLICKHOUSE_PASSWORD: SERVICE_PASSWORD,
    SLUICE_SECRET_KEY: OLD_SECRET_KEY,
  };
  const server = { clickHouseUrl: clickHouse.url, clickHouseNativePort: clickHouse.nativePort };
  const gateway = await startGateway({ ...server, env });
  t.teardown(async () => gateway.stop());
  const native = await useNativeDoor(t, gateway.nativePort, { database: 'run' });

  const answers: string[] = [];
  const sql = async (statement: string, address = ''): Promise<Response> => {
    const response = await fetch(`${gateway.url}/?database=run${address}`, {
      method: 'POST',
      body: statement,
    });
    answers.push(JSON.stringify([...response.headers]), await response.clone().text());
    return response;
  };
  const succeeds = async (...statements: string[]): Promise<void> => {
    for (const statement of statements) {
      const response = await sql(statement);
      t.true(response.ok, `${statement}: ${await response.text()}`);
    }
  };
  const failsNatively = async (sql: string, parameters: Record<string, string> = {}): Promise<void> => {
    const { refusal } = await native.ask({ sql, parameters });
    t.truthy(refusal, sql);
    answers.push(JSON.stringify(refusal));
  };
  const fails = async (statement: string): Promise<void> => {
    t.false((await sql(statement)).ok, statement);
    t.false((await sql('', `&query=${encodeURIComponent(statement)}`)).ok, statement);
    await failsNatively(statement);
  };

  const quoted = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
  const sasl = (password: string): string =>
    `kafka_security_protocol = 'sasl_plaintext', kafka_sasl_mechanism = 'PLAIN', kafka_sasl_username = '${SASL_USER}', kafka_sasl_password = ${quoted(password)}`;
  const engine = (topic: string, format: string, settings: string): string =>
    `ENGINE = Kafka SETTINGS kafka_broker_list = '${brokers}', kafka_topic_list = '${topic}', kafka_group_name = 'g_${topic}', kafka_format = '${format}', ` +
    `kafka_flush_interval_ms = 300, ${settings}`;
  const plain = engine(
    'plain',
    'JSONEachRow',
    `${sasl(SASL_PASSWORD)}, kafka_handle_error_mode = 'dead_letter_queue', kafka_dead_letter_topic = 'letters'`,
  );
  const avro = (topic: string): string =>
    engine(
      topic,
      'AvroConfluent',
      `${sasl(SASL_PASSWORD)}, output_format_avro_confluent_subject = 'rows', format_avro_schema_registry_url = '${registry.address(REGISTRY_PASSWORD)}'`,
    );

  // What works.
  const target = 'ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 1000';
  await succeeds(
    `CREATE TABLE queue (id Int64) ${plain}`,
    `CREATE OR REPLACE TABLE queue (id Int64) ${plain}`,
    'CREATE TABLE copied AS queue',
    'RENAME TABLE copied TO renamed',
    `CREATE TABLE target (id Int64) ${target}`,
    'CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue',
    `CREATE TABLE avro (id Int64) ${avro('avro')}`,
    `CREATE TABLE avro_target (id Int64) ${target}`,
    'CREATE MATERIALIZED VIEW avro_view TO avro_target AS SELECT id FROM avro',
    `CREATE TABLE out (id Int64) ${engine('out', 'JSONEachRow', sasl(SASL_PASSWORD))}`,
    `CREATE TABLE avro_out (id Int64) ${avro('avro_out')}`,
    "ALTER TABLE queue MODIFY COMMENT 'mine'",
    'SHOW CREATE TABLE queue',
    'SHOW CREATE TABLE avro FORMAT JSON',
    'DESCRIBE TABLE avro',
  );
  for (const table of ['queue', 'avro']) answers.push(JSON.stringify(await native.ask({ sql: `SHOW CREATE TABLE ${table}` })));
  t.regex(answers.join('\n'), /kafka_sasl_password = \\'\[HIDDEN\]\\'/);
  await kafka.produce('plain', ['{"id":1}', 'broken', '{"id":2}']);
  const avroMessage = (id: number): Buffer => Buffer.from([0, 0, 0, 0, 1, id * 2]);
  await kafka.produce('avro', [{ value: avroMessage(1) }, { value: Buffer.from('broken') }, { value: avroMessage(2) }]);
  const holds = async (query: string, expected: string): Promise<void> => {
    await waitFor(async () => (await clickHouse.query(query)) === expected, { message: query });
  };
  await holds('SELECT count() FROM run.target', '2');
  await holds('SELECT count() FROM run.avro_target', '1');
  await holds('SELECT count() FROM system.dead_letter_queue', '1');
  await succeeds(
    'INSERT INTO out VALUES (1)',
    'INSERT INTO avro_out VALUES (1)',
    'SELECT count() FROM target',
    `CREATE TABLE inferred ${engine('avro_out', 'AvroConfluent', `${sasl(SASL_PASSWORD)}, format_avro_schema_registry_url = '${registry.address(REGISTRY_PASSWORD)}'`)}`,
  );
  t.true(registry.asked() > 0);

  // What does not.
  const mistyped = engine('plain', 'JSONEachRow', sasl(MISTYPED));
  for (const statement of [
    `CREATE TABLE bad (id Int64 ${mistyped}`,
    `CREATE TABLE bad (id Int64) ${mistyped.replace('kafka_sasl_password', 'kafka_sasl_pasword')}`,
    `CREATE TABLE bad (id Int64) ${mistyped.slice(0, -1)}`,
    `CREATE TABLE bad (id Int64) ${mistyped.replace(quoted(MISTYPED), MISTYPED)}`,
    `CREATE TABLE bad (id Int64) ${mistyped.replace(quoted(MISTYPED), `"${MISTYPED}"`)}`,
    `CREATE TABLE bad (id Int64) ${mistyped.replace(quoted(MISTYPED), `concat('', '${MISTYPED}')`)}`,
    `CREATE TABLE bad (id Int64) ${mistyped.replace('kafka_sasl_password =', 'kafka_sasl_password')}`,
    `CREATE TABLE bad (id Int64) ${mistyped} AND`,
    `CREATE TABLE bad (id Int64) ${mistyped.replace('ENGINE = Kafka', 'ENGINE = Kafak')}`,
    `CREATE TABLE bad (id Int64) ${mistyped.replace('ENGINE = Kafka', 'ENGIN = Kafka')}`,
    `CREATE TABLE bad (id Int64) ${mistyped.replace(', kafka_sasl_password', " COMMENT 'x' SETTINGS kafka_sasl_password")}`,
    `CREATE TABLE bad (id Int64) ${mistyped}, kafka_num_consumers = 'many'`,
    `CREATE TABLE bad (id Int64) ${mistyped}, no_such_setting = 1`,
    `CREATE TABLE bad (id Int64) ${mistyped}, format_avro_schema_registry_url = 'http://bob:${MISTYPED}@127.0.0.1:1/'`,
    `CREATE TABLE bad (id NoSuchType) ${mistyped}`,
    `CREATE TABLE queue (id Int64) ${mistyped}`,
    `CREATE TABLE no_such_database.bad (id Int64) ${mistyped}`,
    `CREATE TABLE bad ${mistyped}`,
    `ALTER TABLE queue MODIFY SETTING kafka_sasl_password = '${MISTYPED}'`,
    `ALTER TABLE target MODIFY SETTING kafka_sasl_password = '${MISTYPED}'`,
    `ALTER TABLE no_such_table MODIFY SETTING kafka_sasl_password = '${MISTYPED}'`,
  ])
    await fails(statement);
  // Over HTTP a parameter stands in the address, which the server logs at level trace whatever the gateway does.
  await failsNatively(`CREATE TABLE bad (id Int64) ${mistyped.replace(quoted(MISTYPED), '{pw:String}')}`, { pw: MISTYPED });
  // Refused by the broker and by the registry: at once, and while they stream.
  const unregistered = engine(
    'avro',
    'AvroConfluent',
    `${sasl(SASL_PASSWORD)}, format_avro_schema_registry_url = '${registry.address(MISTYPED)}'`,
  ).replace('g_avro', 'g_other');
  await fails(`CREATE TABLE bad (id Int64) ${mistyped}`);
  await fails(`CREATE TABLE bad (id Int64) ${unregistered}`);
  await succeeds(
    `CREATE TABLE refused (id Int64) ${mistyped}, kafka_check_on_create = 0`,
    'CREATE MATERIALIZED VIEW refused_view TO target AS SELECT id FROM refused',
    `CREATE TABLE unregistered (id Int64) ${unregistered}, kafka_check_on_create = 0`,
    'CREATE MATERIALIZED VIEW unregistered_view TO avro_target AS SELECT id FROM unregistered',
  );
  const status = async (): Promise<string> => (await fetch(`${gateway.adminUrl}/status`)).text();
  const hasException = async (table: string): Promise<boolean> => {
    const { tables } = JSON.parse(await status()) as { tables: { table: string; exceptions?: unknown[] }[] };
    return (tables.find((one) => one.table === table)?.exceptions ?? []).length > 0;
  };
  await waitFor(async () => (await hasException('refused')) && (await hasException('unregistered')), {
    message: 'both say why they do not stream',
  });
  await succeeds('DROP VIEW refused_view', 'DROP TABLE refused', 'DETACH TABLE renamed', 'ATTACH TABLE renamed', 'DROP TABLE renamed');
  await clickHouse.query('SYSTEM FLUSH LOGS');
  answers.push(await status(), await (await fetch(`${gateway.adminUrl}/ready`)).text());

  const rotated = await startChild(t, 'src/main.ts', ['rotate-secret-key'], {
    ...env,
    SLUICE_CLICKHOUSE_URL: clickHouse.url,
    SLUICE_SECRET_KEY: SECRET_KEY,
    SLUICE_OLD_SECRET_KEY: OLD_SECRET_KEY,
  }).ended;
  t.is(rotated.code, 0, rotated.stdout + rotated.stderr);
  await gateway.stop();

  t.deepEqual(foundIn(`password ${SASL_PASSWORD}`), [`${SASL_PASSWORD} as it is behind "password "`], 'the search finds what is there');
  t.deepEqual(foundIn(answers.join('\n')), [], 'answers');
  t.deepEqual(foundIn(gateway.logs()), [], 'the log of the gateway');
  t.deepEqual(foundIn(rotated.stdout + rotated.stderr), [], 'what the command prints');
  t.deepEqual(foundIn(JSON.stringify(await groupsAndTopics(kafka))), [], 'groups and topics');
  for (const [what, found] of await inServer(clickHouse)) t.deepEqual(found, [], what);
});

/** What consumer groups have noted, and what was written to topics. */
async function groupsAndTopics(kafka: KafkaPart): Promise<unknown> {
  const groups = await kafka.withAdmin(async (admin) => admin.listGroups());
  return Promise.all(groups.groups.map(async ({ groupId }) => [groupId, await readable(kafka, groupId)]));
}

async function readable(kafka: KafkaPart, group: string): Promise<unknown> {
  const offsets = await kafka.groupOffsets(group);
  return [offsets.map(({ offset, ...rest }) => ({ ...rest, offset: String(offset) })), await kafka.groupMembers(group)];
}

/** Where in the server which secrets are: tables of its system database, and its files. */
async function inServer(clickHouse: ClickHousePart): Promise<[string, string[]][]> {
  await clickHouse.query('SYSTEM FLUSH LOGS');
  const found: [string, string[]][] = [];
  const tables = await clickHouse.rows<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = 'system' AND (name LIKE '%log' OR name IN ('tables', 'columns', 'processes', 'errors', 'dead_letter_queue', 'warnings', 'query_cache', 'settings', 'user_processes', 'mutations', 'parts'))",
  );
  for (const { name } of tables)
    found.push([`system.${name}`, foundIn(await clickHouse.query(`SELECT * FROM system.${name} FORMAT JSONEachRow`))]);
  const folder = readlinkSync(`/proc/${clickHouse.pid}/cwd`);
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile() || file.name === 'users.xml') continue;
    const path = join(file.parentPath, file.name);
    const hits = foundIn(readFileSync(path));
    if (hits.length > 0) found.push([path, hits]);
  }
  return found;
}
