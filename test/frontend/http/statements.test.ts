import { Readable } from 'node:stream';
import { connect } from 'node:net';
import test from 'ava';
import { clickhouseError } from '../../../src/errors.ts';
import { useClickHouse, useDatabase, useOwnClickHouse, waitFor } from '../../helpers/index.ts';
import { assertSameAnswer, encodeByServer, header, send, type TestAnswer, type TestRequest } from './helpers/exchange.ts';
import { markedDispatcher, refuseWithBadArguments, runUnmarked, useFrontEnd } from './helpers/front-end.ts';

const text = (answer: TestAnswer): string => answer.body.toString();

test('a statement of ours is replaced wherever it stands: URL, body, both, GET, POST or HEAD', async (t) => {
  const dispatcher = markedDispatcher(runUnmarked);
  const { url } = await useFrontEnd(t, { dispatcher });
  t.is(text(await send(url, { target: '/?query=%20MARKED%20SELECT%201' })), '1\n');
  t.is(text(await send(url, { method: 'POST', target: '/', body: 'MARKED SELECT 2' })), '2\n');
  t.is(text(await send(url, { method: 'POST', target: '/?query=MARKED%20SELECT', body: '3' })), '3\n');
  t.is(text(await send(url, { target: '/?query=MARKED%20SELECT', body: '4', headers: { 'Content-Length': '1' } })), '4\n');
  t.is((await send(url, { method: 'HEAD', target: '/?query=MARKED%20SELECT%205' })).status, 200);
  t.deepEqual(dispatcher.statements, [' MARKED SELECT 1', 'MARKED SELECT 2', 'MARKED SELECT\n3', 'MARKED SELECT\n4', 'MARKED SELECT 5']);
});

test('a replaced statement keeps the parameters, settings, format and query id of the request', async (t) => {
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked) });
  const parameters = 'param_a=7&limit=2&default_format=JSONCompactEachRow&query_id=mine-1';
  const answer = await send(url, { method: 'POST', target: `/?${parameters}`, body: 'MARKED SELECT {a:Int8} FROM numbers(5)' });
  t.is(text(answer), '[7]\n[7]\n');
  t.is(header(answer, 'X-ClickHouse-Query-Id'), 'mine-1');
});

for (const encoding of ['gzip', 'deflate', 'br', 'zstd', 'lz4', 'snappy', 'native']) {
  test(`a statement of ours is seen in a body in ${encoding}`, async (t) => {
    const server = await useClickHouse(t);
    const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked) });
    const statement = `MARKED SELECT arraySum([${Array.from({ length: 20_000 }, (_, i) => i * i).join(',')}])`;
    const body = await encodeByServer(server.url, statement, encoding);
    const wanted = encoding === 'native' ? { target: '/?decompress=1' } : { target: '/', headers: { 'Content-Encoding': encoding } };
    t.is(text(await send(url, { method: 'POST', body, ...wanted })), '2666466670000\n');
  });
}

/** A form as clients send external tables: parts without file names are fields. */
function form(...parts: readonly (readonly [name: string, content: string, fileName?: string])[]): TestRequest & { readonly body: string } {
  const text = parts.map(([name, content, fileName]) => {
    const file = fileName === undefined ? '' : `; filename="${fileName}"`;
    return `--b0undary\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${content}\r\n`;
  });
  const headers = { 'Content-Type': 'multipart/form-data; boundary=b0undary' };
  return { method: 'POST', target: '/', headers, body: `${text.join('')}--b0undary--\r\n` };
}

