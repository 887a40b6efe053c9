import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { uniqueName, useClickHouse, useDatabase } from '../../helpers/index.ts';
import { assertSameAnswer, encodeByServer, header, post, query, send, type TestRequest } from './helpers/exchange.ts';
import { useFrontEnd } from './helpers/front-end.ts';

const same = test.macro(async (t, ...requests: TestRequest[]) => {
  const { url } = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  for (const wanted of requests) await assertSameAnswer(t, url, gateway.url, wanted);
});

test(
  'GET, HEAD and POST answer as the server does',
  same,
  { target: query('SELECT 1') },
  { method: 'HEAD', target: query('SELECT 1') },
  post('SELECT 1'),
);
test(
  'a statement split over URL and body is one',
  same,
  post('1, version()', '/?query=SELECT'),
  post("b'", "/?query=SELECT%20'a"),
  post('SELECT 8', '/?query='),
);
test('a GET may have a body', same, { target: '/?query=SELECT%201%2B', body: '7', headers: { 'Content-Length': '1' } });
test('query parameters fill the statement', same, { target: query('SELECT {a:UInt8}, {b:String}', '&param_a=7&param_b=x%2By') });
test('settings and formats of the URL hold', same, {
  target: query('SELECT number FROM system.numbers', '&limit=3&default_format=JSONCompact&output_format_write_statistics=0'),
});
test('the header X-ClickHouse-Format names a format', same, {
  target: query('SELECT 1 AS a'),
  headers: { 'X-ClickHouse-Format': 'JSONEachRow' },
});
test(
  'the database comes by parameter or header',
  same,
  { target: query('SELECT currentDatabase()', '&database=system') },
  { target: query('SELECT currentDatabase()'), headers: { 'X-ClickHouse-Database': 'system' } },
);
test('query ids come back', same, { target: query('SELECT queryID()', `&query_id=${'q'.repeat(20)}`) });

const OTHER_PATHS = [
  '/',
  '/ping',
  '/replicas_status',
  '/play',
  '/dashboard',
  '/nonsense',
  '/?',
  '/query?query=SELECT%205',
  '/?query=SELECT%20%zz',
  '/a/%2e%2e//b?c#d',
];
test('every path answers as the server does', same, ...OTHER_PATHS.map((target) => ({ target })));
test(
  'every path answers a POST as the server does',
  same,
  ...['/query', '/foo?query=SELECT+1', '/query?query=SELECT+1'].map((target) => post('SELECT 6', target)),
);
test(
  'every method answers as the server does',
  same,
  ...['OPTIONS', 'PUT', 'DELETE', 'PATCH'].map((method) => ({ method, target: query('SELECT 1') })),
);
test('a POST without length is refused as by the server', async (t) => {
  const { url } = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  for (const target of ['/', query('SELECT 1')]) {
    const wanted = { method: 'POST', target, headers: { 'Content-Length': '0' } };
    await assertSameAnswer(t, url, gateway.url, wanted);
  }
});

test(
  "errors have the server's status, code, headers and text",
  same,
  { target: query('SELECT nope') },
  { target: query('SELECT') },
  { target: query('SELECT * FROM nope') },
  { target: query('CREATE TABLE t (a Int8) ENGINE = Null') },
  { target: query('SELECT 1', '&no_such_setting=1') },
  { target: query('SELECT nope', '&http_write_exception_in_output_format=1&default_format=JSON') },
  { target: query('SELECT nope', '&compress=1') },
  { target: query('SELECT nope', '&enable_http_compression=1'), headers: { 'Accept-Encoding': 'gzip' } },
  post(''),
);

// One thread: several would bring blocks of rows in any order.
const ENCODINGS = ['gzip', 'deflate', 'br', 'zstd', 'lz4', 'xz', 'snappy', 'bz2'];
test(
  'answers come in every encoding',
  same,
  ...ENCODINGS.map((encoding) => ({
    target: query('SELECT number FROM numbers(100000)', '&enable_http_compression=1&max_threads=1'),
    headers: { 'Accept-Encoding': encoding },
  })),
);
test("answers come in the server's own compressed blocks", same, {
  target: query('SELECT number FROM numbers(100000)', '&compress=1&max_threads=1'),
});

