import test from 'ava';
import { ClickHouseException, clickhouseError } from '../../src/errors.ts';
import { silentLogger } from '../../src/logger.ts';
import { createDispatcher, type Action } from '../../src/query/index.ts';

const NO_TABLES = {
  names: () => new Set<string>(),
  tables: () => [],
  find: () => undefined,
  unreadable: () => [],
  refresh: async () => undefined,
};

/** Dispatches with a server that answers by `answer`; no table is managed. */
async function dispatch(statement: string, answer: (sql: string) => string[][]): Promise<Action> {
  const dispatcher = createDispatcher({
    catalog: NO_TABLES,
    reconcile: async () => undefined,
    secretKeys: { current: undefined },
    logger: silentLogger(),
  });
  return dispatcher.dispatch(statement, {
    query: async (sql) => answer(sql),
    run: async (sql) => answer(sql),
    setting: () => undefined,
    mayHaveTemporaryTables: false,
    brings: () => false,
    whileHere: async (work) => work(new AbortController().signal),
  });
}

const refusalOf = (action: Action): string => (action.kind === 'refuse' ? action.exception.message : action.kind);

test('a statement of 1 MB is decided in linear time', async (t) => {
  const columns = Array.from({ length: 40_000 }, (_, index) => `column_number_${index} String`).join(', ');
  const start = performance.now();
  const action = await dispatch(`CREATE TABLE big (${columns}) ENGINE = Kafka('b', 't', 'g', 'CSV')`, (sql) =>
    sql.startsWith('CHECK GRANT') ? [['1']] : [["\nENGINE = Kafka('b', 't', 'g', 'CSV')"]],
  );
  t.is(action.kind, 'run');
  t.true(performance.now() - start < 10_000, 'seconds even on a busy machine; quadratic time took 40');
});

test('a Kafka table cut off in the middle gets the syntax error of the server, with positions of its own text', async (t) => {
  const statement = "CREATE TABLE q (a Int32) ENGINE = Kafka('b'";
  const action = await dispatch(statement, (sql) => {
    t.is(sql, `EXPLAIN AST ${statement}`);
    throw clickhouseError('SYNTAX_ERROR', "Syntax error: failed at position 52 (() (line 1, col 52): ('b'. Unmatched parentheses: (");
  });
  const text = "Syntax error: failed at position 40 (() (line 1, col 40): ('b'. Unmatched parentheses: (";
  t.is(refusalOf(action), `Code: 62. DB::Exception: ${text}. (SYNTAX_ERROR)`);
});

test('a Kafka table that only the server can read never reaches the native engine', async (t) => {
  const action = await dispatch("CREATE TABLE q (a Int32) ENGINE = Kafka('b') SOME NEW CLAUSE", () => [['CreateQuery q']]);
  t.regex(refusalOf(action), /^Code: 48\. .* cannot read this CREATE TABLE … ENGINE = Kafka at line 1, column 46/);
});

test('a server that does not answer is told to the client, and nothing is created', async (t) => {
  const action = await dispatch("CREATE TABLE q (a Int32) ENGINE = Kafka('b', 't', 'g', 'CSV')", () => {
    throw clickhouseError('NETWORK_ERROR', 'Cannot ask ClickHouse');
  });
  t.is(refusalOf(action), 'Code: 210. DB::Exception: Cannot ask ClickHouse. (NETWORK_ERROR)');
});

for (const statement of ["ALTER TABLE q MODIFY COMMENT 'x'", 'TRUNCATE TABLE q', 'OPTIMIZE TABLE q'])
  test(`a table of which the server cannot say what it is now is not taken for somebody else's: ${statement}`, async (t) => {
    const action = await dispatch(statement, () => {
      throw clickhouseError('TOO_MANY_SIMULTANEOUS_QUERIES', 'Too many simultaneous queries for user');
    });
    t.regex(refusalOf(action), /^Code: 202\. /);
  });

test('a fault of the gateway becomes an error without its inner workings', async (t) => {
  const action = await dispatch("CREATE TABLE q (a Int32) ENGINE = Kafka('b', 't', 'g', 'CSV')", () => {
    throw new TypeError('inner workings');
  });
  t.true(action.kind === 'refuse' && action.exception instanceof ClickHouseException);
  t.notRegex(refusalOf(action), /inner workings/);
});

for (const statement of [
  'CREATE TABLE t (a Int32) ENGINE = Memory',
  'DROP TABLE t',
  'CREATE DATABASE d',
  'CREATE TABLE q (a Int',
  "SELECT 'ENGINE = Kafka'",
  'нечто',
]) {
  test(`${JSON.stringify(statement)} goes to the server as it is`, async (t) => {
    t.is((await dispatch(statement, () => [])).kind, 'forward');
  });
}

test('an INSERT of somebody who may write costs one question, whatever its list is', async (t) => {
  const written = { declarations: [], names: ['a', 'b'], columns: [] };
  const table = {
    database: 'd',
    table: 'q',
    uuid: '',
    written: { ...written, columns: written.names.map((name) => ({ name, type: 'UInt8' })) },
  };
  const asked: string[] = [];
  const dispatcher = createDispatcher({
    catalog: { ...NO_TABLES, names: () => new Set(['q']), find: () => table as never },
    reconcile: async () => undefined,
    secretKeys: { current: undefined },
    logger: silentLogger(),
    outboxes: {
      prepare: async () => ({ database: 'd', table: '.outbox.q', columns: ['a', 'b'] }),
      delivered: async () => undefined,
      sendSelected: async () => undefined,
      beforeDrop: async () => undefined,
    },
  });
  const query = async (sql: string): Promise<string[][]> => {
    asked.push(sql);
    return [['1']];
  };
  for (const sql of ['INSERT INTO d.q VALUES (1, 2)', 'INSERT INTO d.q (a, d.q.b) VALUES (1, 2)'])
    t.is(
      (
        await dispatcher.dispatch(sql, {
          query,
          run: query,
          setting: () => undefined,
          mayHaveTemporaryTables: false,
          brings: () => false,
          whileHere: async (work) => work(new AbortController().signal),
        })
      ).kind,
      'replace',
    );
  const question = 'CHECK GRANT INSERT(`a`, `b`) ON `d`.`q`, INSERT(`a`, `b`) ON `d`.`.outbox.q`';
  t.deepEqual(asked, [question, question]);
});
