import test from 'ava';
import { uniqueName, useOwnClickHouse, waitFor } from '../helpers/index.ts';
import { useGateway } from '../helpers/gateway.ts';
import { useStream } from '../helpers/stream.ts';
import { useDoors } from './doors/index.ts';

test('a table without columns gets those of its JSON messages, lists them, and streams', async (t) => {
  const stream = await useStream(t, { partitions: 3 });
  await stream.kafka.produce(stream.topic, [
    { value: '{"id":1,"name":"a"}', partition: 0 },
    { value: '{"id":2,"at":"2026-01-02 03:04:05","tags":["x"]}', partition: 1 },
    { value: '{"id":3,"nested":{"deep":1.5}}', partition: 2 },
    { value: null, partition: 2 },
  ]);
  const found = await stream.sql(`CREATE TABLE q ${stream.engine()} FORMAT CSV`);
  t.deepEqual(
    found.split('\n').sort(),
    [
      '"at","Nullable(DateTime)"',
      '"id","Nullable(Int64)"',
      '"name","Nullable(String)"',
      '"nested","Tuple(deep Nullable(Float64))"',
      '"tags","Array(Nullable(String))"',
    ].sort(),
  );
  t.regex(await stream.sql('SHOW CREATE TABLE q FORMAT TSVRaw'), /^CREATE TABLE \S+\n\(\n {4}`id` Nullable\(Int64\),\n/);
  t.regex(await stream.sql('DESCRIBE q'), /^id\tNullable\(Int64\)/);
  t.regex(stream.gateway.logs(), /columns inferred/);
  t.deepEqual(await stream.kafka.groupMembers(stream.group), []);
  await stream.sql('CREATE MATERIALIZED VIEW rows ENGINE = Memory AS SELECT id, nested.deep AS deep, _partition AS part FROM q');
  await stream.answers('SELECT * FROM rows ORDER BY id FORMAT CSV', '1,\\N,0\n2,\\N,1\n3,1.5,2');
});

test('the columns are listed to clients of the HTTP and of the native interface alike', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['{"id":1,"name":"a"}']);
  for (const [index, door] of (await useDoors(t, stream.gateway)).entries()) {
    const answer = await door.ask({ sql: `CREATE TABLE ${stream.database}.q${index} ${stream.engine()}` });
    t.deepEqual(answer.rows, [
      ['id', 'Nullable(Int64)'],
      ['name', 'Nullable(String)'],
    ]);
    const again = await door.ask({ sql: `CREATE TABLE ${stream.database}.q${index} ${stream.engine()}` });
    t.is(again.refusal?.code, 57);
  }
});

test('a request that may not change anything makes no table, though its columns could be found or its rows be written', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['{"id":1}']);
  for (const end of ['', ' AS SELECT 1 AS id']) {
    const query = encodeURIComponent(`CREATE TABLE q ${stream.engine()}${end}`);
    for (const settings of ['', '&allow_ddl=0']) {
      const method = settings === '' ? 'GET' : 'POST';
      const answer = await fetch(`${stream.gateway.url}/?database=${stream.database}&query=${query}${settings}`, {
        method,
        body: method === 'GET' ? null : '',
      });
      t.regex(await answer.text(), /^Code: (?:164|392)\. /);
    }
  }
  t.is(await stream.direct(`SELECT count() FROM system.tables WHERE database = '${stream.database}'`), '0');
});

test('columns of CSV messages are numbered: no line of a message is taken for a header', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['id,name\n', '1,a\n2,b', '3,"c"']);
  t.is(await stream.sql(`CREATE TABLE q ${stream.engine({ format: 'CSV' })}`), 'c1\tNullable(String)\nc2\tNullable(String)');
});

test('messages that do not stand in lines are tried one by one, and broken ones are passed over', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['broken', '{"a":[1,2],"b":["x","y"]}', '{"a":[3]}']);
  t.is(await stream.sql(`CREATE TABLE q ${stream.engine({ format: 'JSONColumns' })}`), 'a\tNullable(Int64)\nb\tNullable(String)');
  await stream.kafka.produce(stream.topic, ['{"c":1}']);
  const lines = await stream.sql(`CREATE TABLE q2 ${stream.engine({ format: 'JSONEachRow', group: uniqueName(t, 'g2') })}`);
  t.true(lines !== '', 'one broken line does not hide the others');
});

test("the table's format settings and skipped bytes count", async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['12345x;1', '12345', '12345y;2']);
  const settings = "kafka_schema_registry_skip_bytes = 5, format_csv_delimiter = ';'";
  t.is(await stream.sql(`CREATE TABLE q ${stream.engine({ format: 'CSV', settings })}`), 'c1\tNullable(String)\nc2\tNullable(Int64)');
});