test("a statement of ours is seen in a form's fields, and its tables and parameters stay", async (t) => {
  const dispatcher = markedDispatcher(runUnmarked);
  const { url } = await useFrontEnd(t, { dispatcher });
  const tables = [['ext', '1\n2\n3\n', 'ext'] as const, ['ext_structure', 'a UInt64'] as const];
  const select = 'SELECT sum(a) + {p:UInt8} FROM ext';
  const target = '/?ext_structure=a%20UInt64';
  const first = form(['query', `MARKED ${select}`], ['param_p', '1'], ...tables);
  t.is(text(await send(url, { ...first, target })), '7\n');
  const last = form(['param_p', '2'], ...tables, ['query', `MARKED ${select}`]);
  t.is(text(await send(url, { ...last, target })), '8\n');
  const split = form(['query', select.slice(0, 10)], ['param_p', '3'], ['query', select.slice(10)], ...tables);
  t.is(text(await send(url, { ...split, target: `${target}&query=MARKED%20` })), '9\n');
  t.deepEqual(dispatcher.statements, [`MARKED ${select}`, `MARKED ${select}`, `MARKED ${select}`]);
  const chunked = { ...last, body: Readable.from(Array.from(Buffer.from(last.body), (byte) => Buffer.of(byte))) };
  t.is(text(await send(url, { ...chunked, target })), '8\n');
  t.is(text(await send(url, { ...form(['query', 'SELECT 1'], ...tables), target })), '1\n');
});

test('a statement of ours in a form is seen whatever encoding the headers claim, as the server reads it', async (t) => {
  const server = await useClickHouse(t);
  const dispatcher = markedDispatcher(runUnmarked);
  const { url } = await useFrontEnd(t, { dispatcher });
  for (const headers of [{ 'Content-Encoding': 'gzip' }, { 'Content-Encoding': 'xz' }]) {
    const plain = form(['query', 'SELECT 5']);
    t.is(text(await send(server.url, { ...plain, headers: { ...plain.headers, ...headers } })), '5\n');
    const marked = form(['query', 'MARKED SELECT 6']);
    t.is(text(await send(url, { ...marked, headers: { ...marked.headers, ...headers } })), '6\n');
  }
});

