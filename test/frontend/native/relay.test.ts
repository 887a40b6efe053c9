import { once } from 'node:events';
import { pino } from 'pino';
import test, { type ExecutionContext } from 'ava';
import { ByteWriter, CLIENT_PACKETS, SERVER_PACKETS, readRows, type Block } from '../../../src/protocol/index.ts';
import { useClickHouse, useDatabase, waitFor } from '../../helpers/index.ts';
import { markedDispatcher, serverHello, useNativeFrontEnd, useScriptedServer } from './helpers/front-end.ts';
import { useNativeClient } from './helpers/native-client.ts';

const REVISIONS = [54429, 54449, 54454, 54458, 54460, 54468, 54471, 54480, 54488];
const STATEMENTS = [
  'SELECT number, toString(number) AS s FROM numbers(3)',
  'SELECT 1 WHERE 0',
  'SELECT number % 2 AS k, count() AS c FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k SETTINGS extremes = 1',
  'SELECT nope',
  'SELEC 1',
  'SELECT throwIf(number = 5) FROM numbers(10)',
  'SET max_threads = 2',
];

for (const isCompressed of [false, true]) {
  for (const revision of REVISIONS) {
    const name = `revision ${revision}, ${isCompressed ? 'compressed' : 'not compressed'}`;
    test(`answers through the gateway are the server's own at ${name}`, async (t) => {
      const { nativePort } = await useClickHouse(t);
      const { port } = await useNativeFrontEnd(t);
      const direct = await useNativeClient(t, nativePort, { revision, isCompressed });
      const through = await useNativeClient(t, port, { revision, isCompressed });
      t.is(through.revision, direct.revision);
      for (const sql of STATEMENTS) t.deepEqual(await through.query(sql), await direct.query(sql), sql);
    });

    test(`statements of ours are answered in the protocol at ${name}`, async (t) => {
      const { port } = await useNativeFrontEnd(t);
      const client = await useNativeClient(t, port, { revision, isCompressed });
      for (let round = 0; round < 2; round += 1) {
        t.deepEqual((await client.query('MARKED RUN SELECT 5')).rows, [['5']]);
        const { exception } = await client.query('MARKED REFUSE');
        t.deepEqual(exception, { code: 36, className: 'DB::Exception', message: "DB::Exception: It's refused\\here" });
        t.deepEqual((await client.query('SELECT 6')).rows, [['6']]);
        t.deepEqual((await client.query("MARKED ASK SELECT 1, 'a\\tb', ['x'], NULL, currentDatabase()")).rows, [
          ['[["1","a\\tb","[\'x\']","\\\\N","default"]]'],
        ]);
      }
    });
  }
}

test('bytes that come one by one change nothing', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  for (const isCompressed of [false, true]) {
    const client = await useNativeClient(t, port, { isCompressed, isByteByByte: true });
    t.deepEqual((await client.query('SELECT 6')).rows, [['6']]);
    t.deepEqual((await client.query('MARKED RUN SELECT 5')).rows, [['5']]);
    t.is((await client.query('MARKED REFUSE')).exception?.code, 36);
    const tables = client.dataBytes(client.blockOf('x', 'UInt8', 3, Buffer.from([1, 2, 3])), 'ext');
    t.deepEqual((await client.query('SELECT sum(x) FROM ext', { tables })).rows, [['6']]);
  }
});

test('a client newer than the gateway is lowered to what the gateway knows', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const client = await useNativeClient(t, port, { revision: 54999 });
  t.is(client.revision, 54488);
  t.deepEqual((await client.query('SELECT 6')).rows, [['6']]);
  t.deepEqual((await client.query('MARKED RUN SELECT 5')).rows, [['5']]);
});

test('a client newer than the gateway says the lowered revision in helper queries, too', async (t) => {
  const received: Buffer[] = [];
  const server = await useScriptedServer(t, (socket) => {
    socket.once('data', () => {
      socket.write(serverHello());
      socket.on('data', (bytes: Buffer) => {
        received.push(bytes);
        if (bytes.includes('SELECT')) socket.write(Buffer.from([SERVER_PACKETS.EndOfStream]));
      });
    });
  });
  const { port } = await useNativeFrontEnd(t, { upstream: { host: '127.0.0.1', port: server.port } });
  const client = await useNativeClient(t, port, { revision: 54999 });
  t.is((await client.query('MARKED ASK SELECT helper')).exception, undefined);
  const all = Buffer.concat(received);
  t.true(all.includes('SELECT helper'));
  const revisionBytes = (revision: number): Buffer =>
    new ByteWriter().string('test client').varuint(26).varuint(7).varuint(revision).bytes();
  t.true(all.includes(revisionBytes(54488)));
  t.false(all.includes(revisionBytes(54999)));
});

