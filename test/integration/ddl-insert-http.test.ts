import { Readable } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { ClickHouseException } from '../../src/errors.ts';
import { compressFrame, type CompressionMethod } from '../../src/protocol/index.ts';
import { comparable, encodeByServer, header, query, send, type TestAnswer, type TestRequest } from '../frontend/http/helpers/exchange.ts';
import { ownClickHouse } from '../helpers/servers.ts';
import { KAFKA_ENGINE, useWriting, type Writing } from '../query/writing.ts';

ownClickHouse();

const OUTBOX = '`.outbox.q`';
const ROWS = 50_000;
/** Behind the head of a statement: bytes that are no text, of which the server makes rows. */
const BINARY = Buffer.concat(
  Array.from({ length: ROWS }, (_, i) => {
    const row = Buffer.alloc(7);
    row.writeInt32LE(i);
    row.set([2, 0xff, 0xfe], 4);
    return row;
  }),
);

interface Inserting extends Writing {
  /** Sends it by way of the front end and answers the status, the body and the rows that have come to the outbox, which is emptied. */
  readonly insert: (wanted: TestRequest) => Promise<{ readonly answer: TestAnswer; readonly rows: string }>;
}

async function useQueue(t: ExecutionContext): Promise<Inserting> {
  const writing = await useWriting(t);
  const { sql, direct, url, database } = writing;
  t.is(await sql(`CREATE TABLE q (a Int32, s String) ${KAFKA_ENGINE}`), '');
  const insert: Inserting['insert'] = async (wanted) => {
    const separator = wanted.target.includes('?') ? '&' : '?';
    const answer = await send(url, { ...wanted, target: `${wanted.target}${separator}database=${database}` });
    const rows = await direct(`SELECT count(), sum(a), any(hex(s)) FROM ${OUTBOX} FORMAT TSV`).catch(() => '');
    await direct(`TRUNCATE TABLE IF EXISTS ${OUTBOX}`);
    return { answer, rows };
  };
  return { ...writing, insert };
}

const EXPECTED = `${ROWS}\t${(ROWS * (ROWS - 1)) / 2}\tFFFE`;
const HEAD = 'INSERT INTO q FORMAT RowBinary\n';
const inPieces = (body: Buffer): Readable => Readable.from([body.subarray(0, 10), body.subarray(10, 100_000), body.subarray(100_000)]);
const blocks = (body: Buffer, bytes: number, method: CompressionMethod = 'LZ4'): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(body.length / bytes) }, (_, i) => compressFrame(body.subarray(i * bytes, (i + 1) * bytes), method)),
  );