test('a statement of ours is seen though its request comes in pieces, and after others on the same connection', async (t) => {
  const dispatcher = markedDispatcher(runUnmarked);
  const { url } = await useFrontEnd(t, { dispatcher });
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  t.teardown(() => socket.destroy());
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  const ask = async (statement: string, answer: string, ...cuts: readonly number[]): Promise<void> => {
    const request = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${statement.length}\r\n\r\n${statement}`;
    received = '';
    for (const [i, cut] of [0, ...cuts].entries()) {
      socket.write(request.slice(cut, cuts[i]));
      // It has been read when a later request has been answered.
      await send(url, { target: '/ping' });
    }
    await waitFor(() => received.includes(`\r\n${answer}\n`));
  };
  const headEnd = -'SELECT 1'.length;
  await ask('SELECT 1', '1');
  await ask('SELECT 2', '2', headEnd);
  await ask('SELECT 3', '3', headEnd, headEnd + 3);
  t.deepEqual(dispatcher.statements, []);
  await ask('MARKED SELECT 4', '4', -'MARKED SELECT 4'.length, -10);
  await ask('SELECT 5', '5', 20);
  await ask('MARKED SELECT 6', '6', -3);
  t.deepEqual(dispatcher.statements, ['MARKED SELECT 4', 'MARKED SELECT 6']);
});

test('a form whose statement stands behind more than a mebibyte of tables may ask, and may not change tables unseen', async (t) => {
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked) });
  const tables = ['x', '1\n'.repeat(600_000), 'x.tsv'] as const;
  const target = '/?x_structure=a+UInt8';
  t.is(text(await send(url, { ...form(tables, ['query', 'SELECT count() FROM x']), target })), '600000\n');
  const created = await send(url, { ...form(tables, ['query', 'CREATE TABLE hidden (a UInt8) ENGINE = Memory']), target });
  t.regex(text(created), /^Code: 392\. DB::Exception: .*QUERY_IS_PROHIBITED/s);
});

test('a refusal of a statement in a form looks as any other', async (t) => {
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(refuseWithBadArguments) });
  const answer = await send(url, form(['query', 'MARKED'], ['param_x', '1']));
  t.is(answer.status, 400);
  t.regex(text(answer), /^Code: 36\. DB::Exception: It's refused/);
});

test('a form that is none is refused by the server', async (t) => {
  const server = await useClickHouse(t);
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked) });
  for (const [type, body] of [
    ['multipart/form-data', 'MARKED SELECT 1'],
    ['multipart/form-data; boundary=other', form(['query', 'MARKED SELECT 1']).body],
  ] as const) {
    await assertSameAnswer(t, server.url, url, { method: 'POST', target: '/', headers: { 'Content-Type': type }, body });
  }
  const capital = form(['query', 'SELECT 1']);
  await assertSameAnswer(t, server.url, url, { ...capital, headers: { 'Content-Type': 'Multipart/form-data; boundary=b0undary' } });
});

test('a body that only the server can decode may hold any statement but DDL', async (t) => {
  const server = await useClickHouse(t);
  const database = await useDatabase(t);
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked) });
  const post = async (sql: string, target: string): Promise<TestAnswer> => {
    const body = await encodeByServer(server.url, sql, 'xz');
    return send(url, { method: 'POST', target, body, headers: { 'Content-Encoding': 'xz' } });
  };
  t.is(text(await post('SELECT 1', '/')), '1\n');
  t.regex(text(await post(`CREATE TABLE ${database}.t (a Int8) ENGINE = Memory`, '/')), /^Code: 392\..*DDL queries are prohibited/);
  t.regex(text(await post('(a Int8) ENGINE = Memory', `/?allow_ddl=1&query=MARKED%20CREATE%20TABLE%20${database}.t`)), /^Code: 62\./);
  await server.query(`CREATE TABLE ${database}.t (a Int8) ENGINE = Memory`);
  t.is((await post('1\n2\n', `/?query=INSERT%20INTO%20${database}.t%20FORMAT%20TSV`)).status, 200);
  t.is((await post(`INSERT INTO ${database}.t FORMAT TSV\n3\n`, '/')).status, 200);
  t.is(await server.query(`SELECT sum(a) FROM ${database}.t`), '6');
});

test('a body of blanks without end is not read without end', async (t) => {
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked) });
  const body = Readable.from(Array.from({ length: 200 }, () => Buffer.alloc(65_536, ' ')));
  const answer = await send(url, { method: 'POST', target: '/', body });
  t.regex(text(answer), /^Code: 62\./);
});

test('a statement of ours is seen however slowly its first bytes come', async (t) => {
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked) });
  const body = Readable.from(['M', 'AR', 'KED', ' SEL', 'ECT 1'].map((part) => Buffer.from(part)));
  t.is(text(await send(url, { method: 'POST', target: '/', body })), '1\n');
});

test('a statement that only begins like ours is forwarded with every byte that was read', async (t) => {
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked) });
  const body = Readable.from(['M', 'ARKE', 'T + 1'].map((part) => Buffer.from(part)));
  t.regex(text(await send(url, { method: 'POST', target: '/', body })), /MARKET/);
  const whole = await send(url, { method: 'POST', target: '/', body: 'MARKED SELECT 1' });
  t.is(text(whole), '1\n');
});

test('a statement that the dispatcher leaves alone is forwarded as it came, encoding included', async (t) => {
  const server = await useClickHouse(t);
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(() => ({ kind: 'forward' })) });
  const body = await encodeByServer(server.url, 'MARKED', 'zstd');
  const answer = await send(url, { method: 'POST', target: '/', body, headers: { 'Content-Encoding': 'zstd' } });
  t.regex(text(answer), /MARKED/);
});

test('a longer text of ours is within max_query_size, whatever the client set', async (t) => {
  const { url } = await useFrontEnd(t, {
    dispatcher: markedDispatcher(() => ({ kind: 'run', sql: `SELECT length('${'x'.repeat(400_000)}')` })),
  });
  t.is(text(await send(url, { method: 'POST', target: '/', body: 'MARKED' })), '400000\n');
  t.is(text(await send(url, { method: 'POST', target: '/?max_query_size=300', body: 'MARKED' })), '400000\n');
});

test('what is too long for a statement is forwarded, and the server says so', async (t) => {
  const dispatcher = markedDispatcher(runUnmarked);
  const { url } = await useFrontEnd(t, { dispatcher });
  const answer = await send(url, { method: 'POST', target: '/', body: `MARKED ${'x'.repeat(3_000_000)}` });
  t.regex(text(answer), /^Code: 62\. DB::Exception: Max query size exceeded/);
  t.deepEqual(dispatcher.statements, []);
});

test('a statement of ours of 1 MB is read whole', async (t) => {
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked) });
  t.is(text(await send(url, { method: 'POST', target: '/', body: `MARKED SELECT length('${'x'.repeat(1_000_000)}')` })), '1000000\n');
});

test('a statement of ours that is not UTF-8 is refused with a sentence', async (t) => {
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(runUnmarked) });
  const answer = await send(url, { method: 'POST', target: '/', body: Buffer.from("MARKED SELECT '\xff'", 'latin1') });
  t.is(text(answer), 'Code: 36. DB::Exception: The statement is not valid UTF-8. (BAD_ARGUMENTS) (version 26.7.2.1)\n');
});

test('of an INSERT only the head is given to the dispatcher, and its data are not held back', async (t) => {
  const { url } = await useFrontEnd(t, {
    dispatcher: {
      classify: () => 'whole',
      dispatch: async (statement) => {
        const length = statement.indexOf('ours') + 'ours'.length;
        const start = statement.slice(0, length).replace('ours', 'theirs');
        return Promise.resolve({ kind: 'replace', length, start });
      },
    },
  });
  const server = await useClickHouse(t);
  const database = await useDatabase(t);
  await server.query(`CREATE TABLE ${database}.theirs (a UInt64) ENGINE = Memory`);
  const rows = Buffer.from(Array.from({ length: 100_000 }, (_, i) => `${i}\n`).join(''));
  const target = `/?query=${encodeURIComponent(`INSERT INTO ${database}.ours FORMAT TSV`)}`;
  t.is((await send(url, { method: 'POST', target, body: rows })).status, 200);
  t.is(await server.query(`SELECT count() FROM ${database}.theirs`), '100000');
  const inBody = await send(url, {
    method: 'POST',
    target: '/',
    body: Buffer.concat([Buffer.from(`INSERT INTO ${database}.ours FORMAT TSV\n`), rows]),
  });
  t.deepEqual([inBody.status, text(inBody)], [200, '']);
  t.is(await server.query(`SELECT count() FROM ${database}.theirs`), '200000');
});

test('what follows a success is done before the client has the whole answer, and not after an error', async (t) => {
  const events: string[] = [];
  const after = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    events.push('after');
  };
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher((statement) => ({ ...runUnmarked(statement), after }) as never) });
  t.is(text(await send(url, { method: 'POST', target: '/', body: 'MARKED SELECT 1' })), '1\n');
  events.push('answered');
  t.is((await send(url, { method: 'POST', target: '/', body: 'MARKED SELECT nope' })).status, 404);
  events.push('answered');
  t.is((await send(url, { method: 'POST', target: '/', body: 'MARKED CREATE TEMPORARY TABLE t (a Int8)&' })).status, 400);
  t.deepEqual(events, ['after', 'answered', 'answered']);
});

test('what a statement holds is let go when it is over, whatever came of it', async (t) => {
  let held = 0;
  const dispatcher = markedDispatcher((statement) => {
    held += 1;
    return { ...runUnmarked(statement), ended: () => void (held -= 1) } as never;
  });
  const { url } = await useFrontEnd(t, { dispatcher });
  const isLetGo = async (what: string): Promise<void> => void t.true(await waitFor(() => held === 0, { message: what }));
  for (const sql of ['SELECT 1', 'SELECT number FROM numbers(3)', 'SELECT nope', "SELECT '\xff'"]) {
    await send(url, { method: 'POST', target: '/', body: Buffer.from(`MARKED ${sql}`, 'latin1') });
    await isLetGo(sql);
  }
  const gone = new AbortController();
  const left = fetch(url, { method: 'POST', body: 'MARKED SELECT sleep(3)', signal: gone.signal });
  await waitFor(() => held === 1, { message: 'the statement is held' });
  gone.abort();
  await t.throwsAsync(left, { any: true });
  await isLetGo('a client that left');
  const { url: toNobody } = await useFrontEnd(t, { dispatcher, upstream: { url: 'http://127.0.0.1:1' } });
  await send(toNobody, { method: 'POST', target: '/', body: 'MARKED SELECT 1' });
  await isLetGo('a server that is down');
});

test("a refusal looks like the server's own error", async (t) => {
  const server = await useClickHouse(t);
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(refuseWithBadArguments) });
  // The server's own answer of the same code.
  const real = await send(server.url, {
    method: 'POST',
    target: '/?query_id=same',
    body: "SELECT throwIf(1, 'x', 36::Int16) SETTINGS allow_custom_error_code_in_throwif = 1 FORMAT Null",
  });
  for (const [method, target, body] of [
    ['GET', '/?query=MARKED&query_id=same', ''],
    ['POST', '/?query_id=same', 'MARKED'],
  ] as const) {
    const answer = await send(url, { method, target, ...(body === '' ? {} : { body }) });
    t.is(answer.status, 400);
    t.is(answer.reason, 'Bad Request');
    t.is(text(answer), "Code: 36. DB::Exception: It's refused\\here. (BAD_ARGUMENTS) (version 26.7.2.1)\n");
    t.is(header(answer, 'X-ClickHouse-Exception-Code'), '36');
    t.is(header(answer, 'X-ClickHouse-Query-Id'), 'same');
    const names = (from: TestAnswer): string[] => from.rawHeaders.filter((name, i) => i % 2 === 0 && name !== 'X-ClickHouse-Format');
    t.deepEqual(names(answer), names(real));
  }
});

test('a refusal comes in the encoding the client asked for', async (t) => {
  const { url } = await useFrontEnd(t, { dispatcher: markedDispatcher(refuseWithBadArguments) });
  const answer = await send(url, { target: '/?query=MARKED&enable_http_compression=1', headers: { 'Accept-Encoding': 'gzip' } });
  t.is(header(answer, 'Content-Encoding'), 'gzip');
  t.is(answer.status, 400);
});

test("statuses of refusals are the server's", async (t) => {
  for (const [name, status, reason] of [
    ['UNKNOWN_TABLE', 404, 'Not Found'],
    ['NOT_IMPLEMENTED', 501, 'Not Implemented'],
    ['QUERY_NOT_ALLOWED', 500, 'Internal Server Error'],
    ['ACCESS_DENIED', 403, 'Forbidden'],
  ] as const) {
    const { url } = await useFrontEnd(t, {
      dispatcher: markedDispatcher(() => ({ kind: 'refuse', exception: clickhouseError(name, 'No') })),
    });
    const answer = await send(url, { target: '/?query=MARKED' });
    t.is(answer.status, status);
    t.is(answer.reason, reason);
  }
});

test('credentials are checked before a refusal, in every way they can come', async (t) => {
  const server = await useOwnClickHouse(t, {
    profilesXml: '<only_reads><readonly>1</readonly></only_reads>',
    usersXml: `<alice><password>pässwörd&amp;</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></alice>
      <reader><password>r</password><networks><ip>::/0</ip></networks><profile>only_reads</profile><quota>default</quota><grants><query>GRANT SELECT ON default.*</query></grants></reader>`,
  });
  const helped: string[] = [];
  const dispatcher = markedDispatcher(async (_statement, session) => {
    helped.push((await session.query('SELECT currentUser(), currentDatabase()')).flat().join(' '));
    return refuseWithBadArguments();
  });
  const refusing = await useFrontEnd(t, {
    upstream: { url: server.url },
    dispatcher: {
      classify: (head, complete) => dispatcher.classify(head, complete),
      dispatch: async () => Promise.resolve(refuseWithBadArguments()),
    },
  });
  const helping = await useFrontEnd(t, { upstream: { url: server.url }, dispatcher });
  const password = 'pässwörd&';
  const basic = (user: string, key: string): Record<string, string> => ({
    Authorization: `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`,
  });
  const utf8 = (value: string): string => Buffer.from(value).toString('latin1');
  const good = [
    { target: `/?query=MARKED&user=alice&password=${encodeURIComponent(password)}&database=system` },
    { target: '/?query=MARKED&database=system', headers: basic('alice', password) },
    {
      target: '/?query=MARKED',
      headers: { 'X-ClickHouse-User': 'alice', 'X-ClickHouse-Key': utf8(password), 'X-ClickHouse-Database': 'system' },
    },
  ];
  for (const wanted of good) {
    t.is(header(await send(refusing.url, wanted), 'X-ClickHouse-Exception-Code'), '36');
    t.is(header(await send(helping.url, wanted), 'X-ClickHouse-Exception-Code'), '36');
    t.is(
      (await send(refusing.url, { ...wanted, target: wanted.target.replace('MARKED', 'SELECT%20currentUser()') })).body.toString(),
      'alice\n',
    );
  }
  t.deepEqual(
    helped,
    good.map(() => 'alice system'),
  );
  const bad = [
    { target: '/?query=MARKED&user=alice&password=no' },
    { target: '/?query=MARKED', headers: basic('alice', 'no') },
    { target: '/?query=MARKED', headers: { 'X-ClickHouse-User': 'alice', 'X-ClickHouse-Key': 'no' } },
  ];
  for (const wanted of bad) {
    const direct = await send(server.url, { ...wanted, target: wanted.target.replace('MARKED', 'SELECT%201') });
    const through = await send(refusing.url, wanted);
    t.is(through.status, 403);
    t.is(text(through), text(direct));
  }
  const reader = await send(refusing.url, { target: '/?query=MARKED', headers: basic('reader', 'r') });
  t.is(header(reader, 'X-ClickHouse-Exception-Code'), '36');
  const readerHelped = await send(helping.url, { target: '/?query=MARKED', headers: basic('reader', 'r') });
  t.is(header(readerHelped, 'X-ClickHouse-Exception-Code'), '36');
});

test('helper queries run in the session of the client and leave it usable', async (t) => {
  const answers: string[][][] = [];
  const dispatcher = markedDispatcher(async (statement, session) => {
    answers.push(await session.query("SELECT a, 'x\ty\\n' FROM tmp"));
    return runUnmarked(statement);
  });
  const { url } = await useFrontEnd(t, { dispatcher });
  const target = '/?session_id=helped-1&session_timeout=30';
  await send(url, { method: 'POST', target, body: 'CREATE TEMPORARY TABLE tmp AS SELECT 18446744073709551615 AS a' });
  for (let i = 0; i < 20; i += 1) t.is(text(await send(url, { method: 'POST', target, body: 'MARKED SELECT count() FROM tmp' })), '1\n');
  t.deepEqual(answers[0], [['18446744073709551615', 'x\ty\n']]);
  t.is(answers.length, 20);
});

test("helper queries never run under the client's query id, which may be in use once only", async (t) => {
  const ids: string[] = [];
  const dispatcher = markedDispatcher(async (statement, session) => {
    ids.push((await session.query('SELECT queryID()')).flat().join());
    return runUnmarked(statement);
  });
  const { url } = await useFrontEnd(t, { dispatcher });
  const marked = { method: 'POST', body: 'MARKED SELECT queryID()' };
  t.is(text(await send(url, { ...marked, target: '/', headers: { 'X-ClickHouse-Query-Id': 'by-header' } })), 'by-header\n');
  t.is(text(await send(url, { ...marked, target: '/?query_id=by-parameter' })), 'by-parameter\n');
  t.is(ids.length, 2);
  t.false(ids.includes('by-header') || ids.includes('by-parameter'));
});

test("a part of the client's own statement runs under the settings of the request, other helper queries do not", async (t) => {
  const answers: string[] = [];
  const sql = "SELECT getSetting('max_threads'), getSetting('max_query_size')";
  const dispatcher = markedDispatcher(async (statement, session) => {
    answers.push((await session.run(sql)).join(), (await session.query(sql)).join());
    return runUnmarked(statement);
  });
  const { url } = await useFrontEnd(t, { dispatcher });
  const ofOneRequest = 'query_id=mine&default_format=CSV&buffer_size=1000&stacktrace=1&send_progress_in_http_headers=1&max_query_size=30';
  const target = `/?max_threads=7&${ofOneRequest}&query=MARKED%20SELECT%201`;
  t.is(text(await send(url, { target })), '1\n');
  const body = '--x\r\nContent-Disposition: form-data; name="e"; filename="e"\r\n\r\n5\r\n--x--\r\n';
  const headers = { 'Content-Type': 'multipart/form-data; boundary=x' };
  const form = '/?max_threads=7&e_structure=a%20Int8&e_format=CSV&query=MARKED%20SELECT%20a%20FROM%20e';
  t.is(text(await send(url, { method: 'POST', target: form, headers, body })), '5\n');
  for (const [ofRequest, ofOthers] of [answers.slice(0, 2), answers.slice(2)]) {
    t.is(ofRequest, '7,262144');
    t.notRegex(ofOthers ?? '', /^7,/);
  }
});

test('a helper query that is answered in another format than its own throws an exception of ClickHouse', async (t) => {
  const dispatcher = markedDispatcher(async (_statement, session) => {
    const errors = await Promise.allSettled([session.query('SELECT 1 FORMAT JSON'), session.query('SELECT 1 FORMAT TSV')]);
    for (const error of errors) t.is(error.status === 'rejected' && (error.reason as { code?: number }).code, 6);
    return runUnmarked('MARKED SELECT 1');
  });
  const { url } = await useFrontEnd(t, { dispatcher });
  t.is(text(await send(url, { target: '/?query=MARKED' })), '1\n');
});

test("a helper query that the server refuses throws the server's exception", async (t) => {
  const dispatcher = markedDispatcher(async (_statement, session) => {
    const error = await session.query('SELECT nope').then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return { kind: 'refuse', exception: error as never };
  });
  const { url } = await useFrontEnd(t, { dispatcher });
  const answer = await send(url, { target: '/?query=MARKED' });
  t.is(answer.status, 404);
  t.regex(
    text(answer),
    /^Code: 47\. DB::Exception: Unknown expression identifier `nope` in scope SELECT nope.*\. \(UNKNOWN_IDENTIFIER\) \(version /,
  );
});

test('a mistake in the dispatcher is an error answer, and the next request works', async (t) => {
  let calls = 0;
  const dispatcher = markedDispatcher(() => {
    calls += 1;
    throw new Error('a mistake');
  });
  const { url } = await useFrontEnd(t, { dispatcher });
  const answer = await send(url, { method: 'POST', target: '/', body: 'MARKED' });
  t.is(answer.status, 500);
  t.is(text(answer), 'Code: 1002. DB::Exception: a mistake. (UNKNOWN_EXCEPTION)\n');
  t.is(text(await send(url, { target: '/?query=SELECT%201' })), '1\n');
  t.is(calls, 1);
});
