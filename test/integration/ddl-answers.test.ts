import test, { type ExecutionContext } from 'ava';
import { assertSameAnswer, comparable, send, type TestRequest } from '../frontend/http/helpers/exchange.ts';
import { shareGateway, UNCHECKED, useGateway, useSharedGateway } from '../helpers/gateway.ts';
import { useClickHouse, useDatabase, useOwnClickHouse } from '../helpers/index.ts';

shareGateway(UNCHECKED);

const SETTINGS = "kafka_broker_list = '127.0.0.1:1', kafka_topic_list = 't', kafka_group_name = 'g', kafka_format = 'JSONEachRow'";
const ENGINE = `ENGINE = Kafka SETTINGS ${SETTINGS}`;

type Request = (database: string) => TestRequest;

/** Sends the requests to the native engine and through the gateway, each in a database of its own: the answers are equal but for its name. */
async function assertSameAnswers(
  t: ExecutionContext,
  requests: readonly Request[],
  printed = (answer: string): string => answer,
): Promise<void> {
  const server = await useClickHouse(t);
  const gateway = await useSharedGateway(t);
  const native = await useDatabase(t);
  const ours = await useDatabase(t);
  const answer = async (url: string, database: string, request: Request): Promise<unknown> => {
    const text = JSON.stringify(comparable(await send(url, request(database))));
    return JSON.parse(printed(text.replaceAll(database, 'DB'))) as unknown;
  };
  for (const request of requests) {
    const expected = await answer(server.url, native, request);
    t.deepEqual(await answer(gateway.url, ours, request), expected, JSON.stringify(request('DB')));
  }
}

/** Equal to the last header. */
const same = test.macro(async (t, ...requests: Request[]) => assertSameAnswers(t, requests));

/** Equal but for what the server read to know its answer: it takes ours from the statement, the native engine's from its tables. */
const sameResult = test.macro(async (t, ...requests: Request[]) =>
  assertSameAnswers(t, requests, (answer) => answer.replaceAll(/(_rows|_bytes|_to_read)\\":\\"\d+/g, '$1\\":\\"N')),
);

const post =
  (sql: string, parameters = '', headers: Record<string, string> = {}): Request =>
  (database) => ({
    method: 'POST',
    target: `/?database=${database}${parameters}`,
    headers,
    body: sql,
  });

const inUrl =
  (method: string, sql: string, parameters = ''): Request =>
  (database) => ({
    method,
    target: `/?database=${database}&query=${encodeURIComponent(sql)}${parameters}`,
    headers: method === 'POST' ? { 'Content-Length': '0' } : {},
  });

const CREATE = `CREATE TABLE q (a Int32, b String) ${ENGINE}`;

test(
  'a Kafka table is made, moved and dropped with the empty answers of the server',
  same,
  post(CREATE),
  post(CREATE),
  post(CREATE.replace('TABLE', 'TABLE IF NOT EXISTS')),
  post(CREATE.replace('CREATE', 'CREATE OR REPLACE')),
  post('DETACH TABLE q'),
  post('ATTACH TABLE q'),
  post('ATTACH TABLE q'),
  post('ATTACH TABLE IF NOT EXISTS q'),
  post('RENAME TABLE q TO r'),
  post('RENAME TABLE q TO r'),
  post('CREATE TABLE s AS r'),
  post('EXCHANGE TABLES r AND s'),
  post('TRUNCATE TABLE r'),
  post('ALTER TABLE r ADD COLUMN c Int8'),
  post("ALTER TABLE r MODIFY COMMENT 'c'"),
  post('DROP TABLE r'),
  post('DROP TABLE r'),
  post('DROP TABLE IF EXISTS r'),
  post('DROP TABLE s SYNC'),
);

