import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { GatewayPart } from '../parts/gateway.ts';
import { useGateway } from '../helpers/gateway.ts';
import { useKafka, waitFor } from '../helpers/index.ts';
import { useStream, type Stream } from '../helpers/stream.ts';

const COLUMNS = '(id UInt64)';

interface Status {
  readonly tables: readonly {
    readonly database: string;
    readonly state: string;
    readonly exceptions: readonly { readonly text: string }[];
  }[];
}

async function exceptionsOf({ adminUrl }: GatewayPart, { database }: Stream): Promise<string> {
  const { tables } = (await (await fetch(`${adminUrl}/status`)).json()) as Status;
  return (tables.find((table) => table.database === database)?.exceptions ?? []).map(({ text }) => text).join('\n');
}

async function refusalOf(t: ExecutionContext, stream: Stream, statement: string): Promise<string> {
  const error = await t.throwsAsync(stream.sql(statement));
  t.is(await stream.sql("SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'refused'"), '0');
  return error.message;
}

test.serial('a table that names a broker or a registry outside of the lists is not made, and one within them streams', async (t) => {
  const { brokers } = await useKafka(t);
  const env = { SLUICE_ALLOWED_BROKERS: brokers, SLUICE_ALLOWED_HTTP_HOSTS: 'registry.internal:8081' };
  const stream = await useStream(t, { gateway: await useGateway(t, { env }) });
  const create = (list: string, settings: string): string =>
    `CREATE TABLE refused ${COLUMNS} ENGINE = Kafka('${list}', 't', 'g', 'AvroConfluent') ${settings}`;
  const refused =
    'Code: 491. DB::Exception: URL "evil:9092" is not allowed in the configuration of the gateway, see allowed_brokers: ' +
    "the host is not among those that may be connected to. Ask the gateway's operator to allow it. (UNACCEPTABLE_URL)";
  t.true((await refusalOf(t, stream, create('evil', ''))).startsWith(refused));
  t.true((await refusalOf(t, stream, create(`${brokers}, evil:9092`, ''))).startsWith(refused));
  t.regex(await refusalOf(t, stream, create('169.254.169.254:80', '')), /URL "169\.254\.169\.254:80".*link-local/);
  const registry = "SETTINGS format_avro_schema_registry_url = 'http://user:secret@registry.internal:80/x'";
  const told = await refusalOf(t, stream, create(brokers, registry));
  t.regex(told, /URL "registry\.internal:80" is not allowed .* see allowed_http_hosts/);
  t.notRegex(told, /secret/);

  await stream.kafka.produce(stream.topic, ['{"id": 1}']);
  await stream.sql(
    `CREATE TABLE queue ${COLUMNS} ${stream.engine()}`,
    `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id`,
    'CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue',
  );
  await stream.answers('SELECT count() FROM target', '1');
});

test.serial('a registry that refers CREATE to an address outside of the list is not followed', async (t) => {
  let isFollowed = false;
  const registry = createServer((request, answer) => {
    if (request.url === '/inner') isFollowed = true;
    const { port } = registry.address() as AddressInfo;
    answer.writeHead(302, { location: `http://127.0.0.2:${port}/inner` }).end();
  });
  registry.listen(0, '0.0.0.0');
  await once(registry, 'listening');
  t.teardown(() => registry.close());
  const { port } = registry.address() as AddressInfo;
  const stream = await useStream(t, { gateway: await useGateway(t, { env: { SLUICE_ALLOWED_HTTP_HOSTS: '127.0.0.1' } }) });
  const url = `format_avro_schema_registry_url = 'http://127.0.0.1:${port}'`;
  const engine = stream.engine({ settings: url }).replace("'JSONEachRow'", "'AvroConfluent'");
  const told = await refusalOf(t, stream, `CREATE TABLE refused ${COLUMNS} ${engine}`);
  t.regex(told, /^Code: 491\. .*step schema failed .*URL "127\.0\.0\.2:\d+" is not allowed/);
  t.false(isFollowed);
});

test.serial(
  'a table made before the list, and a broker that refers to another address, are refused with the reason in the status',
  async (t) => {
    const { brokers } = await useKafka(t);
    const port = brokers.slice(brokers.lastIndexOf(':') + 1);
    const before = await useGateway(t);
    const stream = await useStream(t, { gateway: before });
    const engine = stream.engine().replace(brokers, `localhost:${port}`);
    await stream.sql(
      `CREATE TABLE queue ${COLUMNS} ${engine}`,
      `CREATE TABLE target ${COLUMNS} ENGINE = MergeTree ORDER BY id`,
      'CREATE MATERIALIZED VIEW view TO target AS SELECT id FROM queue',
    );
    await stream.kafka.produce(stream.topic, ['{"id": 1}']);
    await stream.answers('SELECT count() FROM target', '1');
    await before.stop();

    const closed = await useGateway(t, { env: { SLUICE_ALLOWED_BROKERS: 'kafka.internal' } });
    await waitFor(async () => /URL "localhost:\d+" is not allowed .* see allowed_brokers/.test(await exceptionsOf(closed, stream)));
    await closed.stop();

    // The name is allowed; the broker says that it is 127.0.0.1, which is not.
    const byName = await useGateway(t, { env: { SLUICE_ALLOWED_BROKERS: `localhost:${port}` } });
    await waitFor(async () => /URL "127\.0\.0\.1:\d+" is not allowed .* see allowed_brokers/.test(await exceptionsOf(byName, stream)));
    t.is(await stream.direct('SELECT count() FROM target'), '1');
  },
);