test('helper queries see the database, tables and settings of the session', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const database = await useDatabase(t);
  const client = await useNativeClient(t, port);
  await client.query(`USE ${database}`);
  await client.query('CREATE TEMPORARY TABLE tmp (a UInt8) ENGINE = Memory AS SELECT 7');
  await client.query('SET max_threads = 3');
  t.deepEqual((await client.query("MARKED ASK SELECT currentDatabase(), a, getSetting('max_threads') FROM tmp")).rows, [
    [JSON.stringify([[database, '7', '3']])],
  ]);
});

test('helper queries have types as text, whatever the session or the query asks for, also where settings may not change', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const settings = { output_format_native_encode_types_in_binary_format: '1' };
  for (const sql of ['SET output_format_native_encode_types_in_binary_format = 1', 'SET readonly = 1']) {
    const client = await useNativeClient(t, port);
    t.is((await client.query(sql)).exception, undefined);
    await client.send(client.queryBytes("MARKED ASK SELECT 1, 'a'", sql.includes('readonly') ? {} : { settings }));
    t.is(await client.reader.varuint(), SERVER_PACKETS.Data);
    await client.reader.want(100);
    t.true(client.reader.chunk.includes('[["1","a"]]'));
  }
});

test('an answer to a helper query that cannot be read ends the connection, and the log says why', async (t) => {
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const { port } = await useNativeFrontEnd(t, { logger });
  const client = await useNativeClient(t, port, { revision: 54468 });
  await client.query('SET output_format_native_encode_types_in_binary_format = 1');
  t.regex((await client.query('MARKED ASK SELECT 1')).exception?.message ?? '', /cannot read the answer of ClickHouse/);
  await t.throwsAsync(client.query('SELECT 1'), { name: 'EndOfBytes' });
  t.regex(lines.join(''), /ProtocolError.*an answer of the server cannot be followed/);
});

test('a fault of the gateway while an answer passes ends the connection, and the log says why', async (t) => {
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const dispatcher = markedDispatcher((statement) => ({
    kind: 'run',
    sql: statement.replace('MARKED', ''),
    shownException: () => {
      throw new TypeError('a fault');
    },
  }));
  const { port } = await useNativeFrontEnd(t, { logger, dispatcher });
  const client = await useNativeClient(t, port);
  await t.throwsAsync(client.query('MARKED SELECT nope'), { name: 'EndOfBytes' });
  t.regex(lines.join(''), /a fault.*an answer of the server cannot be followed/);
});

test('an error of a helper query is told with its code and text', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const client = await useNativeClient(t, port);
  const { exception } = await client.query('MARKED ASK SELECT nope');
  t.is(exception?.code, 47);
  t.regex(exception?.message ?? '', /^DB::Exception: Unknown expression identifier `nope` in scope/);
  t.deepEqual((await client.query('SELECT 6')).rows, [['6']]);
});

test('types that the gateway cannot read are turned into text by the server', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const client = await useNativeClient(t, port);
  const { rows } = await client.query("MARKED ASK SELECT 1.5, toDate('2026-01-02'), map('a', 1) FROM numbers(2)");
  t.deepEqual(rows, [['[["1.5","2026-01-02","{\'a\':1}"],["1.5","2026-01-02","{\'a\':1}"]]']]);
});

test('settings and parameters of a rewritten query stay', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const client = await useNativeClient(t, port);
  const { rows } = await client.query("MARKED RUN SELECT {p:String}, getSetting('max_block_size')", {
    settings: { max_block_size: '77' },
    parameters: { p: "'it\\'s'" },
  });
  t.deepEqual(rows, [["it's", '77']]);
});

