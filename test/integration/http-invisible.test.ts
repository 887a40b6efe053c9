import { Agent } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import {
  assertSameAnswer,
  comparable,
  encodeByServer,
  header,
  post,
  query,
  send,
  type TestAnswer,
  type TestRequest,
} from '../frontend/http/helpers/exchange.ts';
import { uniqueName, waitFor } from '../helpers/index.ts';
import { startOwnClickHouse, type ClickHousePart } from '../parts/clickhouse.ts';
import { startGateway, UNCHECKED, type GatewayPart } from '../parts/gateway.ts';

const NETWORKS = '<networks><ip>::/0</ip></networks>';
const user = (name: string, password: string, profile: string, quota: string, grants = ''): string =>
  `<${name}><password>${password}</password>${NETWORKS}<profile>${profile}</profile><quota>${quota}</quota>${grants}</${name}>`;
const handler = (url: string, type: string, content: string): string =>
  `<rule><url>${url}</url><handler><type>${type}</type>${content}</handler></rule>`;

let server: ClickHousePart;
let gateway: GatewayPart;

test.before('a server with users, roles, quotas and handlers, and a gateway that has a table of its own', async () => {
  server = await startOwnClickHouse({
    profilesXml: '<only_reads><readonly>1</readonly></only_reads>',
    quotasXml: '<counted><keyed/><interval><duration>3600</duration><queries>1000</queries></interval></counted>',
    rolesXml: '<reader><grants><query>GRANT SELECT ON system.*</query></grants></reader><other><grants></grants></other>',
    usersXml: [
      user('only_reads', 'r', 'only_reads', 'default'),
      user('counted', 'c', 'default', 'counted'),
      user('roled', 'o', 'default', 'default', '<grants><query>GRANT reader, other</query></grants>'),
    ].join(''),
    configXml: `<http_options_response>
        <header><name>Access-Control-Allow-Origin</name><value>*</value></header>
        <header><name>Access-Control-Max-Age</name><value>86400</value></header>
      </http_options_response>
      <http_handlers>
        ${handler('/predefined', 'predefined_query_handler', "<query>SELECT 'predefined', {a:String}</query>")}
        ${handler('/static', 'static', '<status>202</status><content_type>text/plain</content_type><response_content>hello</response_content>')}
        <defaults/>
      </http_handlers>`,
  });
  gateway = await startGateway({ ...UNCHECKED, clickHouseUrl: server.url, clickHouseNativePort: server.nativePort });
  await send(gateway.url, post(`CREATE TABLE default.known (a Int8) ${KAFKA}`));
});

test.after.always('both are stopped', async () => {
  await gateway.stop();
  await server.stop();
});

const KAFKA = "ENGINE = Kafka('127.0.0.1:1', 'topic', 'group', 'JSONEachRow')";
const basic = (name: string, password: string): Record<string, string> => ({
  Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});
