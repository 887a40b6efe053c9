import test from 'ava';
import fc from 'fast-check';
import {
  quoteIdentifier,
  quoteIdentifierIfNeeded,
  quoteString,
  insertAt,
  removeSpan,
  replaceSpan,
  splice,
  declaredElements,
  parseStatement,
  firstWords,
  identifiersIn,
  mentionsIdentifier,
  mentionsKafkaEngine,
} from '../../src/sql/index.ts';
import { unquoteIdentifier, unquoteString } from '../../src/sql/unquote.ts';

test('strings are quoted as the server prints them', (t) => {
  t.is(quoteString("it's"), "'it\\'s'");
  t.is(quoteString('a\\b\tc\nd\re\0f\bg\fh'), "'a\\\\b\\tc\\nd\\re\\0f\\bg\\fh'");
  t.is(quoteString('"`é'), "'\"`é'");
});

test('identifiers are quoted where they have to be', (t) => {
  t.is(quoteIdentifierIfNeeded('a_1'), 'a_1');
  t.is(quoteIdentifierIfNeeded('1a'), '`1a`');
  t.is(quoteIdentifierIfNeeded('a.b'), '`a.b`');
  t.is(quoteIdentifierIfNeeded('Table'), '`Table`');
  t.is(quoteIdentifier('a`b\\'), '`a\\`b\\\\`');
});

test('what is quoted is read back, whatever it holds', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      if (unquoteString(quoteString(text)) !== text || unquoteIdentifier(quoteIdentifier(text)) !== text) throw new Error(text);
    }),
  );
  t.pass();
});

const unquotes = test.macro({
  exec(t, literal: string, text: string) {
    t.is(unquoteString(literal), text);
  },
  title: (_, literal: string) => `means what the server makes of it: ${literal}`,
});
test(unquotes, "'it''s'", "it's");
test(unquotes, String.raw`'\a\b\e\f\n\r\t\v\0'`, '\x07\b\x1b\f\n\r\t\v\0');
test(unquotes, String.raw`'\\ \' \" \` \/ \='`, '\\ \' " ` / =');
test(unquotes, String.raw`'\% \_ \q \d'`, String.raw`\% \_ \q \d`);
test(unquotes, String.raw`'\N'`, '');
test(unquotes, String.raw`'\x41\xD0\x9F'`, 'AП');
test(unquotes, "x'4142'", 'AB');
test(unquotes, "b'0100000101000010'", 'AB');
test(unquotes, "$$a\\n'$$", "a\\n'");
test(unquotes, '$tag$ $$ $tag$', ' $$ ');
test(unquotes, '‘a\\n’', 'a\\n');

test('identifiers may hold quotes and escapes', (t) => {
  t.is(unquoteIdentifier('`a``b\\`c\\x41`'), 'a`b`cA');
  t.is(unquoteIdentifier('"a""b"'), 'a"b');
  t.is(unquoteIdentifier('“a b”'), 'a b');
  t.is(unquoteIdentifier('plain'), 'plain');
});

test('splicing replaces, inserts and removes in one go', (t) => {
  t.is(
    splice('0123456789', [removeSpan({ start: 8, end: 10 }), replaceSpan({ start: 2, end: 4 }, 'ab'), insertAt(2, '<'), insertAt(6, '>')]),
    '01<ab45>67',
  );
  t.is(splice('', [insertAt(0, 'a'), insertAt(0, 'b')]), 'ab');
});

test('splicing refuses edits that overlap or leave the text', (t) => {
  t.throws(() => splice('abc', [replaceSpan({ start: 0, end: 2 }, ''), replaceSpan({ start: 1, end: 3 }, '')]), { instanceOf: RangeError });
  t.throws(() => splice('abc', [insertAt(4, 'x')]), { instanceOf: RangeError });
});

test('splicing keeps the rest unit for unit', (t) => {
  const piece = fc.record({
    kept: fc.string({ unit: 'binary' }),
    gone: fc.string({ unit: 'binary', minLength: 1 }),
    text: fc.string({ unit: 'binary' }),
  });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.string({ unit: 'binary' }), (pieces, rest) => {
      let before = '';
      let after = '';
      const edits = pieces.map(({ kept, gone, text }) => {
        const start = before.length + kept.length;
        before += kept + gone;
        after += kept + text;
        return { start, end: start + gone.length, text };
      });
      if (splice(before + rest, edits.reverse()) !== after + rest) throw new Error('differs');
    }),
  );
  t.pass();
});