test('bodies are taken in every encoding the server writes', async (t) => {
  const { url } = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  // It writes bz2 and cannot read it: this build lacks the reader.
  for (const encoding of ENCODINGS.filter((name) => name !== 'bz2')) {
    const body = await encodeByServer(url, "SELECT repeat('é', 50000) FORMAT RawBLOB", encoding);
    const answer = await assertSameAnswer(t, url, gateway.url, post(body, '/', { 'Content-Encoding': encoding }));
    t.is(answer.body.toString(), 'é'.repeat(50_000), encoding);
  }
  const blocks = await encodeByServer(url, 'SELECT 1', 'native');
  t.is((await assertSameAnswer(t, url, gateway.url, post(blocks, '/?decompress=1'))).body.toString(), '1\n');
});

test(
  'a body that is not what its encoding says is refused as by the server',
  same,
  post('SELECT 1', '/', { 'Content-Encoding': 'gzip' }),
  post(gzipSync('SELECT 1').subarray(0, 15), '/', { 'Content-Encoding': 'gzip' }),
  post('SELECT 1, and long enough for a block header', '/?decompress=1'),
);

test(
  'a statement of 1 MB is refused for its length, and taken when the limit allows it',
  same,
  post(`SELECT '${'x'.repeat(1_000_000)}'`),
  post(`SELECT length('${'x'.repeat(1_000_000)}')`, '/?max_query_size=2000000'),
);
test('a URL of 900 KB is taken', same, { target: query(`SELECT length('${'x'.repeat(900_000)}')`, '&max_query_size=2000000') });
test('a body that is not UTF-8 arrives byte for byte', same, post(Buffer.from("SELECT hex('\xff\xfe\xe9'), '\xff'", 'latin1')), {
  target: '/?query=SELECT%20hex(%27%ff%FE%27)',
});

test('an INSERT takes its data from the body, whatever the bytes', async (t) => {
  const server = await useClickHouse(t);
  const { url } = server;
  const gateway = await useFrontEnd(t);
  const database = await useDatabase(t);
  await server.query(`CREATE TABLE ${database}.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a`);
  const row = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 3, 0xff, 0x00, 0x0a]);
  await assertSameAnswer(t, url, gateway.url, post(row, query(`INSERT INTO ${database}.t FORMAT RowBinary`)));
  await assertSameAnswer(t, url, gateway.url, post(`INSERT INTO ${database}.t FORMAT TSV\n2\tx\n`));
  for (const target of [url, gateway.url]) {
    const chunks = Readable.from([Buffer.from('3\ty\n'), Buffer.from('4\tz\n')]);
    t.is((await send(target, post(chunks, query(`INSERT INTO ${database}.t FORMAT TSV`)))).status, 200);
  }
  t.is(
    await server.query(`SELECT groupArray((a, hex(s))) FROM (SELECT * FROM ${database}.t ORDER BY a)`),
    "[(1,'FF000A'),(1,'FF000A'),(2,'78'),(2,'78'),(3,'79'),(3,'79'),(4,'7A'),(4,'7A')]",
  );
});

test('external tables come as a form', async (t) => {
  const { url } = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  const part = (head: string, body: string): string => `--b0undary\r\nContent-Disposition: form-data; ${head}\r\n\r\n${body}\r\n`;
  const body = `${part('name="query"', 'SELECT sum(a) FROM ext')}${part('name="ext"; filename="ext"', '1\n2\n3\n')}--b0undary--\r\n`;
  const headers = { 'Content-Type': 'multipart/form-data; boundary=b0undary' };
  const answer = await assertSameAnswer(t, url, gateway.url, post(body, '/?ext_structure=a%20UInt8', headers));
  t.is(answer.body.toString(), '6\n');
  const split = body.replace(/--b0undary\r\n.*?name="query"[^]*?(?=--b0undary)/, '');
  await assertSameAnswer(t, url, gateway.url, post(split, query('SELECT sum(a) FROM ext', '&ext_structure=a%20UInt8'), headers));
});

