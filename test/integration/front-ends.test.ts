import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { shareGateway, UNCHECKED, useGateway, useSharedGateway } from '../helpers/gateway.ts';
import { uniqueName, useClickHouse, useOwnClickHouse, waitFor } from '../helpers/index.ts';
import { useStream } from '../helpers/stream.ts';
import { useDoors, type Answer, type Door, type Question, type Rows } from './doors/index.ts';

shareGateway(UNCHECKED);

/** An answer is rows (of a result with totals or extremes: whatever is expected of it), or the code and text of an exception. */
type Expected = Rows | Partial<Answer> | Refused;

interface Refused {
  readonly code: number;
  readonly text: string | RegExp;
}

/** A statement and what is answered. */
type Step = readonly [question: string | Question, expected: Expected];

interface Case {
  readonly steps: readonly Step[];
  readonly hasSession?: boolean;
}

const DONE: Rows = [];
const refused = (code: number, text: string | RegExp): Refused => ({ code, text });

/** The steps through both doors of the gateway and both of the server itself: four equal answers to each. */
const asTheServer = test.macro(async (t, { steps, hasSession = false }: Case) => {
  const server = await useClickHouse(t);
  const gateway = await useSharedGateway(t);
  await assertAlike(t, steps, await useDoors(t, gateway, { hasSession }), await useDoors(t, server, { hasSession }));
});

/** The steps through both doors of the gateway, which answers otherwise than the server does. */
const alikeAtBothDoors = test.macro(async (t, { steps, hasSession = false }: Case) => {
  await assertAlike(t, steps, await useDoors(t, await useSharedGateway(t), { hasSession }));
});

async function assertAlike(
  t: ExecutionContext,
  steps: readonly Step[],
  doors: readonly Door[],
  direct: readonly Door[] = [],
): Promise<void> {
  for (const step of steps) {
    const answers = [];
    for (const door of [...doors, ...direct]) answers.push(await answerTo(t, door, step));
    const [first, ...others] = answers;
    for (const other of others) t.deepEqual(other, first, titleOf(step));
  }
}

async function answerTo(t: ExecutionContext, door: Door, [question, expected]: Step): Promise<unknown> {
  const answer = await door.ask(typeof question === 'string' ? { sql: question } : question);
  assertExpected(t, answer, expected, `${door.name}: ${titleOf([question, expected])}`);
  return comparable(answer);
}

const titleOf = ([question]: Step): string => String(typeof question === 'string' ? question : question.sql).slice(0, 300);

function assertExpected(t: ExecutionContext, answer: Answer, expected: Expected, title: string): void {
  const { refusal } = answer;
  if (!('code' in expected)) {
    t.is(refusal, undefined, title);
    const wanted = 'length' in expected ? { rows: expected } : expected;
    t.like(comparable(answer), comparable({ ...answer, ...wanted }) as object, title);
    return;
  }
  t.is(refusal?.code, expected.code, `${title} ${refusal?.text ?? 'is not refused'}`);
  if (typeof expected.text === 'string') t.is(refusal?.text, expected.text, title);
  else t.regex(refusal?.text ?? '', expected.text, title);
}

const MANY_ROWS = 1000;

/** A report of a difference between a million rows could not be read. */
function comparable(answer: Answer): unknown {
  return answer.rows.length <= MANY_ROWS ? answer : { ...answer, rows: digestOf(answer.rows) };
}

function digestOf(rows: Rows): unknown {
  const text = rows.map((row) => row.join('\t')).join('\n');
  return { count: rows.length, sha256: createHash('sha256').update(text).digest('hex') };
}

const SETTINGS = "kafka_broker_list = '127.0.0.1:1', kafka_topic_list = 't', kafka_group_name = 'g', kafka_format = 'JSONEachRow'";
const ENGINE = `ENGINE = Kafka\nSETTINGS ${SETTINGS}`;
const CREATE = `CREATE TABLE q (a Int32, b String) ${ENGINE}`;
const SHOWN = `CREATE TABLE DB.q\n(\n    \`a\` Int32,\n    \`b\` String\n)\n${ENGINE}`;
const DIRECT_SELECT =
  'Direct select is not allowed. To enable use setting `stream_like_engine_allow_direct_select`, but be aware that usually the read data is removed from the queue';
