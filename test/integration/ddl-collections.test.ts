import test, { type ExecutionContext } from 'ava';
import { NamedCollections } from '../../src/catalog/index.ts';
import { createServiceClient } from '../../src/clickhouse/index.ts';
import { silentLogger } from '../../src/logger.ts';
import { uniqueName, useClickHouse } from '../helpers/index.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { useBoth, type Both } from '../query/both.ts';
import { userWith } from '../helpers/users.ts';

const BASIC = "kafka_broker_list = '127.0.0.1:1', kafka_topic_list = 't', kafka_group_name = 'g', kafka_format = 'JSONEachRow'";
const IN_CONFIG =
  '<kafka_broker_list>127.0.0.1:1</kafka_broker_list><kafka_topic_list>t</kafka_topic_list>' +
  '<kafka_group_name overridable="false">g</kafka_group_name><kafka_format>JSONEachRow</kafka_format>';

ownClickHouse({
  configXml: `<display_secrets_in_show_and_select>1</display_secrets_in_show_and_select><named_collections><in_config>${IN_CONFIG}</in_config></named_collections>`,
  usersXml: userWith('short', ['SELECT ON system.named_collections', 'SHOW NAMED COLLECTIONS ON *']),
});

/** A collection of this test's own. */
async function useCollection(t: ExecutionContext, both: Both, values: string): Promise<string> {
  const name = uniqueName(t, 'nc');
  await both.direct(`CREATE NAMED COLLECTION ${name} AS ${values}`);
  return name;
}

test('a table of a named collection is made and shown as by the native engine', async (t) => {
  const both = await useBoth(t);
  const nc = await useCollection(t, both, `${BASIC}, bogus = '1', kafka_num_consumers = 2, input_format_skip_unknown_fields = 0`);
  for (const [index, engine] of [
    `Kafka(${nc})`,
    `Kafka(${nc}, kafka_topic_list = concat('a', 'b'), kafka_format = CSV, nonsense = 1, kafka_num_consumers = 3)`,
    `Kafka(${nc}, kafka_num_consumers = '1', kafka_thread_per_consumer = true) SETTINGS kafka_topic_list = 'zz', max_threads = 1`,
    `Kafka(${nc}, kafka_num_consumers = 1, kafka_num_consumers = 2, foo(1))`,
    `Kafka(in_config, kafka_topic_list = 'u')`,
  ].entries()) {
    await both.same(`CREATE TABLE q${index} (a Int32) ENGINE = ${engine}`);
    await both.same(`SHOW CREATE TABLE q${index}`);
    await both.same(`CREATE TABLE copy${index} AS q${index}`);
    await both.same(`SHOW CREATE TABLE copy${index}`);
  }
});

test('a statement about a named collection is refused in the words of the native engine', async (t) => {
  const both = await useBoth(t);
  const nc = await useCollection(t, both, `${BASIC.replace("'g'", "'g' NOT OVERRIDABLE")}, kafka_num_consumers = 99`);
  for (const engine of [
    'Kafka(no_such_collection)',
    "Kafka(no_such_collection, kafka_format = 'CSV')",
    `Kafka(${nc})`,
    `Kafka(${nc}, kafka_group_name = 'x')`,
    "Kafka(in_config, kafka_group_name = 'x')",
    `Kafka(${nc}, 'x')`,
    `Kafka(${nc}, kafka_num_consumers = 'abc')`,
    `Kafka(${nc}, kafka_num_consumers = -1)`,
    `Kafka(${nc}, kafka_num_consumers = a + b)`,
    `Kafka(${nc}, kafka_num_consumers = 0)`,
    `Kafka(${nc}, kafka_num_consumers = 1, kafka_handle_error_mode = 'bogus')`,
    `Kafka(${nc}, kafka_num_consumers = 1) SETTINGS kafka_bogus = 1`,
    `Kafka(${nc}, kafka_num_consumers = 1) SETTINGS allow_named_collection_override_by_default = 0`,
  ]) {
    await both.same(`CREATE TABLE q (a Int32) ENGINE = ${engine}`);
    t.is(await both.direct("SELECT count() FROM system.tables WHERE name = 'q' AND database = currentDatabase()"), '0', engine);
  }
});