const form = (...fields: readonly (readonly [string, string])[]): TestRequest => ({
  method: 'POST',
  target: '/',
  headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
  body: `${fields.map(([name, text]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`).join('')}--b--\r\n`,
});

const same = test.macro(async (t, ...requests: TestRequest[]) => {
  for (const wanted of requests) await assertSameAnswer(t, server.url, gateway.url, wanted);
});

test(
  'a user who may only read may read, and nothing else, whatever the statement',
  same,
  { target: query('SELECT currentUser()'), headers: basic('only_reads', 'r') },
  { target: query('SELECT 1', '&max_threads=1'), headers: basic('only_reads', 'r') },
  post('CREATE TABLE t (a Int8) ENGINE = Null', '/', basic('only_reads', 'r')),
  post(`CREATE TABLE t (a Int8) ${KAFKA}`, '/', basic('only_reads', 'r')),
  post('DROP TABLE known', '/', basic('only_reads', 'r')),
  { target: query(`CREATE TABLE t (a Int8) ${KAFKA}`) },
  { target: query('DROP TABLE t') },
);

test(
  'roles are taken by name',
  same,
  ...['', '&role=reader', '&role=reader&role=other', '&role=nope', '&role='].map((role) => ({
    target: query('SELECT currentRoles()', role),
    headers: basic('roled', 'o'),
  })),
  post(`CREATE TABLE t (a Int8) ENGINE = Null`, '/?role=reader', basic('roled', 'o')),
);

test(
  'quota keys pass, as parameter and as header',
  same,
  {
    target: query("SELECT quota_key FROM system.quota_usage WHERE quota_name = 'counted'", '&quota_key=one'),
    headers: basic('counted', 'c'),
  },
  {
    target: query("SELECT quota_key FROM system.quota_usage WHERE quota_name = 'counted'"),
    headers: { ...basic('counted', 'c'), 'X-ClickHouse-Quota': 'two' },
  },
);

test(
  'every way to say who one is, right or wrong, is answered as by the server',
  same,
  { target: query('SELECT currentUser()'), headers: { 'X-ClickHouse-User': 'counted', 'X-ClickHouse-Key': 'c' } },
  { target: query('SELECT currentUser()', '&user=counted&password=c') },
  ...['no', ''].flatMap((password) => [
    { target: query('SELECT 1'), headers: basic('counted', password) },
    { target: query('SELECT 1'), headers: { 'X-ClickHouse-User': 'counted', 'X-ClickHouse-Key': password } },
    { target: query('SELECT 1', `&user=counted&password=${password}`) },
    post(`CREATE TABLE t (a Int8) ENGINE = Null`, `/?user=counted&password=${password}`),
  ]),
  { target: query('SELECT 1', '&user=counted&password=c'), headers: basic('counted', 'c') },
  { target: query('SELECT 1'), headers: { 'X-ClickHouse-User': 'counted', ...basic('counted', 'c') } },
  { target: query('SELECT 1'), headers: { Authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' } },
  { target: query('SELECT 1'), headers: { Authorization: 'Basic not-base64!' } },
  { target: query('SELECT 1'), headers: { Authorization: 'Digest x' } },
  { target: query('SELECT 1'), headers: { 'X-ClickHouse-SSL-Certificate-Auth': 'on', 'X-ClickHouse-User': 'counted' } },
  { target: query('SELECT 1'), headers: { Cookie: 'a=b', Authorization: 'never' } },
);

test(
  'questions of browsers are answered as by the server',
  same,
  { method: 'OPTIONS', target: query('SELECT 1'), headers: { Origin: 'http://example', 'Access-Control-Request-Method': 'POST' } },
  { target: query('SELECT 1', '&add_http_cors_header=1'), headers: { Origin: 'http://example' } },
  { target: query('SELECT nope', '&add_http_cors_header=1'), headers: { Origin: 'http://example' } },
  { method: 'HEAD', target: '/ping' },
  { method: 'HEAD', target: '/play' },
);

test(
  'handlers of the configuration answer',
  same,
  { target: '/predefined?param_a=x%20y' },
  post('', '/predefined?param_a=z', { 'Content-Length': '0' }),
  { target: '/static' },
  { target: '/replicas_status?verbose=1' },
  ...['/play', '/dashboard', '/merges', '/binary', '/js/uplot.js', '/metrics'].map((target) => ({ target })),
);

test(
  'parameters of results are the server’s to read',
  same,
  { target: query('SELECT number FROM numbers(1000)', '&wait_end_of_query=1&buffer_size=10') },
  {
    target: query('SELECT number FROM numbers(100000)', '&wait_end_of_query=1&enable_http_compression=1&max_threads=1'),
    headers: { 'Accept-Encoding': 'gzip' },
  },
  {
    target: query('SELECT number FROM numbers(1000)', '&enable_http_compression=1&http_zlib_compression_level=9'),
    headers: { 'Accept-Encoding': 'br, gzip;q=0.5' },
  },
  { target: query('SELECT number FROM numbers(1000)'), headers: { 'Accept-Encoding': 'gzip' } },
  { target: query('SELECT number FROM numbers(1000) FORMAT Parquet', '&http_response_headers={%27X-Mine%27:%27yes%27}') },
  { target: query('SELECT 1', '&log_comment=x&default_format=JSON&output_format_write_statistics=0&extremes=1') },
);

test('errors in mid-stream end every kind of answer as on the server', async (t) => {
  // One thread and small blocks, so that both answers hold the same rows before the error.
  const failing = 'SELECT throwIf(number = 300000) FROM numbers(2000000)';
  const small = '&max_threads=1&max_block_size=1000&buffer_size=1000';
  for (const [parameters, headers] of [
    [`${small}&default_format=JSONEachRow`, {}],
    [`${small}&default_format=JSONEachRow&http_write_exception_in_output_format=1`, {}],
    [`${small}&default_format=JSON&http_write_exception_in_output_format=1`, {}],
    [`${small}&compress=1`, {}],
    [`${small}&enable_http_compression=1`, { 'Accept-Encoding': 'gzip' }],
  ] as const) {
    const wanted = { target: query(failing, parameters), headers };
    const [direct, through] = [await send(server.url, wanted), await send(gateway.url, wanted)];
    t.is(through.isCutOff, direct.isCutOff, parameters);
    t.is(through.status, direct.status);
    t.deepEqual(headerNames(through), headerNames(direct));
    const text = (answer: TestAnswer): string =>
      answer.body
        .toString('latin1')
        .slice(-400)
        .replaceAll(/[a-z]{16}\b/g, 'TAG')
        .replace(/"rows": \d+/, 'ROWS');
    if (headers['Accept-Encoding'] === undefined && !parameters.includes('compress')) t.is(text(through), text(direct));
  }
});

const headerNames = (answer: TestAnswer): readonly string[] => answer.rawHeaders.filter((_, i) => i % 2 === 0);

test('sessions are kept, checked and locked as on the server', async (t) => {
  const session = uniqueName(t, 'session');
  const at = (url: string): string => `&session_id=${session}_${url === server.url ? 'direct' : 'through'}`;
  const both = async (make: (session: string) => TestRequest): Promise<void> => {
    const [direct, through] = [await send(server.url, make(at(server.url))), await send(gateway.url, make(at(gateway.url)))];
    const anonymous = (answer: TestAnswer): string => JSON.stringify(comparable(answer)).replaceAll(/_(direct|through)/g, '');
    t.is(anonymous(through), anonymous(direct));
  };
  await both((id) => ({ target: query('SELECT 1', `${id}&session_check=1`) }));
  await both((id) => post('CREATE TEMPORARY TABLE mine AS SELECT 7 AS a', `/?${id.slice(1)}&session_timeout=60`));
  await both((id) => post('USE system', `/?${id.slice(1)}`));
  await both((id) => ({ target: query('SELECT a, currentDatabase() FROM mine', `${id}&session_check=1`) }));
  await both((id) => post('SET max_threads = 3', `/?${id.slice(1)}`));
  await both((id) => ({ target: query("SELECT getSetting('max_threads')", id) }));
  await both((id) => ({ target: query('SELECT 1', `${id}&session_timeout=99999999`) }));
  const slow = send(gateway.url, { target: query('SELECT sleep(2)', `${at(gateway.url)}&query_id=${session}`) });
  await waitFor(async () => (await server.query(`SELECT count() FROM system.processes WHERE query_id = '${session}'`)) === '1');
  t.regex((await send(gateway.url, { target: query('SELECT 1', at(gateway.url)) })).body.toString(), /SESSION_IS_LOCKED/);
  t.is((await slow).body.toString(), '0\n');
});

test('one connection serves many requests of every kind, and closes when the client says so', async (t) => {
  const agents = new Map([server.url, gateway.url].map((url) => [url, new Agent({ keepAlive: true, maxSockets: 1 })] as const));
  t.teardown(() => {
    for (const agent of agents.values()) agent.destroy();
  });
  const requests = [
    { target: query('SELECT 1') },
    post('SELECT 2'),
    { method: 'HEAD', target: query('SELECT 3') },
    { target: query('SELECT nope') },
    { target: '/ping' },
    { target: query('SELECT 4'), headers: { Connection: 'close' } },
    post(gzipSync('SELECT 5'), '/', { 'Content-Encoding': 'gzip' }),
  ];
  for (const wanted of requests) {
    const [direct, through] = [
      await send(server.url, wanted, agents.get(server.url)),
      await send(gateway.url, wanted, agents.get(gateway.url)),
    ];
    t.deepEqual(comparable(through), comparable(direct), wanted.target);
  }
});

/** Everything that a port answers to these bytes until it closes. */
async function talk(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(bytes);
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
  return text;
}

test('bytes on the wire are the same: 100 Continue, chunks, trailers, odd heads', async (t) => {
  const steady = (text: string): string =>
    text
      .replaceAll(/,"memory_usage":"\d+"/g, '')
      .replaceAll(/Date: .*|elapsed_ns":"\d+|max=\d+|(Query-Id|Exception-Tag): .*/g, 'STEADY')
      .replaceAll(/[a-z]{16}\b/g, 'TAG');
  const get = (sql: string, rest = ''): string => `GET ${query(sql)} HTTP/1.1\r\nHost: x\r\n${rest}\r\n`;
  for (const bytes of [
    'POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 8\r\n\r\nSELECT 1',
    `POST /?query=SELECT HTTP/1.1\r\nhost: x\r\nCONNECTION: close\r\ntransfer-encoding: chunked\r\n\r\n2;ext=1\r\n 4\r\n0\r\nX-Trailer: 1\r\n\r\n`,
    get('SELECT 5', 'Connection: close\r\nX-Empty:\r\nx-odd:   blanks   \r\n'),
  ]) {
    t.is(steady(await talk(gateway.url, bytes)), steady(await talk(server.url, bytes)), bytes);
  }
});

test('a client that goes away cancels its query', async (t) => {
  const queryId = uniqueName(t, 'query');
  const parameters = `&query_id=${queryId}&max_block_size=1&function_sleep_max_microseconds_per_block=0&cancel_http_readonly_queries_on_client_close=1`;
  const socket = connect(gateway.httpPort, '127.0.0.1');
  socket.write(`GET ${query('SELECT sleepEachRow(0.1) FROM numbers(10000)', parameters)} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const running = async (): Promise<string> => server.query(`SELECT count() FROM system.processes WHERE query_id = '${queryId}'`);
  await waitFor(async () => (await running()) === '1');
  socket.destroy();
  await waitFor(async () => (await running()) === '0');
  t.pass();
});

