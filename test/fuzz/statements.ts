import { readFileSync } from 'node:fs';
import { ENGINE_SETTINGS } from '../../src/engine/index.ts';
import type { Random } from '../faults/random.ts';

/** Statements as people write them, one after `---` each. */
const CORPUS = readFileSync(new URL('../fixtures/statements/kafka-tables.txt', import.meta.url), 'utf8')
  .split(/^=== /m)
  .slice(1)
  .map((part) => part.slice(part.indexOf('\n---\n') + 5));

const SETTING_NAMES = [
  ...Object.keys(ENGINE_SETTINGS),
  'format_avro_schema_registry_url',
  'input_format_skip_unknown_fields',
  'max_threads',
  'a',
];

/** What turns one token into another, or a statement into none. */
const NOISE = [
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  "'",
  '"',
  '`',
  ',',
  ';',
  '.',
  '=',
  '\\',
  '/*',
  '*/',
  '--',
  '#!',
  '$$',
  '$a$',
  '::',
  '->',
  '@@',
  '‘',
  '’',
  '“',
  '\u0000',
  '\u00a0',
  '\ufeff',
  '😀',
  '\ud800',
  '\n',
  ' ',
  '0x',
  '1e',
  '1_',
  "x'4",
  'NOT',
  'CASE',
  'INTERVAL',
  'AS',
  'ENGINE',
  'SETTINGS',
  'Kafka',
  'FORMAT',
  'COMMENT',
  'SELECT',
  'WITH',
  'INSERT',
];

/** A statement: made by the grammar, or one of the corpus or of those, broken in some places. */
export function randomStatement(random: Random): string {
  const made = random.chance(0.6) ? new Writer(random).statement() : random.pick(CORPUS);
  return random.chance(0.5) ? made : broken(made, random);
}

function broken(statement: string, random: Random): string {
  let text = statement;
  for (let times = random.between(1, 4); times > 0; times -= 1) text = brokenOnce(text, random);
  return text;
}

function brokenOnce(text: string, random: Random): string {
  const at = random.between(0, text.length);
  const end = Math.min(text.length, at + random.between(0, 12));
  switch (random.between(0, 7)) {
    case 0:
      return text.slice(0, at) + random.pick(NOISE) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(end);
    case 2:
      return text.slice(0, at);
    case 3:
      return text.slice(0, at) + text.slice(at, end).repeat(random.between(2, 40)) + text.slice(end);
    case 4:
      return text.slice(0, at) + random.pick(NOISE) + text.slice(end);
    case 5: {
      const other = random.pick(CORPUS);
      return text.slice(0, at) + other.slice(random.between(0, other.length));
    }
    case 6:
      return text.slice(0, at) + String.fromCharCode(random.between(0, 0xffff)) + text.slice(Math.min(text.length, at + 1));
    default:
      return text.slice(0, at) + random.pick(NOISE).repeat(random.between(1, 60)) + text.slice(at);
  }
}

