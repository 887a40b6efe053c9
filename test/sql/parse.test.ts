import test from 'ava';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { mentionsIdentifier, mentionsKafkaEngine, parseStatement, readExplainAst, readViewQuery, firstWords } from '../../src/sql/index.ts';

const fails = test.macro({
  exec(t, sql: string, position: number, expected: string) {
    const result = parseStatement(sql);
    if (result.ok) return t.fail('was read');
    t.is(result.position, position);
    t.true(result.expected.includes(expected), result.expected.join(', '));
  },
  title: (_, sql: string) => `says where it stopped: ${JSON.stringify(sql)}`,
});
test(fails, 'CREATE TABLE', 12, 'table name');
test(fails, 'CREATE TABLE t (a Int8', 22, ')');
test(fails, 'CREATE TABLE t (a Int8) ENGINE = ', 33, 'identifier');
test(fails, "CREATE TABLE t (a Int8) ENGINE = Kafka('b', 't'", 47, ')');
test(fails, "CREATE TABLE t (a Int8) ENGINE = Kafka('b', 't", 44, 'Single quoted string is not closed');
test(fails, 'CREATE TABLE t (a Int8) ENGINE = Kafka SETTINGS x =', 51, 'value');
test(fails, 'CREATE TABLE t (a Int8 DEFAULT (1, 2) ENGINE = Kafka', 38, ')');
test(fails, 'CREATE TABLE t /* a /* b */ ENGINE = Kafka', 15, 'Multiline comment is not closed');
test(fails, 'CREATE TABLE `t ENGINE = Kafka', 13, 'Back quoted string is not closed');
test(fails, 'CREATE TABLE t (a Int8) ENGINE = Kafka #x', 39, 'end of query');
test(fails, 'CREATE TABLE t ENGINE = Kafka; SELECT 1', 31, 'end of query');
test(fails, '', 0, 'CREATE');

test('line and column count from one', (t) => {
  const result = parseStatement("CREATE TABLE t\n(\n  a Int8,\n  b Int8 DEFAULT ,\n) ENGINE = Kafka('b')");
  t.like(result, { ok: false, line: 4, column: 18 });
});

const statements = readFileSync(new URL('../fixtures/statements/kafka-tables.txt', import.meta.url), 'utf8')
  .split(/^=== /m)
  .slice(1)
  .map((part) => part.slice(part.indexOf('\n---\n') + 5));

test('a statement cut off anywhere never throws, nor does any other question about it', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...statements), fc.double({ min: 0, max: 1, noNaN: true }), (sql, share) => {
      const head = sql.slice(0, Math.floor(sql.length * share));
      parseStatement(head);
      mentionsKafkaEngine(head);
      firstWords(head, 3);
      readExplainAst(head);
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('statements with a piece of another one in them never throw', (t) => {
  const noise = fc.constantFrom(
    '(',
    ')',
    '[',
    '{',
    "'",
    '"',
    '`',
    '/*',
    '*/',
    '--',
    '$$',
    '$a$',
    '\\',
    ';',
    ',',
    '.',
    ' AS ',
    ' CASE ',
    ' INTERVAL ',
    '\0',
    '😀',
    '1e',
    '0x',
  );
  fc.assert(
    fc.property(fc.constantFrom(...statements), fc.nat(), fc.array(noise, { maxLength: 6 }), (sql, at, pieces) => {
      const place = at % (sql.length + 1);
      const text = sql.slice(0, place) + pieces.join('') + sql.slice(place);
      const result = parseStatement(text);
      if (!result.ok && (result.position < 0 || result.position > text.length)) throw new Error(`position ${result.position}`);
      readViewQuery(text);
    }),
    { numRuns: 300 },
  );
  t.pass();
});

/** A megabyte of each kind: time and stack grow with the length only, whatever it nests. */
const MEGABYTE = 1_000_000;
const repeat = (text: string): string => text.repeat(Math.ceil(MEGABYTE / text.length));
const BIG: Record<string, string> = {
  'open brackets': `CREATE TABLE t (a Int8 DEFAULT ${repeat('(')}`,
  'nested brackets': `CREATE TABLE t (a Int8 DEFAULT ${'('.repeat(500_000)}1${')'.repeat(500_000)}) ENGINE = Kafka`,
  'nested types': `CREATE TABLE t (a ${'Array('.repeat(100_000)}Int8${')'.repeat(100_000)}) ENGINE = Kafka`,
  'nested comments': `CREATE TABLE t ${repeat('/*')}`,
  'tags that never close': `CREATE TABLE t COMMENT ${Array.from({ length: 150_000 }, (_, index) => `$${index}$`).join(' ')}`,
  'escapes in an open string': `CREATE TABLE t ENGINE = Kafka('${repeat("\\'")}`,
  'an open CASE': `CREATE TABLE t (a Int8 DEFAULT ${repeat('CASE ')}`,
  'white space': `${repeat(' ')}CREATE TABLE t ENGINE = Kafka`,
  'a long name': `DROP TABLE ${repeat('a')}`,
  'many names': `DROP TABLE ${repeat('t,')}t`,
  'many FORMATs': `CREATE MATERIALIZED VIEW v TO t AS SELECT ${repeat('FORMAT x ')}`,
  'the data of an INSERT': `INSERT INTO t VALUES ${repeat("('x'),")}`,
  'the word ENGINE': repeat('ENGINE = '),
  'the word ENGINE in an open string': `'${repeat('engine ')}`,
  'open aliases': ` Identifier x${repeat(' (alias ')}`,
};
for (const [name, sql] of Object.entries(BIG)) {
  test.serial(`a megabyte of ${name} is answered soon`, (t) => {
    const start = performance.now();
    parseStatement(sql);
    mentionsKafkaEngine(sql);
    mentionsIdentifier(sql, new Set(['nothing']));
    firstWords(sql, 3);
    readViewQuery(sql);
    readExplainAst(sql);
    // Six questions of at most a fifth of a second each; the bound only has to catch what grows faster than the text.
    t.true(performance.now() - start < 15_000);
  });
}