test('a password in place of the one of a collection is sealed, and hidden where the native engine shows it', async (t) => {
  const both = await useBoth(t);
  const nc = await useCollection(t, both, BASIC);
  t.is(await both.ours(`CREATE TABLE q (a Int32) ENGINE = Kafka(${nc}, kafka_sasl_password = 'hunter2', kafka_topic_list = 'x')`), '');
  t.is(
    (await both.ours('SHOW CREATE TABLE q FORMAT TSVRaw')).split('\n').at(-1),
    `ENGINE = Kafka(${nc}, kafka_sasl_password = '[HIDDEN]', kafka_topic_list = 'x')`,
  );
  t.notRegex(await both.direct("SELECT comment FROM system.tables WHERE name = 'q' AND database = currentDatabase()"), /hunter2/);
  t.is(both.catalog.find(both.database, 'q')?.options.properties.consumer['sasl.password'], 'hunter2');
  t.is(await both.ours('CREATE TABLE copy AS q'), '');
  t.is(both.catalog.find(both.database, 'copy')?.options.properties.consumer['sasl.password'], 'hunter2');
});

test('a password that could not be hidden where it stands is refused before the server hears of it', async (t) => {
  const both = await useBoth(t);
  const nc = await useCollection(t, both, BASIC);
  for (const argument of [
    'kafka_sasl_password = 12345678901',
    'kafka_sasl_password = hunter2',
    "kafka_sasl_password = concat('hunter', '2')",
    "equals(kafka_sasl_password, 'hunter2')",
    "'kafka_sasl_password' = 'hunter2'",
    "`kafka.sasl.password` = 'hunter2'",
  ]) {
    const answer = await both.ours(`CREATE TABLE q (a Int32) ENGINE = Kafka(${nc}, ${argument})`);
    t.regex(answer, /^36 BAD_ARGUMENTS /, argument);
    t.notRegex(answer, /hunter|12345678901/);
  }
  t.is(await both.ours('EXISTS TABLE q'), '0');
});

test('a table with secrets is not copied together with settings that could send them elsewhere', async (t) => {
  const both = await useBoth(t);
  const nc = await useCollection(t, both, BASIC);
  t.is(await both.ours(`CREATE TABLE q (a Int32) ENGINE = Kafka(${nc}, kafka_sasl_password = 'hunter2')`), '');
  t.regex(await both.ours("CREATE TABLE copy AS q SETTINGS kafka_broker_list = 'evil:1'"), /^36 BAD_ARGUMENTS SETTINGS cannot be added/);
  t.is(await both.ours('EXISTS TABLE copy'), '0');
  t.is(await both.ours('CREATE TABLE copy AS q'), '');
});

test('what a collection leaves out is said when the table is made', async (t) => {
  const both = await useBoth(t);
  const nc = await useCollection(t, both, "kafka_broker_list = '127.0.0.1:1', kafka_topic_list = 't'");
  t.is(
    await both.ours(`CREATE TABLE q (a Int32) ENGINE = Kafka(${nc})`),
    `42 NUMBER_OF_ARGUMENTS_DOESNT_MATCH Required parameter 'kafka_group_name', 'kafka_format' for storage Kafka not specified: neither the named collection \`${nc}\` nor the statement gives a value`,
  );
  t.is(await both.ours(`CREATE TABLE q (a Int32) ENGINE = Kafka(${nc}, kafka_format = CSV) SETTINGS kafka_group_name = 'g'`), '');
});

test('a collection that a Kafka table uses is not dropped', async (t) => {
  const both = await useBoth(t);
  const nc = await useCollection(t, both, BASIC);
  t.is(await both.ours(`CREATE TABLE q (a Int32) ENGINE = Kafka(${nc})`), '');
  const refused = `769 NAMED_COLLECTION_IS_USED Named collection \`${nc}\` is used by tables: DB.q`;
  t.is(await both.ours(`DROP NAMED COLLECTION ${nc}`), refused);
  t.is(await both.ours(`drop named collection if exists \`${nc}\``), refused);
  await both.ours('DROP TABLE q');
  await both.native(`CREATE TABLE q (a Int32) ENGINE = Kafka(${nc})`);
  await both.same(`DROP NAMED COLLECTION ${nc}`);
  await both.native('DROP TABLE q SYNC');
  t.is(await both.ours(`DROP NAMED COLLECTION ${nc}`), '');
  t.is(await both.ours(`DROP NAMED COLLECTION IF EXISTS ${nc}`), '');
});

