import test from 'ava';
import { expandMacros, macrosOf } from '../../src/engine/macros.ts';
import { ClickHouseException, clickhouseError } from '../../src/errors.ts';

const TABLE = { database: 'db', table: 't', uuid: 'u-1' };
const MACROS: Readonly<Record<string, string>> = { shard: '01', nested: '{shard}-x', loop: '{loop}' };
const ask = async (sql: string): Promise<string[][]> => {
  const value = MACROS[/'(.*)'/.exec(sql)?.[1] ?? ''];
  if (value === undefined) throw clickhouseError('NO_ELEMENTS_IN_CONFIG', 'No macro');
  return [[value]];
};

const expands = test.macro(async (t, text: string, expected: string) => {
  t.is(await expandMacros(text, macrosOf(TABLE, ask)), expected);
});
test('text without macros stays', expands, 'plain } text', 'plain } text');
test('database, table and uuid are known', expands, '{database}.{table}/{uuid}', 'db.t/u-1');
test("the server's macros are asked from the server", expands, 'a{shard}b{shard}', 'a01b01');
test('macros may hold macros', expands, '{nested}', '01-x');

const refuses = test.macro(async (t, text: string, message: string) => {
  const error = await t.throwsAsync(expandMacros(text, macrosOf(TABLE, ask)), { instanceOf: ClickHouseException });
  t.is(error.text, message);
});
const unknown = (name: string, text: string, at: number): string =>
  `No macro '${name}' in config while processing substitutions in '${text}' at '${at}' or macro is not supported here`;
test('an unknown macro is named with its place in bytes', refuses, 'ü{nope}', unknown('nope', 'ü{nope}', 3));
test('an empty macro is unknown', refuses, 'x{}', unknown('', 'x{}', 2));
test('a bracket that is not closed is told', refuses, 'x{shard', "Unbalanced { and } in string with macros: 'x{shard'");
test('macros that never end are told', refuses, '{loop}', 'Too deep recursion while expanding macros');