const COLUMNS = [
  ['a', 'Int32'],
  ['b', 'String'],
];
/** A table whose rows wait for a broker that is not there; nobody else does. */
const CREATE_QUEUED = `${CREATE}, kafka_wait_for_delivery = 0, kafka_outbox_on_drop = 'drop'`;
const QUEUED = 'SELECT count() FROM `.outbox.q`';
const many = (length: number): string[] => Array.from({ length }, (_, i) => `row ${i} 'ü'`);

const SERVERS_STATEMENTS: Readonly<Record<string, readonly Step[]>> = {
  'SELECT takes settings and query parameters': [
    [
      {
        sql: "SELECT {p:String} || '!', {n:UInt8} + 1, getSetting('max_block_size')",
        parameters: { p: "it's \\ here", n: '4' },
        settings: { max_block_size: '77' },
      },
      [["it's \\ here!", '5', '77']],
    ],
    ['SELECT {p:String}', refused(456, /Substitution `p` is not set/)],
  ],
  'values of many types come': [
    [
      "SELECT 1, -1, 'a\\tb\\n', ['x', 'it\\'s'], NULL, true, toUInt64(18446744073709551615)",
      [['1', '-1', 'a\tb\n', "['x','it\\'s']", '\\N', 'true', '18446744073709551615']],
    ],
  ],
  'totals and extremes come beside the rows': [
    [
      { sql: 'SELECT number % 2 AS k, count() FROM numbers(5) GROUP BY k WITH TOTALS ORDER BY k', settings: { extremes: '1' } },
      {
        rows: [
          ['0', '3'],
          ['1', '2'],
        ],
        totals: [['0', '5']],
        extremes: [
          ['0', '2'],
          ['1', '3'],
        ],
      },
    ],
  ],
  'mistakes are refused with their codes': [
    ['SELECT * FROM no_such_table', refused(60, /^Unknown table expression identifier 'no_such_table' in scope/)],
    ['SELECT * FROM DB.no_such_table', refused(60, /no_such_table/)],
    ['SELECT FROM WHERE', refused(62, /^Syntax error: failed at position 18 \(end of query\)/)],
    ["SELECT 1 + 'a'", refused(43, /^Illegal types UInt8 and String of arguments of function plus/)],
    ["SELECT CAST(materialize('x') AS UInt8)", refused(6, /Cannot parse string 'x' as UInt8/)],
    ["SELECT 1 = 'x'", refused(53, /Cannot convert string 'x' to type UInt8/)],
    ['SELECT nope', refused(47, /^Unknown expression identifier `nope`/)],
    ['SELECT 1', [['1']]],
  ],
  'a result may be empty': [
    ['SELECT number FROM numbers(10) WHERE number > 10', []],
    ['SELECT 1 WHERE 0', []],
    ['SELECT 7', [['7']]],
  ],
  'an error in the middle of a result is told': [
    [
      { sql: 'SELECT throwIf(number = 300000) FROM numbers(1000000)', settings: { max_threads: '1', max_block_size: '10000' } },
      refused(395, /^Value passed to 'throwIf' function is non-zero/),
    ],
    ['SELECT 1', [['1']]],
  ],
  'rows are inserted by the client, by VALUES and by SELECT': [
    ['CREATE TABLE t (s String) ENGINE = MergeTree ORDER BY s', DONE],
    [{ sql: 'INSERT INTO t', rows: { name: 's', values: many(20_000) } }, DONE],
    ["INSERT INTO t VALUES ('by values'), ('it''s')", DONE],
    ["INSERT INTO t SELECT 'by select ' || toString(number) FROM numbers(100000)", DONE],
    ["SELECT count(), uniqExact(s), countIf(s LIKE 'row % \\'ü\\''), min(s) FROM t", [['120002', '120002', '20000', 'by select 0']]],
    [{ sql: 'INSERT INTO no_such_table', rows: { name: 's', values: ['a'] } }, refused(60, /no_such_table/)],
    [{ sql: 'INSERT INTO t (nope)', rows: { name: 's', values: ['a'] } }, refused(16, /nope/)],
    ['SELECT 8', [['8']]],
  ],
  'an external table is read': [
    [{ sql: 'SELECT count(), max(s) FROM ext', table: { table: 'ext', name: 's', values: ['a', 'z', 'c'] } }, [['3', 'z']]],
    [{ sql: 'SELECT nope FROM ext', table: { table: 'ext', name: 's', values: ['a'] } }, refused(47, /nope/)],
    ['SELECT * FROM ext', refused(60, /ext/)],
  ],
  'a query runs under the id that its client gives': [[{ sql: 'SELECT queryID()', queryId: 'my own id of DB' }, [['my own id of DB']]]],
  'a statement that is not UTF-8 passes': [
    [{ sql: Buffer.from("SELECT hex('\xff\xfe')", 'latin1') }, [['FFFE']]],
    [{ sql: Buffer.from('DROP TABLE IF EXISTS `\xff` -- \xff', 'latin1') }, DONE],
    [{ sql: Buffer.from('SELECT * FROM `no_such_\xff`', 'latin1') }, refused(60, /no_such_/)],
  ],
};