test('a table whose collection is gone says so, and has its settings again when the collection is back', async (t) => {
  const both = await useBoth(t);
  const nc = await useCollection(t, both, BASIC);
  t.is(await both.ours(`CREATE TABLE q (a Int32) ENGINE = Kafka(${nc})`), '');
  await both.direct(`DROP NAMED COLLECTION ${nc}`);
  await both.catalog.refresh();
  const reason = `The named collection \`${nc}\` cannot be used: there is none of that name, or the service account may not see it`;
  t.is(both.catalog.find(both.database, 'q')?.notReady, reason);
  await both.direct(`CREATE NAMED COLLECTION ${nc} AS ${BASIC}, kafka_num_consumers = 'many'`);
  await both.catalog.refresh();
  t.regex(both.catalog.find(both.database, 'q')?.notReady ?? '', /cannot be used: .*expected 'eof' before: 'many'/);
  await both.direct(`ALTER NAMED COLLECTION ${nc} SET kafka_num_consumers = 2, kafka_topic_list = 'other'`);
  await both.catalog.refresh();
  const table = both.catalog.find(both.database, 'q');
  t.is(table?.notReady, undefined);
  t.deepEqual(table?.options.topics, ['other']);
});

test("a collection's own kafka section stands in place of the global one, and what it cannot hold is told", async (t) => {
  const both = await useBoth(t);
  const section =
    "`kafka.session_timeout_ms` = 7000, `kafka.consumer.client_id` = 'mine', `kafka.kafka_topic.name` = 't', `kafka.kafka_topic.fetch_min_bytes` = 5";
  const nc = await useCollection(t, both, `${BASIC}, ${section}`);
  t.is(await both.ours(`CREATE TABLE q (a Int32) ENGINE = Kafka(${nc})`), '');
  const { consumer, producer } = both.catalog.find(both.database, 'q')?.options.properties ?? {};
  t.deepEqual(consumer, { 'session.timeout.ms': '7000', 'client.id': 'mine', 'fetch.min.bytes': '5' });
  t.deepEqual(producer, { 'session.timeout.ms': '7000', 'fetch.min.bytes': '5' });
  const wrong = await useCollection(t, both, `${BASIC}, \`kafka.secuity_protocol\` = 'ssl'`);
  t.is(
    await both.ours(`CREATE TABLE w (a Int32) ENGINE = Kafka(${wrong})`),
    `344 SUPPORT_IS_DISABLED The named collection \`${wrong}\` cannot be used: Unknown Kafka property secuity_protocol from the named collection ${wrong}: did you mean security.protocol?`,
  );
});

test("values that the service account must not read are not guessed: the gateway's own collection counts, or the grants are named", async (t) => {
  const { url } = await useClickHouse();
  const both = await useBoth(t);
  const nc = await useCollection(t, both, BASIC);
  const client = createServiceClient({ url, user: 'short', password: '' });
  t.teardown(async () => client.close());
  const own = { name: nc, values: { kafka_topic_list: 'of the gateway' }, overridable: {} };
  const found = async (configured: ReadonlyMap<string, typeof own>) =>
    (await new NamedCollections({ client, configured, logger: silentLogger() }).find([nc])).get(nc);
  t.deepEqual(await found(new Map([[nc, own]])), { ok: true, collection: own, isGateways: true });
  const refused = await found(new Map());
  t.regex(
    refused?.ok === false ? refused.reason : '',
    /^its values must not be read by the gateway's service account\. Grant it SELECT ON system\.named_collections, SHOW NAMED COLLECTIONS ON \S+, SHOW NAMED COLLECTIONS SECRETS ON \* and displaySecretsInShowAndSelect ON \*\.\*/,
  );
});