test('columns of a table keep their own text', (t) => {
  const sql =
    "CREATE TABLE d.q\n(\n    `a` UInt8,\n    `b` String DEFAULT concat('x', ')') COMMENT 'it\\'s',\n    CONSTRAINT c CHECK a > 1\n)\nENGINE = Null\nCOMMENT 'x'";
  t.deepEqual(declaredElements(sql)?.map(({ text }) => text), ['`a` UInt8', "`b` String DEFAULT concat('x', ')') COMMENT 'it\\'s'", 'CONSTRAINT c CHECK a > 1']); // prettier-ignore
  t.is(declaredElements('CREATE VIEW v AS SELECT 1'), undefined);
  t.deepEqual(declaredElements('CREATE TABLE t AS u'), []);
  t.true(parseStatement(sql).ok);
});

const words = test.macro({
  exec(t, head: string, expected: string[], needsMore = false) {
    t.deepEqual(firstWords(head, 2), { words: expected, needsMore });
  },
  title: (_, head: string) => `first words of ${JSON.stringify(head)}`,
});
test(words, 'create table t', ['CREATE', 'TABLE']);
test(words, '-- x\n/* y /* z */ */ # w\n ((select 1 ', ['SELECT']);
test(words, 'INSERT INTO', ['INSERT', 'INTO'], true);
test(words, 'INSERT INTO t', ['INSERT', 'INTO']);
test(words, 'INS', ['INS'], true);
test(words, 'SHOW `x`', ['SHOW'], true);
test(words, 'SHOW `x` ', ['SHOW']);
test(words, '/* open', [], true);
test(words, '-- open', [], true);
test(words, '', [], true);
test(words, '\xef\xbb\xbfDROP TABLE t', ['DROP', 'TABLE']);
test(words, "{'a': 1} ", []);
test(words, '(SELECT', ['SELECT'], true);

test('ENGINE = Kafka is found however it is spaced, and nowhere else', (t) => {
  for (const sql of [
    'ENGINE=Kafka',
    'engine Kafka()',
    'Engine /* x */ = -- y\n Kafka',
    'ENGINE = `Kafka`',
    'ENGINE="Kafka"',
    'ENGINE ENGINE = Kafka',
    "x 'y' ENGINE = Kafka 'open",
  ])
    t.true(mentionsKafkaEngine(sql), sql);
  for (const sql of [
    'ENGINE = kafka',
    "'ENGINE = Kafka'",
    '-- ENGINE = Kafka',
    '/* ENGINE = Kafka */',
    '`ENGINE = Kafka`',
    'ENGINE = KafkaX',
    'ENGINE = MergeTree -- Kafka',
    '$$ENGINE = Kafka$$',
  ])
    t.false(mentionsKafkaEngine(sql), sql);
});

test('text behind a token that cannot be read is searched, too', (t) => {
  t.true(mentionsKafkaEngine("' ENGINE = Kafka"));
  t.true(mentionsIdentifier("' q", new Set(['q'])));
});

test('a name counts outside of strings and comments only', (t) => {
  const names = new Set(['github_queue', 'odd `name']);
  for (const sql of ['SELECT * FROM github_queue', 'SELECT * FROM db.`github_queue`', 'x "github_queue" y', 'FROM `odd ``name`'])
    t.true(mentionsIdentifier(sql, names), sql);
  for (const sql of ["SELECT 'github_queue'", '-- github_queue', 'github_queue2', 'SELECT 1']) t.false(mentionsIdentifier(sql, names), sql);
  t.false(mentionsIdentifier('anything', new Set()));
});

test('all names of a text are found at once as each is found alone', (t) => {
  const texts = ['SELECT * FROM db.`github_queue`', 'FROM `odd ``name` AS "x"', "SELECT 'q' -- q", "q ' github_queue", 'a.q', ''];
  for (const text of texts) {
    const found = identifiersIn(text);
    for (const name of ['q', 'db', 'x', 'github_queue', 'odd `name', 'queue', 'FROM', 'from'])
      t.is(found.has(name), mentionsIdentifier(text, new Set([name])), `${name} in ${text}`);
  }
});