const encoded = (bytes: Buffer, encoding: string, target: string): TestRequest => post(bytes, target, { 'Content-Encoding': encoding });
const inDatabase = (database: string): string => `/?database=${database}`;

/** Every way in which a statement can be sent. */
const WAYS: Readonly<Record<string, (sql: string, database: string) => TestRequest | Promise<TestRequest>>> = {
  'as body': (sql, database) => post(sql, inDatabase(database)),
  'with the database in a header': (sql, database) => post(sql, '/', { 'X-ClickHouse-Database': database }),
  'in the URL': (sql, database) => post('', query(sql, `&database=${database}`), { 'Content-Length': '0' }),
  'split over URL and body': (sql, database) => post(sql.slice(20), query(sql.slice(0, 20), `&database=${database}`)),
  'in a session after USE': async (sql, database) => {
    for (const url of [server.url, gateway.url]) await send(url, post(`USE ${database}`, `/?session_id=${database}`));
    return post(sql, `/?session_id=${database}`);
  },
  'in gzip': (sql, database) => encoded(gzipSync(sql), 'gzip', inDatabase(database)),
  'in br': (sql, database) => encoded(brotliCompressSync(sql), 'br', inDatabase(database)),
  'in deflate': (sql, database) => encoded(deflateSync(sql), 'deflate', inDatabase(database)),
  'in zstd': async (sql, database) => encoded(await encodeByServer(server.url, sql, 'zstd'), 'zstd', inDatabase(database)),
  'in lz4': async (sql, database) => encoded(await encodeByServer(server.url, sql, 'lz4'), 'lz4', inDatabase(database)),
  'in snappy': async (sql, database) => encoded(await encodeByServer(server.url, sql, 'snappy'), 'snappy', inDatabase(database)),
  'in compressed blocks': async (sql, database) =>
    post(await encodeByServer(server.url, sql, 'native'), `${inDatabase(database)}&decompress=1`),
  'in a form': (sql, database) => ({ ...form(['other', 'x'], ['query', sql]), target: inDatabase(database) }),
  'split over URL and form': (sql, database) => ({
    ...form(['query', sql.slice(20)]),
    target: query(sql.slice(0, 20), `&database=${database}`),
  }),
  'byte by byte': (sql, database) => post(Readable.from(Array.from(Buffer.from(sql), (byte) => Buffer.of(byte))), inDatabase(database)),
  'with all kinds of parameters': (sql, database) =>
    post(sql, `${inDatabase(database)}&wait_end_of_query=1&compress=0&log_comment=x&max_threads=2`),
};

