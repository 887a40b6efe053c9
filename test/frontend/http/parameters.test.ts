import test from 'ava';
import { changeParameters, findParameter } from '../../../src/frontend/http/parameters.ts';

const found = test.macro((t, target: string, name: string, expected: string | undefined) => {
  t.is(findParameter(target, name), expected);
});

test('a parameter is found among others', found, '/?a=1&query=SELECT+1&b=2', 'query', 'SELECT 1');
test('the first of two parameters of one name counts', found, '/?query=1&query=2', 'query', '1');
test('a parameter may have an escaped name', found, '/?q%75ery=x', 'query', 'x');
test('names of parameters are case-sensitive, as on the server', found, '/?QUERY=x', 'query', undefined);
test('plus is a space, %2B a plus', found, '/?query=1+%2B+2', 'query', '1 + 2');
test('bytes that are not UTF-8 stay one character a byte', found, '/?query=%ff%C3%A9', 'query', '\xff\xc3\xa9');
test('a broken escape is no value', found, '/?query=%zz', 'query', undefined);
test('an escape cut off at the end is no value', found, '/?query=abc%4', 'query', undefined);
test('a parameter without equals sign is empty', found, '/?query&a=1', 'query', '');
test('a value may hold equals signs', found, '/?query=a=b=c', 'query', 'a=b=c');
test('a semicolon separates nothing', found, '/?query=a;query=b', 'query', 'a;query=b');
test('a path without parameters has none', found, '/', 'query', undefined);
test('an empty parameter string has none', found, '/?', 'query', undefined);
test('a parameter that is part of another name is not it', found, '/?xquery=1&queryx=2', 'query', undefined);

test('changing one parameter leaves the bytes of the others as they were', (t) => {
  const target = '/?a=%41+%2b&query=SELECT&b=%zz&c';
  t.is(
    changeParameters(target, (name) => name !== 'query', { query: "SELECT 'é' & 1" }),
    "/?a=%41+%2b&b=%zz&c&query=SELECT%20'%C3%A9'%20%26%201",
  );
});

test('parameters can be dropped by their decoded names', (t) => {
  t.is(
    changeParameters('/?q%75ery=1&x=2', (name) => name !== 'query'),
    '/?x=2',
  );
});

test('a target without parameters can get one', (t) => {
  t.is(
    changeParameters('/', () => true, { query: 'x' }),
    '/?query=x',
  );
});