test('a schema tells the columns without any message', async (t) => {
  const stream = await useStream(t);
  const settings = `format_schema_source = 'string', format_schema_message_name = 'M', format_schema = 'syntax = "proto3"; message M { int32 id = 1; string name = 2; }'`;
  const create = `CREATE TABLE q ${stream.engine({ format: 'Protobuf', settings })}`;
  t.is(await stream.sql(`${create} FORMAT CSV SETTINGS max_threads = 1 -- a comment`), '"id","Int32"\n"name","String"');
});

test('a request whose settings the server refuses makes no table, inferred columns or not', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['{"a":1}']);
  const url = `${stream.gateway.url}/?${new URLSearchParams({ database: stream.database, not_a_setting: '1' })}`;
  const answer = await fetch(url, { method: 'POST', body: `CREATE TABLE q ${stream.engine()}` });
  t.regex(await answer.text(), /^Code: 115\./);
  t.is(await stream.sql('EXISTS TABLE q'), '0');
});

test('messages in a transaction that was committed are seen, its marks are not', async (t) => {
  const stream = await useStream(t);
  const producer = await stream.kafka.producer({ transactionalId: uniqueName(t, 'tx'), idempotent: true, maxInFlightRequests: 1 });
  t.teardown(async () => producer.disconnect());
  for (const [value, ends] of [
    ['{"kept":1}', 'commit'],
    ['{"gone":1}', 'abort'],
  ] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: stream.topic, messages: [{ value }] });
    await transaction[ends]();
  }
  await waitFor(async () => (await stream.kafka.endOffsets(stream.topic))[0]?.high === 4n);
  t.is(await stream.sql(`CREATE TABLE q ${stream.engine()}`), 'kept\tNullable(Int64)');
});

test('what gives no columns is refused with what to do, and no table is made', async (t) => {
  const stream = await useStream(t);
  const create = (engine: string): Promise<string> => stream.sql(`CREATE TABLE q ${engine}`);
  const refused = async (engine: string, text: RegExp): Promise<void> => {
    await t.throwsAsync(create(engine), { message: text });
    t.is(await stream.sql('EXISTS TABLE q'), '0');
  };
  const hint = 'Name the columns, or try again when there are messages';
  await refused(stream.engine(), new RegExp(`Code: 80\\. .*topic '${stream.topic}' has no messages to infer them from\\. ${hint}`));
  await refused(
    stream.engine({ topic: 'no_such_topic' }),
    /Code: 36\. .*step topic failed at broker \S+: Broker: Unknown topic or partition: no_such_topic/,
  );
  await refused(
    "ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'JSONEachRow')",
    /Code: 210\. .*step connect failed at broker 127\.0\.0\.1:1: Connection refused/,
  );
  await refused(
    `ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'JSONEachRow') SETTINGS kafka_check_on_create = 0`,
    /Code: 80\. .*topic 't' cannot be read: Local: .*Connection refused/,
  );
  await refused(
    stream.engine({ topic: 'no_such_topic', settings: 'kafka_check_on_create = 0' }),
    /Code: 80\. .*topic 'no_such_topic' does not exist/,
  );
  await stream.kafka.produce(stream.topic, ['whatever']);
  await refused(
    stream.engine({ format: 'RowBinary' }),
    /Code: 80\. .*RowBinary messages of topic .* do not tell them: .*doesn't support schema inference/,
  );
  await refused(stream.engine({ format: 'Bogus' }), /Unknown format Bogus/);
  await refused(stream.engine({ settings: 'kafka_bogus = 1' }), /Code: 115\. .*kafka_bogus/);
});

test('a table that exists is told before any broker is asked', async (t) => {
  const stream = await useStream(t);
  const engine = "ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'JSONEachRow')";
  await stream.sql(`CREATE TABLE q (a Int32) ${engine} SETTINGS kafka_check_on_create = 0`);
  await t.throwsAsync(stream.sql(`CREATE TABLE q ${engine}`), { message: /Code: 57\. .*already exists/ });
  t.is(await stream.sql(`CREATE TABLE IF NOT EXISTS q ${engine}`), '');
  await t.throwsAsync(stream.sql(`CREATE TABLE no_such_database.q ${engine}`), { message: /Code: 81\. / });
});

test('who may not create the table does not get to see its topic', async (t) => {
  const clickHouse = await useOwnClickHouse(t, {
    usersXml: `<reader><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
      <grants><query>GRANT SELECT ON *.*</query></grants></reader>`,
  });
  const gateway = await useGateway(t, { clickHouseUrl: clickHouse.url });
  const answer = await fetch(`${gateway.url}/?user=reader`, {
    method: 'POST',
    body: "CREATE TABLE q ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'JSONEachRow')",
  });
  t.regex(await answer.text(), /Code: 497\. .*CREATE TABLE ON default\.q/);
});
