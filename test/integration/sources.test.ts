import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { useGateway } from '../helpers/gateway.ts';
import { uniqueName, useFolder, useKafka, useTopic, waitFor } from '../helpers/index.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { useStream } from '../helpers/stream.ts';
import type { GatewayPart } from '../parts/gateway.ts';
import type { KafkaPart } from '../parts/kafka.ts';
import { userWith } from '../helpers/users.ts';

// The server reads its configuration before there are topics.
const id = `sources_${randomBytes(4).toString('hex')}`;
const TOPICS = { shared: `${id}_shared`, named: `${id}_named`, legacy: `${id}_legacy`, role: `${id}_role`, roleTopic: `${id}_role_topic` };

const KAFKA_XML = `<kafka>
  <client_id from_env="SOURCES_TEST_CLIENT_ID"/>
  <auto_offset_reset>latest</auto_offset_reset>
  <session_timeout_ms>10000</session_timeout_ms>
  <kafka_topic><name>${TOPICS.named}</name><client_id>of-the-topic</client_id></kafka_topic>
  <kafka_topic><name>${TOPICS.legacy}</name><client_id>of-the-topic</client_id></kafka_topic>
  <kafka_${TOPICS.legacy}><client_id>of-the-old-topic</client_id></kafka_${TOPICS.legacy}>
  <kafka_topic><name>${TOPICS.role}</name><auto_offset_reset>latest</auto_offset_reset></kafka_topic>
  <consumer>
    <auto_offset_reset>earliest</auto_offset_reset>
    <kafka_topic><name>${TOPICS.roleTopic}</name><auto_offset_reset>latest</auto_offset_reset><client_id>of-the-consumer</client_id></kafka_topic>
  </consumer>
</kafka>`;
process.env['SOURCES_TEST_CLIENT_ID'] = 'of-everybody';

const MAKES_TABLES = ['CREATE TABLE, SELECT ON *.*', 'TABLE ENGINE ON *', 'READ, WRITE ON KAFKA'];

ownClickHouse({
  configXml: `<display_secrets_in_show_and_select>1</display_secrets_in_show_and_select>
    <background_message_broker_schedule_pool_size>16</background_message_broker_schedule_pool_size>${KAFKA_XML}`,
  usersXml: userWith('maker', MAKES_TABLES) + userWith('maker_with', [...MAKES_TABLES, 'NAMED COLLECTION ON of_the_gateway']),
});

/** A gateway with this YAML, beside its other settings. */
async function useConfigured(t: ExecutionContext, yaml: string, env: Readonly<Record<string, string>> = {}): Promise<GatewayPart> {
  const file = join(await useFolder(t), 'sluice.yaml');
  await writeFile(file, yaml);
  return useGateway(t, { env: { SLUICE_CONFIG: file, ...env } });
}

async function streamInto(send: (sql: string) => Promise<string>, table: string, engine: string): Promise<void> {
  await send(`CREATE TABLE ${table} (a String) ${engine}`);
  await send(`CREATE MATERIALIZED VIEW ${table}_view ENGINE = MergeTree ORDER BY a AS SELECT * FROM ${table}`);
}

async function memberOf(kafka: KafkaPart, group: string): Promise<string | undefined> {
  let clientId: string | undefined;
  await waitFor(async () => (clientId = (await kafka.groupMembers(group))[0]?.clientId) !== undefined, { message: `a member of ${group}` });
  return clientId;
}

