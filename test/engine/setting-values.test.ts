import test from 'ava';
import fc from 'fast-check';
import { convertSetting, literalOf, type SettingValue } from '../../src/engine/setting-values.ts';
import { ENGINE_SETTINGS, isFormatSetting, type SettingType } from '../../src/engine/settings.ts';
import { ClickHouseException } from '../../src/errors.ts';
import { parseStatement, type Value } from '../../src/sql/index.ts';

function valueOf(text: string): Value {
  const parsed = parseStatement(`CREATE TABLE t (a Int8) ENGINE = Kafka SETTINGS s = ${text}`);
  if (!parsed.ok || parsed.statement.kind !== 'create-table') throw new Error(`cannot parse ${text}`);
  const value = parsed.statement.settings[0]?.assignments[0]?.value;
  if (value === undefined) throw new Error('no value');
  return value;
}

function convert(type: SettingType, text: string): SettingValue {
  const literal = literalOf(valueOf(text));
  if (literal === undefined) throw new Error(`${text} is no literal`);
  return convertSetting(type, literal);
}

const reads = test.macro((t, type: SettingType, text: string, expected: SettingValue) => {
  t.is(convert(type, text), expected);
});

const refuses = test.macro((t, type: SettingType, text: string, code: number, message: string) => {
  const error = t.throws(() => convert(type, text), { instanceOf: ClickHouseException });
  t.is(error.code, code);
  t.is(error.text, message);
});

const READ: readonly (readonly [SettingType, string, SettingValue])[] = [
  ['uint64', '2', 2n],
  ['uint64', "'2'", 2n],
  ['uint64', "'+2'", 2n],
  ['uint64', '0x10', 16n],
  ['uint64', '1e3', 1000n],
  ['uint64', '1.5', 1n],
  ['uint64', 'true', 1n],
  ['uint64', '18446744073709551615', 18446744073709551615n],
  ['int64', '-5', -5n],
  ['int64', "'-5'", -5n],
  ['bool', 'true', true],
  ['bool', '0', false],
  ['bool', "'tRuE'", true],
  ['bool', '0.5', true],
  ['string', "'a\\'b'", "a'b"],
  ['char', "';'", ';'],
  ['char', "''", ''],
  ['handle-error-mode', "'stream'", 'stream'],
];
for (const [type, text, value] of READ) test(`${text} is a ${type}`, reads, type, text, value);

const REFUSED: readonly (readonly [SettingType, string, number, string])[] = [
  ['uint64', '-1', 70, 'Field value -1 is out of range of unsigned long type'],
  ['milliseconds', '-1', 70, 'Field value -1 is out of range of unsigned long type'],
  ['int64', '9223372036854775808', 70, 'Field value 9223372036854775808 is out of range of long type'],
  ['uint64', '99999999999999999999', 70, 'Cannot convert out of range floating point value to integer type'],
  ['uint64', 'NULL', 70, 'Invalid value NULL of the setting, which needs unsigned long'],
  ['uint64', 'nan', 72, 'Float setting value must be finite, got nan'],
  ['uint64', 'inf', 72, 'Float setting value must be finite, got inf'],
  ['uint64', "'-1'", 72, "Unsigned type must not contain '-' symbol"],
  ['uint64', "''", 32, 'Attempt to read after eof'],
  ['uint64', "'2abc'", 27, "Cannot parse input: expected 'eof' before: 'abc'"],
  ['int64', "'-x'", 72, 'Cannot parse number without any digits'],
  ['bool', '2', 70, 'Field value 2 is out of range of bool type'],
  ['bool', "'yes'", 467, "Cannot parse bool from string 'yes'"],
  ['bool', 'NULL', 70, 'Invalid value NULL of the setting, which needs bool'],
  ['string', '5', 170, 'Bad get: has UInt64, requested String'],
  ['string', 'true', 170, 'Bad get: has Bool, requested String'],
  ['string', 'NULL', 170, 'Bad get: has Null, requested String'],
  ['char', "'ab'", 19, "A setting's value string has to be an exactly one character long"],
  [
    'handle-error-mode',
    "'DEFAULT'",
    36,
    "Unexpected value of StreamingHandleErrorMode: 'DEFAULT'. Must be one of ['dead_letter_queue', 'stream', 'default']",
  ],
];
for (const [type, text, code, message] of REFUSED) test(`${text} is no ${type}`, refuses, type, text, code, message);

test('any 64-bit number is read as itself, written as number or as string', (t) => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      return convert('uint64', String(value)) === value && convert('uint64', `'${value}'`) === value;
    }),
    { numRuns: 50 },
  );
  t.pass();
});

test('every default in the settings table can be read as its type', (t) => {
  for (const [name, { type, default: byDefault }] of Object.entries(ENGINE_SETTINGS)) {
    t.notThrows(() => convertSetting(type, { type: 'String', value: byDefault }), name);
  }
});

test('format settings are told from settings of the query', (t) => {
  for (const name of ['input_format_skip_unknown_fields', 'format_csv_delimiter', 'date_time_input_format']) t.true(isFormatSetting(name));
  for (const name of ['max_threads', 'kafka_disable_num_consumers_limit', 'informat']) t.false(isFormatSetting(name));
});