for (const [title, steps] of Object.entries(SERVERS_STATEMENTS)) test(title, asTheServer, { steps });

// Alone: decoding them keeps this process busy.
test.serial('a million rows come', asTheServer, {
  steps: [['SELECT number FROM numbers(1000000)', Array.from({ length: 1_000_000 }, (_, i) => [String(i)])]],
});

test('a temporary table, settings and USE last for a session', asTheServer, {
  hasSession: true,
  steps: [
    ['CREATE TEMPORARY TABLE mine AS SELECT 7 AS a', DONE],
    ['SET max_block_size = 99', DONE],
    ["SELECT a, getSetting('max_block_size'), currentDatabase() FROM mine", [['7', '99', 'DB']]],
    ['USE system', DONE],
    ['SELECT a, currentDatabase() FROM mine', [['7', 'system']]],
    [`CREATE TABLE DB.q (a Int32) ${ENGINE}`, DONE],
    ['EXISTS TABLE q', [['0']]],
    ['USE DB', DONE],
    ['EXISTS TABLE q', [['1']]],
    ['SELECT a FROM q', refused(620, DIRECT_SELECT)],
    ['DROP TABLE mine', DONE],
    ['SELECT a FROM mine', refused(60, /mine/)],
    ['DROP TABLE q', DONE],
  ],
});