test.serial('each level of a kafka section beats the one before, in the gateway as in the server whose file it reads', async (t) => {
  const file = join(await useFolder(t), 'kafka.xml');
  await writeFile(file, `<clickhouse>${KAFKA_XML}</clickhouse>`);
  const gateway = await useGateway(t, {
    env: { SLUICE_KAFKA_CONFIG_FILE: file, SOURCES_TEST_CLIENT_ID: 'of-everybody' },
  });
  const stream = await useStream(t, { gateway });
  const { kafka } = stream;
  const engines = { native: async (sql: string) => stream.direct(sql), gateway: async (sql: string) => stream.sql(sql) };
  for (const topic of Object.values(TOPICS)) {
    await kafka.createTopic(topic);
    t.teardown(async () => kafka.deleteTopic(topic));
    await kafka.produce(topic, ['{"a":"old"}']);
  }
  for (const [level, topic] of Object.entries(TOPICS))
    for (const [engine, send] of Object.entries(engines))
      await streamInto(send, `${level}_${engine}`, stream.engine({ topic, group: `${topic}_${engine}` }));

  const clientIds = { shared: 'of-everybody', named: 'of-the-topic', legacy: 'of-the-old-topic', roleTopic: 'of-the-consumer' };
  for (const [level, clientId] of Object.entries(clientIds))
    for (const engine of Object.keys(engines))
      t.is(await memberOf(kafka, `${TOPICS[level as keyof typeof clientIds]}_${engine}`), clientId, `${level}, ${engine}`);

  for (const engine of Object.keys(engines)) {
    // Shared says latest and so does the topic: the role's earliest is stronger.
    await stream.answers(`SELECT a FROM shared_${engine}_view`, 'old');
    await stream.answers(`SELECT a FROM role_${engine}_view`, 'old');
    await waitFor(
      async () => {
        await kafka.produce(TOPICS.roleTopic, ['{"a":"new"}']);
        return (await stream.sql(`SELECT count() > 0 FROM roleTopic_${engine}_view`)) === '1';
      },
      { message: `rows of ${TOPICS.roleTopic} by ${engine}` },
    );
    t.is(await stream.sql(`SELECT DISTINCT a FROM roleTopic_${engine}_view`), 'new', engine);
  }
  for (const level of Object.keys(TOPICS)) await stream.direct(`DROP TABLE ${level}_native`);
});

test.serial('ALTER NAMED COLLECTION moves a running stream to another topic, without detaching it', async (t) => {
  const stream = await useStream(t, { gateway: await useGateway(t) });
  const [other, nc] = [await useTopic(t), uniqueName(t, 'nc')];
  const values = `kafka_broker_list = '${stream.kafka.brokers}', kafka_topic_list = '${stream.topic}', kafka_group_name = '${stream.group}', kafka_flush_interval_ms = 300`;
  await stream.sql(`CREATE NAMED COLLECTION ${nc} AS ${values}`);
  await streamInto(async (sql) => stream.sql(sql), 'q', `ENGINE = Kafka(${nc}, kafka_format = 'JSONEachRow')`);
  await stream.kafka.produce(stream.topic, ['{"a":"first"}']);
  await stream.answers('SELECT a FROM q_view', 'first');
  await stream.kafka.produce(other, ['{"a":"second"}']);
  // Past the gateway: it has to find out.
  await stream.direct(`ALTER NAMED COLLECTION ${nc} SET kafka_topic_list = '${other}'`);
  await stream.answers('SELECT a FROM q_view ORDER BY a', 'first\nsecond', 15_000);

  await stream.direct(`DROP NAMED COLLECTION ${nc}`);
  const report = async () => {
    const { tables } = (await (await fetch(`${stream.gateway.adminUrl}/status`)).json()) as {
      tables: { table: string; state: string; reason?: string }[];
    };
    return tables.find(({ table }) => table === 'q');
  };
  await waitFor(async () => (await report())?.state === 'not ready', { message: 'the table to say that it is not ready' });
  t.regex((await report())?.reason ?? '', new RegExp(`The named collection \`${nc}\` cannot be used: there is none of that name`));
  await t.throwsAsync(stream.sql("INSERT INTO q VALUES ('x')"), { message: /SUPPORT_IS_DISABLED/ });
  await stream.kafka.produce(other, ['{"a":"third"}']);
  await stream.sql(`CREATE NAMED COLLECTION ${nc} AS ${values.replace(stream.topic, other)}`);
  await stream.answers('SELECT a FROM q_view ORDER BY a', 'first\nsecond\nthird', 15_000);
  await stream.sql('DROP TABLE q_view', 'DROP TABLE q', `DROP NAMED COLLECTION ${nc}`);
});