/** Writes what the grammar reads, and a little of what it does not. */
class Writer {
  readonly #random: Random;
  #depth = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  statement(): string {
    return this.#oneOf(
      () => this.#createTable(),
      () => this.#createTable(),
      () => this.#createTable(),
      () => this.#createView(),
      () =>
        `${this.#pick('DROP', 'DETACH')} ${this.#object()}${this.#maybe(' IF EXISTS')} ${this.#names()}${this.#maybe(' PERMANENTLY')}${this.#maybe(' SYNC')}`,
      () => `TRUNCATE TABLE ${this.#name()}`,
      () => `RENAME TABLE ${this.#list(() => `${this.#name()} TO ${this.#name()}`)}`,
      () => `EXCHANGE TABLES ${this.#name()} AND ${this.#name()}`,
      () => `ATTACH TABLE ${this.#name()}${this.#maybe(" UUID '00000000-0000-0000-0000-000000000000'")}`,
      () => `${this.#pick('SHOW CREATE TABLE', 'DESCRIBE', 'EXISTS', 'SHOW CREATE')} ${this.#name()}${this.#tail()}`,
      () => `ALTER TABLE ${this.#name()} ${this.#list(() => this.#alterCommand())}`,
      () =>
        `INSERT INTO ${this.#name()}${this.#maybe(` (${this.#list(() => this.#name())})`)} ${this.#pick('VALUES', 'FORMAT JSONEachRow', 'SELECT 1')} ${this.#value()}`,
      () => `SYSTEM REPLAY DEAD LETTERS ${this.#name()} WHERE ${this.#expression()}`,
      () => `WITH ${this.#expression()} AS x SELECT ${this.#list(() => this.#expression())} FROM ${this.#name()}`,
    );
  }

  #createTable(): string {
    const engine = `ENGINE ${this.#maybe('= ')}${this.#pick('Kafka', 'Kafka', 'Kafka', '`Kafka`', 'Null', 'MergeTree')}`;
    const columns = this.#random.chance(0.9) ? ` (${this.#list(() => this.#element())}${this.#maybe(',')})` : '';
    const args = this.#random.chance(0.6) ? `(${this.#list(() => this.#argument())})` : '';
    const clauses = this.#random.chance(0.1) ? ` ORDER BY ${this.#expression()}` : '';
    const settings = this.#random.chance(0.7) ? ` SETTINGS ${this.#list(() => this.#setting())}` : '';
    const comment = this.#random.chance(0.2) ? ` COMMENT ${this.#string()}` : '';
    const source = this.#random.chance(0.05) ? ` AS ${this.#pick('SELECT 1', this.#name())}` : '';
    return (
      `${this.#pick('CREATE', 'CREATE OR REPLACE', 'create', 'ATTACH')} TABLE${this.#maybe(' IF NOT EXISTS')} ${this.#name()}` +
      `${this.#maybe(' ON CLUSTER c')}${this.#space()}${columns} ${this.#space()}${engine}${args}${clauses}${settings}${comment}${source}${this.#tail()}`
    );
  }

  #createView(): string {
    return (
      `CREATE MATERIALIZED VIEW${this.#maybe(' IF NOT EXISTS')} ${this.#name()} TO ${this.#name()} ${this.#space()}AS SELECT ` +
      `${this.#list(() => this.#expression())} FROM ${this.#name()}${this.#maybe(` WHERE ${this.#expression()}`)}${this.#maybe(" COMMENT 'x'")}`
    );
  }