const whole = Buffer.concat([Buffer.from(HEAD), BINARY]);
const form = (...fields: readonly (readonly [head: string, content: Buffer | string])[]): Buffer =>
  Buffer.concat([
    ...fields.flatMap(([head, content]) => [
      Buffer.from(`--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
      Buffer.from(content as string),
      Buffer.from('\r\n'),
    ]),
    Buffer.from('--b--\r\n'),
  ]);

const arrives = test.macro(async (t, wanted: TestRequest | (() => TestRequest)) => {
  const { insert, asked } = await useQueue(t);
  const { answer, rows } = await insert({ method: 'POST', ...(typeof wanted === 'function' ? wanted() : wanted) });
  t.deepEqual([answer.status, answer.body.toString(), rows], [200, '', EXPECTED]);
  t.deepEqual(asked, ['prepare q', 'delivered q']);
});

test('data in the body, the statement in the URL', arrives, { target: query(HEAD.trim()), body: BINARY });
test('data behind the statement, with a length', arrives, { target: '/', body: whole });
test('data behind the statement, in chunks', arrives, () => ({ target: '/', body: inPieces(whole) }));
test('data behind a statement that begins in the URL', arrives, {
  target: query('INSERT INTO'),
  body: whole.subarray('INSERT INTO'.length),
});
test('data behind a statement whose table ends the URL', arrives, {
  target: query('INSERT INTO q'),
  body: whole.subarray('INSERT INTO q'.length),
});
test('data behind a statement whose column list is in the body', arrives, {
  target: query('INSERT INTO q'),
  body: Buffer.concat([Buffer.from('(a, s) FORMAT RowBinary\n'), BINARY]),
});
test('data in gzip', arrives, { target: '/', body: gzipSync(whole), headers: { 'Content-Encoding': 'gzip' } });
test('data in gzip and chunks', arrives, () => ({ target: '/', body: inPieces(gzipSync(whole)), headers: { 'Content-Encoding': 'gzip' } }));
test('data in deflate', arrives, { target: '/', body: deflateSync(whole), headers: { 'Content-Encoding': 'deflate' } });
test('data in brotli', arrives, { target: '/', body: brotliCompressSync(whole), headers: { 'Content-Encoding': 'br' } });
test('data in gzip, the statement in the URL', arrives, {
  target: query(HEAD.trim()),
  body: gzipSync(BINARY),
  headers: { 'Content-Encoding': 'gzip' },
});
for (const bytes of [10, 1000, 100_000, 10_000_000])
  test(`data in compressed blocks of ${bytes} bytes`, arrives, { target: '/?decompress=1', body: blocks(whole, bytes) });
test('data in blocks of zstd', arrives, { target: '/?decompress=1', body: blocks(whole, 70_000, 'ZSTD') });
test('data in blocks that are not compressed', arrives, { target: '/?decompress=1', body: blocks(whole, 4096, 'None') });
test('data in compressed blocks in chunks', arrives, () => ({ target: '/?decompress=1', body: inPieces(blocks(whole, 100_000)) }));
test('data in compressed blocks within gzip', arrives, {
  target: '/?decompress=1',
  body: gzipSync(blocks(whole, 70_000)),
  headers: { 'Content-Encoding': 'gzip' },
});
test('an external table in a form', arrives, {
  target: '/?t_structure=a+Int32,+s+String&t_format=RowBinary',
  headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
  body: form(['name="query"', 'INSERT INTO q SELECT * FROM t'], ['name="t"; filename="t"', BINARY]),
});
test('a long statement in a form', arrives, {
  target: '/',
  headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
  body: form(
    ['name="max_query_size"', '1000'],
    ['name="query"', `INSERT INTO q SELECT number, unhex('FFFE') FROM numbers(${ROWS}) -- ${'x'.repeat(100)}`],
  ),
});
test('a comment that is not ASCII, and WITH before INSERT', arrives, {
  target: '/?max_query_size=1000000',
  body: `-- é\nWITH unhex('FFFE') AS x INSERT INTO q SELECT a, x FROM input('a Int32') FORMAT TSV\n${Array.from({ length: ROWS }, (_, i) => `${i}\n`).join('')}`,
});
test('rows as values of a megabyte', arrives, {
  target: '/',
  body: `INSERT INTO q VALUES ${Array.from({ length: ROWS }, (_, i) => `(${i}, '\\xff\\xfe')`).join(', ')}`,
});

const BROKEN: Readonly<Record<'zstd' | 'lz4' | 'snappy', RegExp>> = {
  zstd: /^Code: 561\. DB::Exception: ZSTD stream decoding failed: error 'unexpected EOF'\. \(ZSTD_DECODER_FAILED\)/,
  lz4: /^Code: 618\. DB::Exception: LZ4 decompression failed\. Error: unexpected end of an LZ4 frame\. \(LZ4_DECODER_FAILED\)/,
  snappy: /^Code: 638\. DB::Exception: Snappy decompression failed: unexpected end of a snappy chunk\. \(SNAPPY_UNCOMPRESS_FAILED\)/,
};

test('data behind the statement in zstd, lz4 and snappy, little or much, in one piece or many', async (t) => {
  const { insert, server } = await useQueue(t);
  const lines = Array.from({ length: ROWS }, (_, i) => `${i}\t${'row'.repeat(i % 50)}\n`);
  lines[0] = `0\tfirst\n`;
  for (const encoding of ['zstd', 'lz4', 'snappy'] as const) {
    const headers = { 'Content-Encoding': encoding };
    const short = await encodeByServer(server, "INSERT INTO q VALUES (1, unhex('FFFE'))", encoding);
    const little = await insert({ method: 'POST', target: '/', body: short, headers });
    t.deepEqual([little.answer.status, little.answer.body.toString(), little.rows], [200, '', '1\t1\tFFFE'], encoding);
    const long = await encodeByServer(server, `INSERT INTO q FORMAT TSV\n${lines.join('')}`, encoding);
    for (const body of [long, inPieces(long), inPieces(Buffer.concat([long, await encodeByServer(server, '', encoding)]))]) {
      const { answer, rows } = await insert({ method: 'POST', target: '/', body, headers });
      t.deepEqual([answer.status, answer.body.toString()], [200, ''], encoding);
      t.is(rows, `${ROWS}\t${(ROWS * (ROWS - 1)) / 2}\t${Buffer.from('first').toString('hex').toUpperCase()}`, encoding);
    }
    const cut = await insert({ method: 'POST', target: '/', body: long.subarray(0, long.length - 9), headers });
    t.is(cut.answer.status, 500, encoding);
    t.regex(cut.answer.body.toString(), BROKEN[encoding], encoding);
    t.regex(cut.rows, /^0\t0/, encoding);
  }
});

test('a body that is broken behind the statement is told in the words of the server', async (t) => {
  const { insert } = await useQueue(t);
  const encoded = gzipSync(whole);
  const cut = await insert({
    method: 'POST',
    target: '/',
    body: encoded.subarray(0, encoded.length / 2),
    headers: { 'Content-Encoding': 'gzip' },
  });
  t.is(cut.answer.status, 500);
  t.regex(cut.answer.body.toString(), /^Code: 354\. DB::Exception: inflate failed: buffer error.* \(ZLIB_INFLATE_FAILED\)/);
  encoded.fill(0x55, encoded.length / 2, encoded.length / 2 + 100);
  const wrong = await insert({ method: 'POST', target: '/', body: encoded, headers: { 'Content-Encoding': 'gzip' } });
  t.regex(wrong.answer.body.toString(), /^Code: 354\. DB::Exception: inflate failed: data error.* \(ZLIB_INFLATE_FAILED\)/);
});

test('the answer is that of an INSERT into a MergeTree table', async (t) => {
  const { direct, url, database } = await useQueue(t);
  await direct('CREATE TABLE plain (a Int32, s String) ENGINE = MergeTree ORDER BY tuple()');
  for (const parameters of [
    '',
    '&wait_end_of_query=1',
    '&enable_http_compression=1',
    '&async_insert=0',
    '&wait_for_async_insert=0',
    '&send_progress_in_http_headers=1',
  ]) {
    for (const headers of [{}, { 'Accept-Encoding': 'gzip' }, { Connection: 'close' }]) {
      const to = (table: string): TestRequest => ({
        method: 'POST',
        target: query(`INSERT INTO ${database}.${table} FORMAT TSV`, parameters),
        body: '1\tx\n',
        headers,
      });
      const [plain, ours] = [await send(url, to('plain')), await send(url, to('q'))];
      t.deepEqual(comparable(ours), comparable(plain), parameters);
      if (!parameters.includes('progress'))
        t.is(
          header(ours, 'X-ClickHouse-Summary')?.match(/"written_rows":"\d"/)?.[0],
          header(plain, 'X-ClickHouse-Summary')?.match(/"written_rows":"\d"/)?.[0],
        );
    }
  }
});

test('what delivery throws is the answer instead of the success, in the shape of the server', async (t) => {
  const { outboxes, direct, url, database } = await useQueue(t);
  const reason = 'Kafka did not acknowledge 1 rows within 1000 ms: they are queued';
  outboxes.delivered = async () => Promise.reject(new ClickHouseException(159, 'TIMEOUT_EXCEEDED', reason));
  await direct("CREATE TABLE failing (a Int32, CONSTRAINT c CHECK throwIf(a = 1, 'x') = 0) ENGINE = MergeTree ORDER BY tuple()");
  for (const parameters of ['', '&wait_end_of_query=1', '&enable_http_compression=1', '&compress=1']) {
    for (const headers of [{}, { 'Accept-Encoding': 'gzip' }, { Connection: 'close' }]) {
      const target = query(`INSERT INTO ${database}.q (a) VALUES`, parameters);
      const answer = await send(url, { method: 'POST', target, body: '(1)', headers });
      const likewise = await send(url, {
        method: 'POST',
        target: query(`INSERT INTO ${database}.failing VALUES`, parameters),
        body: '(1)',
        headers,
      });
      const names = ({ rawHeaders }: TestAnswer): string[] => rawHeaders.filter((name, i) => i % 2 === 0 && name !== 'Content-Encoding');
      t.deepEqual(names(answer), names(likewise), parameters);
      t.deepEqual([answer.status, header(answer, 'X-ClickHouse-Exception-Code')], [408, '159']);
      t.true(answer.body.includes(`DB::Exception: ${reason}. (TIMEOUT_EXCEEDED) (version 26.7.2.1)\n`), answer.body.toString());
    }
  }
  t.is(await direct(`SELECT count() FROM ${OUTBOX}`), '12');
});

test('what delivery throws comes behind a head that has begun', async (t) => {
  const { outboxes, url, database } = await useQueue(t);
  outboxes.delivered = async () => Promise.reject(new ClickHouseException(159, 'TIMEOUT_EXCEEDED', 'queued'));
  const slow = `INSERT INTO ${database}.q (a) SELECT sleepEachRow(0.1) FROM numbers(5)`;
  const answer = await send(url, {
    method: 'POST',
    target: '/?send_progress_in_http_headers=1&http_headers_progress_interval_ms=50&max_block_size=1',
    body: slow,
  });
  t.deepEqual([answer.status, header(answer, 'X-ClickHouse-Exception-Code')], [200, '159']);
  t.is(answer.body.toString(), 'Code: 159. DB::Exception: queued. (TIMEOUT_EXCEEDED) (version 26.7.2.1)\n');
});

test('a client that goes away ends the wait', async (t) => {
  const { outboxes, url, database } = await useQueue(t);
  const left = new Promise<void>((resolve) => {
    outboxes.delivered = async (_table, signal) => {
      client.abort();
      await new Promise<void>((gone) => signal?.addEventListener('abort', () => gone()));
      resolve();
    };
  });
  const client = new AbortController();
  await t.throwsAsync(
    fetch(`${url}/?database=${database}`, { method: 'POST', body: 'INSERT INTO q (a) VALUES (1)', signal: client.signal }),
    { any: true },
  );
  await left;
});

test('nobody waits for Kafka who does not wait for the server', async (t) => {
  const { sql, asked } = await useQueue(t);
  await sql('INSERT INTO q (a) VALUES (1)', { wait_for_async_insert: '0' });
  await sql('INSERT INTO q (a) SETTINGS wait_for_async_insert = 0, async_insert = 1 VALUES (1)');
  t.deepEqual(asked, ['prepare q', 'prepare q']);
  await sql('INSERT INTO q (a) SETTINGS wait_for_async_insert = 1 VALUES (1)', { wait_for_async_insert: '0' });
  await sql('INSERT INTO q (a) VALUES (1)', { wait_for_async_insert: '0', async_insert: '0' });
  await sql('INSERT INTO q (a) SELECT 1', { wait_for_async_insert: '0' });
  t.is(asked.filter((what) => what === 'delivered q').length, 3);
});