test.serial(
  'a collection of the gateway’s own file serves who has the grant on it, over the brokers and properties of its kafka section',
  async (t) => {
    const kafka = await useKafka(t);
    const yaml = `
kafka:
  bootstrap.servers: ${kafka.brokers}
  consumer: {client.id: from the file}
  linger.ms: 5
named_collections:
  of_the_gateway:
    kafka_topic_list: {value: to be replaced, overridable: true}
    kafka_group_name: {value: nobody's, overridable: on}
    kafka_format: {value: JSONEachRow, overridable: false}
    kafka_flush_interval_ms: 300
`;
    const stream = await useStream(t, { gateway: await useConfigured(t, yaml) });
    const { topic, group } = stream;
    const send = async (name: string, sql: string): Promise<string> => {
      const answer = await fetch(`${stream.gateway.url}/?user=${name}&database=${stream.database}`, { method: 'POST', body: sql });
      return (await answer.text()).trimEnd();
    };
    const overrides = `kafka_topic_list = '${topic}', kafka_group_name = '${group}'`;
    const create = `CREATE TABLE q (a String) ENGINE = Kafka(of_the_gateway, ${overrides})`;
    t.regex(
      await send('maker', create),
      /^Code: 497\. DB::Exception: maker: Not enough privileges\. To execute this query, it's necessary to have the grant NAMED COLLECTION ON of_the_gateway\. \(ACCESS_DENIED\)/,
    );
    t.regex(
      await send('maker_with', `CREATE TABLE q (a String) ENGINE = Kafka(of_the_gateway, kafka_format = 'CSV')`),
      /^Code: 36\. DB::Exception: Override not allowed for 'kafka_format'\. \(BAD_ARGUMENTS\)/,
    );
    t.regex(
      await send('default', 'CREATE TABLE q (a String) ENGINE = Kafka(of_nobody)'),
      /^Code: 669\. .*There is no named collection `of_nobody`\./,
    );
    t.is(await send('maker_with', create), '');
    t.is((await stream.sql('SHOW CREATE TABLE q FORMAT TSVRaw')).split('\n').at(-1), `ENGINE = Kafka(of_the_gateway, ${overrides})`);
    await stream.sql('CREATE MATERIALIZED VIEW q_view ENGINE = MergeTree ORDER BY a AS SELECT * FROM q');
    await kafka.produce(topic, ['{"a":"x"}']);
    await stream.answers('SELECT a FROM q_view', 'x');
    t.is(await memberOf(kafka, group), 'from the file');
    // A table without collection that names no brokers takes the section's; what the statement says wins over the section.
    const named = `kafka_topic_list = '${topic}', kafka_group_name = '${group}_2', kafka_format = 'JSONEachRow', kafka_flush_interval_ms = 300`;
    await streamInto(async (sql) => stream.sql(sql), 'p', `ENGINE = Kafka SETTINGS ${named}, kafka_client_id = 'from the statement'`);
    await stream.answers('SELECT a FROM p_view', 'x');
    t.is(await memberOf(kafka, `${group}_2`), 'from the statement');

    const logs = stream.gateway.logs().split('\n');
    const told = logs.filter((line) => line.includes('linger.ms'));
    t.is(told.length, 1);
    t.regex(told[0] ?? '', /"instead":"messages are produced from the outbox/);
  },
);

test.serial('isolation.level read_uncommitted shows what was aborted, and properties that producers follow reach the topic', async (t) => {
  const yaml = `
kafka:
  isolation.level: read_uncommitted
  producer: {compression.codec: gzip, transaction.timeout.ms: 30000, partitioner: murmur2_random}
`;
  const stream = await useStream(t, { gateway: await useConfigured(t, yaml) });
  const producer = await stream.kafka.producer({ transactionalId: stream.group, maxInFlightRequests: 1, idempotent: true });
  const transaction = await producer.transaction();
  await transaction.send({ topic: stream.topic, messages: [{ value: '{"a":"aborted"}' }] });
  await transaction.abort();
  await producer.disconnect();
  await streamInto(async (sql) => stream.sql(sql), 'q', stream.engine());
  await stream.answers('SELECT a FROM q_view', 'aborted');
  await stream.sql("INSERT INTO q VALUES ('written')");
  await stream.answers('SELECT a FROM q_view ORDER BY a', 'aborted\nwritten');
});