test('a text of ours may be longer than max_query_size', async (t) => {
  const dispatcher = markedDispatcher(() => ({ kind: 'run', sql: `SELECT length('${'x'.repeat(400_000)}') AS n` }));
  const { port } = await useNativeFrontEnd(t, { dispatcher });
  const client = await useNativeClient(t, port);
  t.deepEqual((await client.query('MARKED')).rows, [['400000']]);
});

test('of a statement whose kind does not show, no more is held than may be read', async (t) => {
  const heads: number[] = [];
  const classify = (head: string): 'more' => {
    heads.push(head.length);
    return 'more';
  };
  const { port } = await useNativeFrontEnd(t, { dispatcher: { ...markedDispatcher(), classify }, maxStatementBytes: 100_000 });
  const client = await useNativeClient(t, port);
  t.deepEqual((await client.query(`/*${' '.repeat(240_000)}*/ SELECT 6`)).rows, [['6']]);
  t.deepEqual(heads, [1024, 8192, 65_536, 100_001]);
});

test('a statement of 30 MB that is not ours passes', async (t) => {
  const dispatcher = markedDispatcher();
  const { port } = await useNativeFrontEnd(t, { dispatcher });
  const client = await useNativeClient(t, port, { isCompressed: true });
  const sql = `SELECT length('${'x'.repeat(30_000_000)}') AS n`;
  t.deepEqual((await client.query(sql, { settings: { max_query_size: '40000000' } })).rows, [['30000000']]);
  t.is((await client.query(sql)).exception?.code, 62);
  t.deepEqual(dispatcher.statements, []);
});

test('the external tables of a refused statement are read and forgotten', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  for (const isCompressed of [false, true]) {
    const client = await useNativeClient(t, port, { isCompressed });
    const tables = client.dataBytes(client.blockOf('x', 'String', 2, Buffer.from('\x01a\x02bb')), 'ext');
    t.is((await client.query('MARKED REFUSE', { tables })).exception?.code, 36);
    t.deepEqual((await client.query('MARKED RUN SELECT max(x) FROM ext', { tables })).rows, [['bb']]);
  }
});

test('a ping right before a statement of ours is answered before it', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const client = await useNativeClient(t, port);
  for (const sql of ['MARKED ASK SELECT 1', 'MARKED REFUSE', 'SELECT 1']) {
    await client.send(Buffer.concat([Buffer.from([CLIENT_PACKETS.Cancel, CLIENT_PACKETS.Ping]), client.queryBytes(sql)]));
    t.is((await client.readAnswer()).packets[0], SERVER_PACKETS.Pong, sql);
  }
});

test('after a success, `after` runs before the client knows', async (t) => {
  const events: string[] = [];
  const dispatcher = markedDispatcher((statement, session) => ({
    kind: 'run',
    sql: statement.replace('MARKED', ''),
    after: async () => {
      events.push(`after, in ${(await session.query('SELECT currentDatabase()')).flat().join()}`);
    },
  }));
  const { port } = await useNativeFrontEnd(t, { dispatcher });
  const database = await useDatabase(t);
  for (const isCompressed of [false, true]) {
    const client = await useNativeClient(t, port, { isCompressed, database });
    for (const sql of [`CREATE OR REPLACE TABLE t (a UInt8) ENGINE = Memory`, "SELECT 'rows', number FROM numbers(3)", 'SHOW TABLES']) {
      const { exception } = await client.query(
        `MARKED ${sql} SETTINGS send_logs_level = 'trace'`.replace('SHOW TABLES SETTINGS', 'SHOW TABLES --'),
      );
      t.is(exception, undefined);
      t.deepEqual(events.splice(0), [`after, in ${database}`]);
    }
    t.is((await client.query('MARKED CREATE TABLE t (a UInt8) ENGINE = Memory')).exception?.code, 57);
    t.deepEqual(events, []);
    t.deepEqual((await client.query('SELECT 6')).rows, [['6']]);
  }
});

test('a statement that has done its work is a success, though its client would not wait for what follows', async (t) => {
  const dispatcher = markedDispatcher((statement) => ({
    kind: 'run',
    sql: statement.replace('MARKED', ''),
    after: async (signal) => {
      await client.send(Buffer.from([CLIENT_PACKETS.Cancel]));
      if (!signal.aborted) await once(signal, 'abort');
    },
  }));
  const { port } = await useNativeFrontEnd(t, { dispatcher });
  const client = await useNativeClient(t, port);
  t.is((await client.query('MARKED CREATE TEMPORARY TABLE t (a UInt8)')).exception, undefined);
  t.deepEqual((await client.query('SELECT count() FROM t')).rows, [['0']]);
});