  #alterCommand(): string {
    return this.#oneOf(
      () => `ADD COLUMN ${this.#identifier()} ${this.#type()}`,
      () => `MODIFY SETTING ${this.#setting()}`,
      () => `MODIFY COMMENT ${this.#string()}`,
      () => `UPDATE ${this.#identifier()} = ${this.#expression()} WHERE ${this.#expression()}`,
      () => `DROP COLUMN ${this.#identifier()}`,
    );
  }

  #element(): string {
    if (this.#random.chance(0.05)) return `INDEX ${this.#identifier()} ${this.#expression()} TYPE minmax`;
    const kind = this.#random.chance(0.3) ? ` ${this.#pick('DEFAULT', 'MATERIALIZED', 'ALIAS', 'EPHEMERAL')} ${this.#expression()}` : '';
    return `${this.#identifier()} ${this.#type()}${kind}${this.#maybe(` COMMENT ${this.#string()}`)}${this.#maybe(' CODEC(ZSTD(3), LZ4)')}`;
  }

  #argument(): string {
    return this.#random.chance(0.15) ? `${this.#random.pick(SETTING_NAMES)} = ${this.#value()}` : this.#value();
  }

  #setting(): string {
    return `${this.#random.pick(SETTING_NAMES)}${this.#random.chance(0.95) ? `${this.#space()}=${this.#space()}${this.#value()}` : ''}`;
  }

  #value(): string {
    return this.#oneOf(
      () => this.#string(),
      () => this.#number(),
      () => this.#string(),
      () => this.#pick('true', 'false', 'NULL', '-1', '0.5', '1e400', '99999999999999999999', "['a', 'b']", "{'a': 1}", "map('a', 1)"),
      () => this.#expression(),
    );
  }

  #expression(): string {
    if (this.#depth > 4) return this.#number();
    this.#depth += 1;
    const written = this.#oneOf(
      () => this.#number(),
      () => this.#string(),
      () => this.#identifier(),
      () => `(${this.#expression()})`,
      () =>
        `${this.#expression()} ${this.#pick('+', '=', 'AND', 'OR', 'LIKE', 'NOT IN', '||', '->', 'IS NOT NULL AND')} ${this.#expression()}`,
      () => `${this.#identifier()}(${this.#list(() => this.#expression())})`,
      () => `[${this.#list(() => this.#expression())}]`,
      () => `CASE WHEN ${this.#expression()} THEN ${this.#expression()} ELSE ${this.#expression()} END`,
      () => `${this.#expression()} ? ${this.#expression()} : ${this.#expression()}`,
      () => `${this.#identifier()}::${this.#type()}`,
      () => `INTERVAL ${this.#number()} DAY`,
      () => `${this.#identifier()}.${this.#pick('1', 'a', '*')}`,
      () => `NOT ${this.#expression()}`,
    );
    this.#depth -= 1;
    return written;
  }

  #type(): string {
    if (this.#depth > 4) return 'String';
    this.#depth += 1;
    const written = this.#oneOf(
      () =>
        this.#pick(
          'String',
          'UInt64',
          'Date',
          'DOUBLE PRECISION',
          'Decimal(18, 2)',
          "DateTime64(3, 'UTC')",
          "Enum8('a' = 1, 'b' = -2)",
          'FixedString(3)',
        ),
      () => `Array(${this.#type()})`,
      () => `Nullable(${this.#type()})`,
      () => `Map(String, ${this.#type()})`,
      () => `Tuple(${this.#list(() => `${this.#identifier()} ${this.#type()}`)})`,
      () => `AggregateFunction(sum, ${this.#type()})`,
    );
    this.#depth -= 1;
    return written;
  }

  #tail(): string {
    return this.#oneOf(
      () => '',
      () => '',
      () => ';',
      () => ' FORMAT JSON',
      () => ` SETTINGS max_threads = ${this.#number()}`,
      () => " INTO OUTFILE 'x'",
    );
  }

  #object(): string {
    return this.#pick('TABLE', 'VIEW', 'DATABASE', 'DICTIONARY');
  }

  #names(): string {
    return this.#list(() => this.#name());
  }

  #name(): string {
    return this.#random.chance(0.3) ? `${this.#identifier()}.${this.#identifier()}` : this.#identifier();
  }

  #identifier(): string {
    return this.#pick(
      't',
      'queue',
      'a',
      '`a b`',
      '"q"',
      '`x\\`y`',
      '`d``d`',
      'format',
      'comment',
      'key',
      'table',
      '`ü`',
      '“a”',
      '1a',
      '{p:Identifier}',
      '_topic',
      'engine',
    );
  }

  #string(): string {
    return this.#pick(
      "'broker:9092'",
      "'t'",
      "'JSONEachRow'",
      "''",
      "'it''s'",
      "'a\\'b'",
      "'\\x41\\n'",
      '$h$ here $h$',
      "x'4142'",
      "b'0101'",
      "'{db}_{table}'",
      "'😀'",
      "'a,b, c'",
      "'/* no */'",
      "'-- no'",
      '‘a’',
    );
  }

  #number(): string {
    return this.#pick('0', '1', '65536', '-1', '1_000', '0xff', '0b11', '1.5e3', '.5', '18446744073709551616');
  }

  #space(): string {
    return this.#pick(' ', ' ', ' ', '\n', '\t', '/* c */', '/* /* n */ */', '-- l\n', '# l\n', '// l\n', '\u00a0', '');
  }

  #list(item: () => string): string {
    const most = this.#depth > 1 ? 2 : 6;
    return Array.from({ length: this.#random.between(1, most) }, item).join(`,${this.#space()}`);
  }

  #maybe(text: string): string {
    return this.#random.chance(0.3) ? text : '';
  }

  #pick(...texts: readonly string[]): string {
    return this.#random.pick(texts);
  }

  #oneOf(...ways: readonly (() => string)[]): string {
    return this.#random.pick(ways)();
  }
}