/** A fresh database on this file's server. */
async function useOwnDatabase(t: ExecutionContext, suffix: string): Promise<string> {
  const database = `${uniqueName(t, 'db')}_${suffix}`;
  await server.query(`CREATE DATABASE ${database}`);
  t.teardown(async () => server.query(`DROP DATABASE ${database} SYNC`));
  return database;
}

for (const [name, way] of Object.entries(WAYS)) {
  test(`a Kafka table sent ${name} is the gateway's, and answered as by the server`, async (t) => {
    const [direct, through] = [await useOwnDatabase(t, 'direct'), await useOwnDatabase(t, 'through')];
    const sql = `/* ä */ CREATE TABLE queue (a Int8) ${KAFKA}`;
    const expected = await send(server.url, await way(sql, direct));
    const answer = await send(gateway.url, await way(sql, through));
    t.is(answer.status, 200, answer.body.toString());
    t.deepEqual(comparable(answer), comparable(expected));
    t.is(await server.query(`SELECT engine FROM system.tables WHERE database = '${direct}'`), 'Kafka');
    t.is(await server.query(`SELECT engine, comment LIKE 'sluice:%' FROM system.tables WHERE database = '${through}'`), 'Null\t1');
  });
}

test('a Kafka table in a body that only the server can decode is refused', async (t) => {
  const database = await useOwnDatabase(t, 'through');
  const body = await encodeByServer(server.url, `CREATE TABLE queue (a Int8) ${KAFKA}`, 'xz');
  const answer = await send(gateway.url, encoded(body, 'xz', inDatabase(database)));
  t.is(header(answer, 'X-ClickHouse-Exception-Code'), '392');
  t.is(await server.query(`SELECT count() FROM system.tables WHERE database = '${database}'`), '0');
});