test(
  'so is a statement in the URL, with the parameters of a driver, or packed',
  same,
  inUrl('GET', CREATE),
  inUrl('HEAD', CREATE),
  inUrl('POST', CREATE, '&wait_end_of_query=1&send_progress_in_http_headers=1'),
  inUrl('POST', 'DROP TABLE q', '&query_id='),
  post(CREATE, '&compress=1'),
  post('DROP TABLE q', '&compress=1'),
  post(CREATE, '&enable_http_compression=1', { 'Accept-Encoding': 'gzip' }),
  post('DROP TABLE q', '&wait_end_of_query=1&buffer_size=1000'),
  post(`${CREATE};`, '&default_format=JSON'),
  post('DROP TABLE q;\n', '', { 'X-ClickHouse-Format': 'JSONEachRow' }),
  post(CREATE, '&readonly=1'),
  post(CREATE, '&user=nobody'),
  post(CREATE, '&no_such_setting=1'),
  post(CREATE, '&http_write_exception_in_output_format=1&default_format=JSON'),
  post(CREATE, '&http_write_exception_in_output_format=1&default_format=JSON'),
  post('DROP TABLE q', '&add_http_cors_header=1', { Origin: 'http://example.com' }),
);

const FORMATS = ['TSV', 'JSON', 'JSONEachRow', 'PrettyCompact', 'RowBinaryWithNamesAndTypes', 'Vertical'];
test(
  'what a Kafka table is answers in every format as the real one does',
  sameResult,
  post(CREATE),
  ...FORMATS.flatMap((format) => [
    post('SHOW CREATE TABLE q', `&default_format=${format}&output_format_write_statistics=0`),
    post(`DESCRIBE TABLE q FORMAT ${format} SETTINGS output_format_write_statistics = 0`),
    post(`EXISTS TABLE q FORMAT ${format} SETTINGS output_format_write_statistics = 0`),
  ]),
  post('DESCRIBE q', '&compress=1'),
  post('DESCRIBE q', '&describe_compact_output=1'),
  inUrl('GET', 'SHOW CREATE TABLE q'),
  inUrl('HEAD', 'DESCRIBE q'),
);

test(
  'what a Kafka table refuses is refused with the headers of the server',
  same,
  post(`CREATE TABLE q (a Int32) ENGINE = Kafka SETTINGS ${SETTINGS}, kafka_no_such_setting = 1`),
  post("CREATE TABLE q (a Int32) ENGINE = Kafka('127.0.0.1:1')"),
  post('CREATE TABLE q (a Int32) ENGINE = Kafka SETTINGS'),
  post(`CREATE TABLE no_such_database.q (a Int32) ${ENGINE}`),
  post(CREATE),
  post('SELECT * FROM q'),
  inUrl('GET', 'SELECT a FROM q', '&compress=1'),
  post('SELECT * FROM q', '&enable_http_compression=1', { 'Accept-Encoding': 'zstd' }),
  post(`${CREATE}; SELECT 1`),
  post(`${CREATE.replace(' q ', ' q2 ')}; ${CREATE.replace(' q ', ' q3 ')}`),
  post('SHOW TABLES'),
);

test(
  'ON CLUSTER answers as the server does',
  same,
  post(`CREATE TABLE q ON CLUSTER no_such_cluster (a Int32) ${ENGINE}`),
  post(CREATE),
  post('DETACH TABLE q ON CLUSTER no_such_cluster'),
  post('DROP TABLE q ON CLUSTER no_such_cluster'),
  post('DROP TABLE IF EXISTS q ON CLUSTER no_such_cluster SYNC'),
);

test('ON CLUSTER of a cluster that the server knows answers as the server does', async (t) => {
  // This server makes no table ON CLUSTER, it is a library: what can be seen is that its own answer comes for our statements, too.
  const configXml =
    '<remote_servers><known><shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard></known></remote_servers>';
  const server = await useOwnClickHouse(t, { configXml });
  const gateway = await useGateway(t, { ...UNCHECKED, clickHouseUrl: server.url, clickHouseNativePort: server.nativePort });
  for (const sql of [CREATE.replace(' q ', ' q ON CLUSTER known '), 'DROP TABLE IF EXISTS q ON CLUSTER known'])
    await assertSameAnswer(t, server.url, gateway.url, post(sql)('default'));
});