test('a session keeps its temporary table and database', async (t) => {
  const gateway = await useFrontEnd(t);
  const session = `&session_id=${uniqueName(t, 'session')}`;
  const run = async (sql: string): Promise<string> =>
    (
      await send(gateway.url, { method: 'POST', target: query(sql, session), body: '', headers: { 'Content-Length': '0' } })
    ).body.toString();
  t.is(await run('CREATE TEMPORARY TABLE tmp AS SELECT 7 AS a'), '');
  t.is(await run('USE system'), '');
  t.is(await run('SELECT a, currentDatabase() FROM tmp'), '7\tsystem\n');
});

test('an error in mid-stream breaks the connection after the same bytes', async (t) => {
  const { url } = await useClickHouse(t);
  const gateway = await useFrontEnd(t);
  // One thread and small blocks, so that both answers hold the same rows before the error.
  const target = query('SELECT throwIf(number = 300000) FROM numbers(2000000)', '&max_threads=1&max_block_size=1000&buffer_size=1000');
  const direct = await send(url, { target });
  const through = await send(gateway.url, { target });
  t.true(direct.isCutOff);
  t.true(through.isCutOff);
  t.is(through.status, direct.status);
  const end = (body: Buffer): string =>
    body
      .toString('latin1')
      .slice(-500)
      .replaceAll(/[a-z]{16}\b/g, 'TAG')
      .replace(/^(0\n)+/, '');
  t.is(end(through.body), end(direct.body));
  t.regex(end(through.body), /Code: 395/);
});

test('the error of a whole answer held back by the server has its status', same, {
  target: query('SELECT throwIf(number = 300000) FROM numbers(2000000)', '&wait_end_of_query=1&max_threads=1&max_block_size=1000'),
});

test('progress headers pass', async (t) => {
  const gateway = await useFrontEnd(t);
  const answer = await send(gateway.url, {
    target: query(
      'SELECT sleepEachRow(0.1) FROM numbers(5)',
      '&send_progress_in_http_headers=1&http_headers_progress_interval_ms=10&wait_end_of_query=1&max_block_size=1',
    ),
  });
  t.is(answer.status, 200);
  t.truthy(header(answer, 'X-ClickHouse-Progress'));
});

test('nothing is added to a request: the server sees the same headers', async (t) => {
  // The tests' own source must name no Fastify or Node header: what could be added is asserted by comparison above; here is what goes up.
  const seen: string[][] = [];
  const { createServer } = await import('node:http');
  const recorder = createServer((request, response) => {
    seen.push([request.method ?? '', request.url ?? '', ...request.rawHeaders]);
    response.end();
  });
  await new Promise<void>((resolve) => recorder.listen(0, '127.0.0.1', resolve));
  t.teardown(() => recorder.close());
  const address = recorder.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const gateway = await useFrontEnd(t, { upstream: { url: `http://127.0.0.1:${String(port)}` } });
  const { connect } = await import('node:net');
  const target = "/?query=SELECT%201&a=%C3%A9&&b='x'#f";
  const rawHeaders = [
    'HOST',
    'example',
    'x-ClickHouse-KEY',
    'a',
    'Cookie',
    'x=1',
    'cookie',
    'y=2',
    'X-Empty',
    '',
    'Connection',
    'keep-alive',
    'X-Latin',
    '\xe9',
  ];
  const lines = Array.from({ length: rawHeaders.length / 2 }, (_, i) => `${rawHeaders[2 * i] ?? ''}: ${rawHeaders[2 * i + 1] ?? ''}`);
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.write(Buffer.from(`GET ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
  await new Promise((resolve) => socket.once('data', resolve));
  t.deepEqual(seen, [['GET', target, ...rawHeaders]]);
});