test('what a statement holds is let go when it is over, whatever came of it', async (t) => {
  let held = 0;
  const dispatcher = markedDispatcher((statement) => {
    held += 1;
    const ended = (): void => void (held -= 1);
    return statement.includes('START')
      ? { kind: 'replace', length: 'MARKED START'.length, start: 'SELECT', ended }
      : { kind: 'run', sql: statement.replace('MARKED', ''), ended };
  });
  const { port } = await useNativeFrontEnd(t, { dispatcher });
  const client = await useNativeClient(t, port);
  const isLetGo = async (what: string): Promise<void> => void t.true(await waitFor(() => held === 0, { message: what }));
  for (const sql of ['SELECT 1', 'SELECT number FROM numbers(3)', 'SELECT nope', 'START 1']) {
    await client.query(`MARKED ${sql}`);
    await isLetGo(sql);
  }
  const { exception } = await client.query(Buffer.concat([Buffer.from("MARKED SELECT '"), Buffer.from([0xff]), Buffer.from("'")]));
  t.regex(exception?.message ?? '', /not valid UTF-8/);
  await isLetGo('a statement that is no text');
  await client.send(client.queryBytes('MARKED SELECT sleep(3)'));
  await waitFor(() => held === 1, { message: 'the statement is held' });
  client.socket.destroy();
  await isLetGo('a client that left');
});

const STAGES = [0, 1, 3, 4, 7];

test('a statement of ours is met at whatever stage its client would end it, and by whomever it is sent', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const client = await useNativeClient(t, port);
  for (const options of [{ isSecondary: true }, ...STAGES.map((stage) => ({ stage })), { stage: 1, isSecondary: true }]) {
    t.is((await client.query('MARKED REFUSE', options)).exception?.code, 36);
    t.deepEqual((await client.query('MARKED ASK SELECT 1', options)).rows, [['[["1"]]']], 'answered to the end');
    t.deepEqual((await client.query('MARKED RUN SELECT 5', options)).rows, [['5']], 'answered to the end');
  }
});

/** The columns of the first block of an answer, of which no more is read. */
async function columnsAt(t: ExecutionContext, port: number, sql: string, stage: number): Promise<Block['columns']> {
  const client = await useNativeClient(t, port);
  await client.send(client.queryBytes(sql, { stage }));
  t.is(await client.reader.varuint(), SERVER_PACKETS.Data);
  await client.reader.skipString();
  return (await readRows(client.reader, { revision: client.revision, isCompressed: false })).columns;
}

test('a query that ends at another stage passes, with an answer of that shape', async (t) => {
  const dispatcher = markedDispatcher();
  const { port } = await useNativeFrontEnd(t, { dispatcher: { ...dispatcher, classify: () => 'whole' } });
  const { nativePort } = await useClickHouse(t);
  const aggregates = ['SELECT count() FROM numbers(10)', 'WITH 10 AS n SELECT uniq(number) FROM numbers(n)'];
  for (const sql of [...aggregates, 'FROM numbers(3) SELECT sum(number)']) {
    for (const stage of [0, 1]) t.deepEqual(await columnsAt(t, port, sql, stage), await columnsAt(t, nativePort, sql, stage), sql);
    t.regex(JSON.stringify(await columnsAt(t, port, sql, 1)), /AggregateFunction/);
  }
  t.deepEqual(dispatcher.statements, []);
});

test('a running query is cancelled, and the connection goes on', async (t) => {
  const { port } = await useNativeFrontEnd(t);
  const client = await useNativeClient(t, port);
  for (let round = 0; round < 2; round += 1) {
    await client.send(client.queryBytes('SELECT number FROM system.numbers'));
    await client.reader.want(100_000);
    await client.send(Buffer.from([CLIENT_PACKETS.Cancel]));
    t.is((await client.readAnswer()).exception, undefined);
    t.is((await client.query('MARKED REFUSE')).exception?.code, 36);
  }
});
