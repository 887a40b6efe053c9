import test from 'ava';
import { httpStatusOf, parseException, renderException } from '../../src/clickhouse/exception.ts';
import { clickhouseError } from '../../src/errors.ts';

const parsed = test.macro((t, text: string, code: number, name: string, sentence: string) => {
  const exception = parseException(text);
  t.deepEqual([exception?.code, exception?.exceptionName, exception?.text], [code, name, sentence]);
});

test(
  'an error of a query is read',
  parsed,
  'Code: 60. DB::Exception: Table default.t does not exist. (UNKNOWN_TABLE) (version 26.7.2.1)\n',
  60,
  'UNKNOWN_TABLE',
  'Table default.t does not exist',
);
test(
  'an error before authentication has no version',
  parsed,
  'Code: 516. DB::Exception: x: Authentication failed. (AUTHENTICATION_FAILED)\n',
  516,
  'AUTHENTICATION_FAILED',
  'x: Authentication failed',
);
test(
  'an official build says so',
  parsed,
  'Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR) (version 24.3.1.2672 (official build))',
  62,
  'SYNTAX_ERROR',
  'Syntax error',
);
test(
  'an error text may have lines and parentheses with capitals',
  parsed,
  'Code: 117. DB::Exception: Bad (NULL) value\nat row 3: (at row 3)\n. (INCORRECT_DATA) (version 26.7.2.1)',
  117,
  'INCORRECT_DATA',
  'Bad (NULL) value\nat row 3: (at row 3)\n',
);
test(
  'a NetException is an exception',
  parsed,
  'Code: 210. DB::NetException: Connection refused (localhost:9000). (NETWORK_ERROR)',
  210,
  'NETWORK_ERROR',
  'Connection refused (localhost:9000)',
);
test(
  'an error at the end of an answer that has begun is read',
  parsed,
  '1\n2\nCode: 395. DB::Exception: Stop. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.7.2.1)\n',
  395,
  'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO',
  'Stop',
);

test('what a library of the server threw is read, too', (t) => {
  const exception = parseException('std::exception. Code: 1001, type: avro::Exception, e.what() = EOF reached (version 26.7.2.1)\n');
  t.is(exception?.code, 1001);
  t.is(exception?.exceptionName, 'STD_EXCEPTION');
  t.is(exception?.text, 'avro::Exception: EOF reached');
});

test('what is no exception is not read as one', (t) => {
  for (const text of [
    '',
    'Ok.\n',
    'Poco::Exception. Code: 1000, e.code() = 0, Bad URI syntax',
    '<html>502 Bad Gateway</html>',
    'Code: 1. DB::Exception: cut of',
  ])
    t.is(parseException(text), undefined);
});

test('an exception is rendered with and without version, as the server does', (t) => {
  const exception = clickhouseError('BAD_ARGUMENTS', 'Wrong');
  t.is(renderException(exception, '26.7.2.1'), 'Code: 36. DB::Exception: Wrong. (BAD_ARGUMENTS) (version 26.7.2.1)');
  t.is(renderException(exception), 'Code: 36. DB::Exception: Wrong. (BAD_ARGUMENTS)');
  t.is(parseException(renderException(exception, '26.7.2.1'))?.text, 'Wrong');
});

test('codes have the statuses of the server, 500 when it singles none out', (t) => {
  t.deepEqual(
    [36, 62, 516, 194, 60, 115, 48, 159, 229, 210, 164, 1002].map(httpStatusOf),
    [400, 400, 403, 401, 404, 404, 501, 408, 413, 500, 500, 500],
  );
});