const KAFKA_STATEMENTS: Readonly<Record<string, readonly Step[]>> = {
  'a Kafka table is made, shown, described, moved and dropped': [
    ['EXISTS TABLE q', [['0']]],
    [CREATE, DONE],
    ['EXISTS TABLE q', [['1']]],
    ['SHOW CREATE TABLE q', [[SHOWN]]],
    ['SHOW TABLE q', [[SHOWN]]],
    ['SHOW TABLES', [['q']]],
    [
      'DESCRIBE TABLE q',
      [
        ['a', 'Int32', '', '', '', '', ''],
        ['b', 'String', '', '', '', '', ''],
      ],
    ],
    ['RENAME TABLE q TO r', DONE],
    ['SHOW CREATE TABLE q', refused(390, /^Table `q` doesn't exist/)],
    ['DETACH TABLE r', DONE],
    ['EXISTS TABLE r', [['0']]],
    ['ATTACH TABLE r', DONE],
    ['SHOW CREATE TABLE r', [[SHOWN.replace('DB.q', 'DB.r')]]],
    ['CREATE TABLE plain (c Int8) ENGINE = Memory', DONE],
    ['EXCHANGE TABLES r AND plain', DONE],
    ['SHOW CREATE TABLE plain', [[SHOWN.replace('DB.q', 'DB.plain')]]],
    ['TRUNCATE TABLE plain', refused(48, 'Truncate is not supported by storage Kafka')],
    ['TRUNCATE TABLE r', DONE],
    ['DROP TABLE plain', DONE],
    ['DROP TABLE plain', refused(60, /DB\.plain/)],
    ['DROP TABLE IF EXISTS plain', DONE],
    ['SHOW TABLES', [['r']]],
  ],
  'a Kafka table is made once, if not there, or anew': [
    [CREATE, DONE],
    [CREATE, refused(57, 'Table DB.q already exists')],
    [CREATE.replace('TABLE', 'TABLE IF NOT EXISTS'), DONE],
    [CREATE.replace('CREATE', 'CREATE OR REPLACE').replace('b String', 'c UInt8'), DONE],
    ['SHOW CREATE TABLE q', [[SHOWN.replace('`b` String', '`c` UInt8')]]],
    ['CREATE TABLE copy AS q', DONE],
    ['SHOW CREATE TABLE copy', [[SHOWN.replace('DB.q', 'DB.copy').replace('`b` String', '`c` UInt8')]]],
  ],
  'query parameters may stand in statements about a Kafka table': [
    [CREATE, DONE],
    [{ sql: 'SELECT a FROM q WHERE b = {p:String}', parameters: { p: "it's" } }, refused(620, DIRECT_SELECT)],
    ['SELECT a FROM q WHERE b = {p:String}', refused(456, 'Substitution `p` is not set')],
    [{ sql: 'SELECT * FROM {t:Identifier}', parameters: { t: 'numbers' } }, refused(60, /numbers/)],
    [{ sql: 'SHOW CREATE TABLE {t:Identifier}', parameters: { t: 'q' } }, [[SHOWN]]],
    [{ sql: 'SHOW CREATE TABLE DB.{t:Identifier}', parameters: { t: 'q' } }, [[SHOWN]]],
    [{ sql: 'DESCRIBE {t:Identifier} SETTINGS describe_compact_output = 1', parameters: { t: 'q' } }, COLUMNS],
    [{ sql: 'TRUNCATE TABLE {t:Identifier}', parameters: { t: 'q' } }, refused(48, 'Truncate is not supported by storage Kafka')],
    [{ sql: 'ALTER TABLE {t:Identifier} ADD COLUMN c Int8', parameters: { t: 'q' } }, refused(48, /ADD_COLUMN/)],
    [{ sql: 'RENAME TABLE {t:Identifier} TO {u:Identifier}', parameters: { t: 'q', u: 'r' } }, DONE],
    [{ sql: 'DROP TABLE {t:Identifier}', parameters: { t: 'r' } }, DONE],
    ['EXISTS TABLE r', [['0']]],
  ],
  'a wrong Kafka table is refused, and nothing is made': [
    [`CREATE TABLE q (a Int32) ${ENGINE}, kafka_no_such_setting = 1`, refused(115, /kafka_no_such_setting/)],
    [
      "CREATE TABLE q (a Int32) ENGINE = Kafka('127.0.0.1:1')",
      refused(42, "Required parameter 'kafka_topic_list' for storage Kafka not specified"),
    ],
    [`CREATE TABLE q (a NoSuchType) ${ENGINE}`, refused(50, /NoSuchType/)],
    [`CREATE TABLE q (a Int32 ${ENGINE}`, refused(62, /^Syntax error/)],
    [`CREATE TABLE no_such_database.q (a Int32) ${ENGINE}`, refused(81, 'Database no_such_database does not exist')],
    ['EXISTS TABLE q', [['0']]],
  ],
  'what a Kafka table cannot do is refused': [
    [CREATE, DONE],
    ['SELECT * FROM q', refused(620, DIRECT_SELECT)],
    ['SELECT count() FROM DB.q', refused(620, DIRECT_SELECT)],
    ['CREATE TABLE t (a Int32) ENGINE = Memory', DONE],
    ['INSERT INTO t SELECT a FROM q', refused(620, DIRECT_SELECT)],
    ['ALTER TABLE q ADD COLUMN c Int8', refused(48, "Alter of type 'ADD_COLUMN' is not supported by storage Kafka")],
    ['ALTER TABLE q MODIFY COLUMN a Int64', refused(48, "Alter of type 'MODIFY_COLUMN' is not supported by storage Kafka")],
    ['ALTER TABLE q DELETE WHERE 1', refused(48, "Table engine Kafka doesn't support mutations")],
    ['ALTER TABLE q DROP PARTITION 1', refused(48, "Table engine Kafka doesn't support partitioning")],
    ['ALTER TABLE q MODIFY TTL now()', refused(36, "Engine Kafka doesn't support TTL clause")],
    ["ALTER TABLE q MODIFY SETTING kafka_schema = 'a'", refused(48, /MODIFY_SETTING/)],
    ['OPTIMIZE TABLE q', refused(48, 'Method optimize is not supported by storage Kafka')],
    ['DELETE FROM q WHERE a = 1', refused(36, 'DELETE query is not supported for table DB.q')],
    ["ALTER TABLE q MODIFY COMMENT 'it''s mine'", DONE],
    ['SHOW CREATE TABLE q', [[`${SHOWN}\nCOMMENT 'it\\'s mine'`]]],
    ['SELECT count() FROM t', [['0']]],
  ],
  'statements may be in lower case, with comments and odd spacing': [
    [`  -- a comment\n/* another */ create\n\ttable/**/q(a int, b text)engine=Kafka settings ${SETTINGS} ;`, DONE],
    ['\n\n/* x */show  create /* y */ table\nq -- z', [[SHOWN]]],
    [
      'desc q;',
      [
        ['a', 'Int32', '', '', '', '', ''],
        ['b', 'String', '', '', '', '', ''],
      ],
    ],
    ['/* FROM t */ select/**/*\nfrom\n`q`', refused(620, DIRECT_SELECT)],
    ['rename/* it */table q/**/to `r`', DONE],
    ['exists r', [['1']]],
    ['#! comment\ntruncate r', refused(48, 'Truncate is not supported by storage Kafka')],
    ['drop\u00a0table r sync', DONE],
    ['exists r', [['0']]],
  ],
  'wrong settings are refused before the statement is': [
    [CREATE, DONE],
    [{ sql: 'SELECT * FROM q', settings: { max_block_size: '10', max_threads: '2' } }, refused(620, DIRECT_SELECT)],
    [{ sql: 'TRUNCATE TABLE q', settings: { extremes: '1' } }, refused(48, 'Truncate is not supported by storage Kafka')],
    // After this, the server closes a native connection.
    [{ sql: 'SELECT * FROM q', settings: { max_threads: 'many' } }, refused(27, "Cannot parse input: expected 'eof' before: 'many'")],
  ],
  'good statements follow refused ones on the same connection': [
    ['DROP TABLE q', refused(60, /DB\.q/)],
    ['SELECT 1', [['1']]],
    [CREATE, DONE],
    ['SELECT * FROM q', refused(620, DIRECT_SELECT)],
    ['SELECT 2', [['2']]],
    [{ sql: 'SELECT * FROM q', table: { table: 'ext', name: 's', values: ['a'] } }, refused(620, DIRECT_SELECT)],
    [{ sql: 'SELECT s FROM ext', table: { table: 'ext', name: 's', values: ['a'] } }, [['a']]],
    ['ALTER TABLE q ADD COLUMN c Int8', refused(48, /ADD_COLUMN/)],
    ['SHOW CREATE TABLE q', [[SHOWN]]],
    ['DROP TABLE q', DONE],
    ['SELECT FROM WHERE', refused(62, /^Syntax error/)],
    ['EXISTS TABLE q', [['0']]],
  ],
};

for (const [title, steps] of Object.entries(KAFKA_STATEMENTS)) test(title, asTheServer, { steps });

const MANY_COLUMNS = Array.from({ length: 15_000 }, (_, i) => `column_${i} String`).join(', ');
const LONG = `CREATE TABLE q (${MANY_COLUMNS}) ${ENGINE}`;
test('a Kafka table of 300 KB is made where so much is allowed', asTheServer, {
  steps: [
    [{ sql: LONG, settings: { max_query_size: '1000000' } }, DONE],
    ["SELECT count() FROM system.columns WHERE database = currentDatabase() AND table = 'q' AND name LIKE 'column_%'", [['15000']]],
    ['DROP TABLE q', DONE],
  ],
});

const GATEWAYS_ANSWERS: Readonly<Record<string, readonly Step[]>> = {
  'rows for a Kafka table wait in its outbox, wherever they are': [
    [CREATE_QUEUED, DONE],
    ["INSERT INTO q VALUES (1, 'a')", DONE],
    ["insert into DB.q (b) select 'a'", DONE],
    [{ sql: 'INSERT INTO q (b)', rows: { name: 'b', values: many(20_000) } }, DONE],
    [{ sql: "INSERT INTO {t:Identifier} (b) VALUES ('a')", parameters: { t: 'q' } }, DONE],
    [{ sql: 'INSERT INTO DB.{t:Identifier} (b)', parameters: { t: 'q' }, rows: { name: 'b', values: ['a'] } }, DONE],
    [QUEUED, [['20004']]],
    ['CREATE TABLE plain (b String) ENGINE = Memory', DONE],
    [{ sql: "INSERT INTO {t:Identifier} VALUES ('a')", parameters: { t: 'plain' } }, DONE],
    [{ sql: 'INSERT INTO {t:Identifier}', parameters: { t: 'plain' }, rows: { name: 'b', values: many(20_000) } }, DONE],
    ['SELECT count() FROM plain', [['20001']]],
    ['CREATE MATERIALIZED VIEW v TO q AS SELECT b FROM plain', DONE],
    ["INSERT INTO plain VALUES ('a')", DONE],
    [QUEUED, [['20005']]],
    ['SELECT a FROM q SETTINGS stream_like_engine_allow_direct_select = 1', refused(48, /^Direct SELECT from a Kafka table/)],
    [
      { sql: 'SELECT a FROM q', settings: { stream_like_engine_allow_direct_select: '1' } },
      refused(48, /^Direct SELECT from a Kafka table/),
    ],
    ['SHOW CREATE TABLE q', [[`${SHOWN}, kafka_wait_for_delivery = 0, kafka_outbox_on_drop = 'drop'`]]],
  ],
  'a statement of ours that is not UTF-8 is refused': [
    [{ sql: Buffer.from(`${CREATE} COMMENT '\xff'`, 'latin1') }, refused(36, 'The statement is not valid UTF-8')],
    ['EXISTS TABLE q', [['0']]],
    [CREATE_QUEUED, DONE],
    [{ sql: Buffer.from("INSERT INTO q (b) VALUES ('\xff')", 'latin1') }, DONE],
    ['SELECT hex(b) FROM `.outbox.q`', [['FF']]],
    [{ sql: Buffer.from("SELECT a, '\xff' FROM q", 'latin1') }, refused(620, DIRECT_SELECT)],
    [{ sql: Buffer.from('DROP TABLE q -- \xff', 'latin1') }, DONE],
    ['EXISTS TABLE q', [['0']]],
  ],
};

test('a Kafka table is made also where its statement is longer than max_query_size', alikeAtBothDoors, {
  steps: [
    [LONG, DONE],
    ['DROP TABLE q', DONE],
    [{ sql: CREATE, settings: { max_query_size: '50' } }, DONE],
    [{ sql: 'SELECT a FROM q -- and more than 40 bytes of text', settings: { max_query_size: '40' } }, refused(620, DIRECT_SELECT)],
    [{ sql: 'DROP TABLE q -- and more than 40 bytes of text', settings: { max_query_size: '8' } }, refused(62, /^Max query size exceeded/)],
  ],
});

for (const [title, steps] of Object.entries(GATEWAYS_ANSWERS)) test(title, alikeAtBothDoors, { steps });

test('a view on a Kafka table receives rows, whichever way it was made', async (t) => {
  const stream = await useStream(t);
  await stream.kafka.produce(stream.topic, ['{"a": 1, "b": "one"}', '{"a": 2, "b": "two"}']);
  for (const door of await useDoors(t, stream.gateway)) {
    for (const sql of [
      `CREATE TABLE q (a Int32, b String) ${stream.engine({ group: `${stream.group}_${door.name}` })}`,
      'CREATE TABLE target (a Int32, b String, o UInt64) ENGINE = MergeTree ORDER BY a',
      'CREATE MATERIALIZED VIEW v TO target AS SELECT a, b, _offset AS o FROM q',
    ])
      assertExpected(t, await door.ask({ sql }), DONE, `${door.name}: ${sql}`);
    const question = { sql: 'SELECT a, b, o FROM target ORDER BY a' };
    await waitFor(async () => (await door.ask(question)).rows.length === 2);
    const rows = [
      ['1', 'one', '0'],
      ['2', 'two', '1'],
    ];
    assertExpected(t, await door.ask(question), rows, door.name);
    assertExpected(t, await door.ask({ sql: 'DROP TABLE q' }), DONE, door.name);
  }
});

test('a query that its client cancels or leaves ends on the server', async (t) => {
  const server = await useClickHouse(t);
  const settings = {
    max_block_size: '1',
    function_sleep_max_microseconds_per_block: '0',
    cancel_http_readonly_queries_on_client_close: '1',
  };
  const sql = 'SELECT sleepEachRow(0.1) FROM numbers(100000)';
  const count = async (queryId: string): Promise<string> =>
    server.query(`SELECT count() FROM system.processes WHERE query_id = '${queryId}'`);
  for (const end of ['cancel', 'leave'] as const) {
    for (const door of await useDoors(t, await useSharedGateway(t))) {
      const queryId = uniqueName(t, `${end}_${door.name}`);
      const running = await door.start({ sql, settings, queryId });
      await waitFor(async () => (await count(queryId)) === '1');
      await running[end]();
      await waitFor(async () => (await count(queryId)) === '0');
      if (end === 'cancel') assertExpected(t, await door.ask({ sql: 'SELECT 1' }), [['1']], door.name);
    }
  }
  t.pass();
});

const NO_RIGHT = refused(164, 'reader: Cannot execute query in readonly mode');
const NO_SETTING = refused(164, "Cannot modify 'max_threads' setting in readonly mode");
const READ_ONLY: readonly Step[] = [
  ['SELECT currentUser()', [['reader']]],
  ['SET max_threads = 1', NO_SETTING],
  [CREATE, NO_RIGHT],
  [CREATE.replace('ENGINE = Kafka', 'ENGINE = Memory').replace(/SETTINGS.*/, ''), NO_RIGHT],
  ['RENAME TABLE known TO r', NO_RIGHT],
  ['DROP TABLE known', NO_RIGHT],
  ["ALTER TABLE known MODIFY COMMENT 'c'", NO_RIGHT],
  ['EXISTS TABLE known', [['1']]],
  ['EXISTS TABLE q', [['0']]],
  // After this, the server closes a native connection.
  [{ sql: 'SELECT 1', settings: { max_threads: '1' } }, NO_SETTING],
];
const OURS = [CREATE, 'SHOW CREATE TABLE q', 'DESCRIBE TABLE q', "ALTER TABLE q MODIFY COMMENT 'c'", 'DROP TABLE q'];

test('users without rights are refused alike, and statements of ours are logged under their ids', async (t) => {
  const server = await useOwnClickHouse(t, {
    profilesXml: '<only_reads><readonly>1</readonly></only_reads>',
    usersXml:
      '<reader><password>r</password><networks><ip>::/0</ip></networks><profile>only_reads</profile><quota>default</quota></reader>',
    configXml: '<query_log><database>system</database><table>query_log</table></query_log>',
  });
  const gateway = await useGateway(t, { ...UNCHECKED, clickHouseUrl: server.url, clickHouseNativePort: server.nativePort });
  const [, owner] = await useDoors(t, gateway, { database: 'default' });
  t.is((await owner?.ask({ sql: CREATE.replace(' q ', ' known ') }))?.refusal, undefined);
  const reader = { user: 'reader', password: 'r', database: 'default' };
  await assertAlike(t, READ_ONLY, await useDoors(t, gateway, reader), await useDoors(t, server, reader));
  for (const door of await useDoors(t, gateway, { database: 'default' })) {
    const ids = OURS.map((_, i) => `mine ${door.name} ${i}`);
    for (const [i, sql] of OURS.entries()) t.is((await door.ask({ sql, queryId: ids[i] ?? '' })).refusal, undefined, sql);
    await owner?.ask({ sql: 'SYSTEM FLUSH LOGS' });
    const logged = `SELECT query_id FROM system.query_log WHERE type = 'QueryFinish' AND startsWith(query_id, 'mine ${door.name}')`;
    const rows = ids.map((id) => [id]);
    t.deepEqual((await owner?.ask({ sql: `${logged} ORDER BY event_time_microseconds` }))?.rows, rows);
  }
});
