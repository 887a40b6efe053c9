import test from 'ava';
import { readExplainAst, readViewQuery } from '../../src/sql/index.ts';

test('a plain SELECT: its tables and every name in it', (t) => {
  const query = readViewQuery(
    "SELECT q._topic AS topic, toDate(ts), 'it\\'s _key' -- _offset\n FROM db.github_queue AS q WHERE _headers.name[1] = $$x$$",
  );
  t.deepEqual(query?.tables, [{ database: 'db', table: 'github_queue' }]);
  for (const name of ['_topic', 'q._topic', 'ts', '_headers.name']) t.true(query?.identifiers.has(name), name);
  t.false(query?.identifiers.has('_key'));
  t.false(query?.identifiers.has('_offset'));
});

test('tables of joins, unions and subqueries', (t) => {
  const query = readViewQuery(
    'SELECT a FROM q JOIN db.dim AS d ON q.id = d.id WHERE x IN (SELECT y FROM z) UNION ALL SELECT a FROM (SELECT a FROM `deep er`)',
  );
  t.deepEqual(query?.tables.map(({ table }) => table).sort(), ['deep er', 'dim', 'q', 'z']);
});

for (const sql of [
  'WITH c AS (SELECT 1 FROM q) SELECT * FROM c',
  'SELECT a FROM q ARRAY JOIN b',
  'SELECT a FROM q FINAL',
  'SELECT x::String FROM q',
  "SELECT COLUMNS('a') FROM q",
  "SELECT 'open FROM q",
  'not sql at all (',
  '',
]) {
  test(`leaves to the server what its dialect does not know: ${JSON.stringify(sql)}`, (t) => {
    t.is(readViewQuery(sql), undefined);
  });
}

/** As the server answered `EXPLAIN AST SELECT q._topic AS t, _headers.name FROM default.n AS q WHERE x IN db2.tt` (26.7). */
const ANSWER = `SelectWithUnionQuery (children 1)
 ExpressionList (children 1)
  SelectQuery (children 3)
   ExpressionList (children 2)
    Identifier q._topic (alias t)
    Identifier _headers.name
   TablesInSelectQuery (children 1)
    TablesInSelectQueryElement (children 1)
     TableExpression (children 1)
      TableIdentifier default.n (alias q)
   Function in (children 1)
    ExpressionList (children 2)
     Identifier x
     Identifier db2.tt
`;

test("the server's tree: its tables and identifiers", (t) => {
  const query = readExplainAst(ANSWER);
  t.deepEqual(query.tables, [{ database: 'default', table: 'n' }]);
  t.deepEqual([...query.identifiers].sort(), ['_headers.name', '_topic', 'db2.tt', 'name', 'q._topic', 'tt', 'x']);
});

test('a name with several dots gives every table it may mean', (t) => {
  t.deepEqual(readExplainAst('TableIdentifier a.b.c').tables, [
    { database: 'a', table: 'b.c' },
    { database: 'a.b', table: 'c' },
  ]);
  t.deepEqual(readExplainAst('  TableIdentifier q (children 1)').tables, [{ table: 'q' }]);
});

test('a query that takes the dialect long is left to the server', (t) => {
  const casts = (depth: number): string => `SELECT ${'CAST('.repeat(depth)}1${' AS )'.repeat(depth)} FROM q`;
  readViewQuery('SELECT 1 FROM q');
  const startedMs = performance.now();
  t.is(readViewQuery(casts(14)), undefined);
  t.true(performance.now() - startedMs < 3_000, `${performance.now() - startedMs} ms`);
  t.truthy(readViewQuery('SELECT 1 FROM q'));
});
