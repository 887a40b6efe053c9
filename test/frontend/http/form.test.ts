import test from 'ava';
import fc from 'fast-check';
import { boundaryOf, readFormText, withoutFormText } from '../../../src/frontend/http/form.ts';

const part = (head: string, body: string): string => `--b\r\n${head}\r\n\r\n${body}\r\n`;
const field = (body: string): string => part('Content-Disposition: form-data; name="query"', body);
const table = part('Content-Disposition: form-data; name="query"; filename="x"', '1\r\n2');
const END = '--b--\r\n';

const read = (form: string): string => readFormText(Buffer.from(form), 'b').text.toString();

test('the boundary is found plain and quoted', (t) => {
  t.is(boundaryOf('multipart/form-data; boundary=abc'), 'abc');
  t.is(boundaryOf('multipart/form-data; charset=x; Boundary="a b"'), 'a b');
  t.is(boundaryOf('multipart/form-data'), undefined);
});

test('fields are joined by nothing, wherever they stand, with their blanks and line breaks', (t) => {
  t.is(read(field(' SELECT ') + table + field('1,\r\n\r\n2 ') + END), ' SELECT 1,\r\n\r\n2 ');
  t.is(read(`a preamble\r\n${field('SELECT 1')}${END}`), 'SELECT 1');
  t.is(read(field('') + END), '');
});

test('tables and fields of other names are no text', (t) => {
  t.is(read(table + part('Content-Disposition: form-data; name=param_a', '1') + END), '');
  t.is(read(part('Content-Type: text/plain', 'SELECT 1') + END), '');
});

test('heads are read as the server reads them: any case, no quotes, other lines, escapes', (t) => {
  t.is(read(part('content-type: text/plain\r\ncontent-disposition: form-data; NAME=query', 'SELECT 1') + END), 'SELECT 1');
  t.is(read(part('Content-Disposition: form-data; x="\\"; filename=y"; name="query"', 'SELECT 2') + END), 'SELECT 2');
});

test('a form without its end tells whether a text is cut off', (t) => {
  const whole = field('SELECT 1') + table + END;
  for (let length = 0; length <= whole.length; length += 1) {
    const { text, isCutOff } = readFormText(Buffer.from(whole.slice(0, length)), 'b');
    if (!isCutOff) t.true(['', 'SELECT 1'].includes(text.toString()), String(length));
  }
  t.true(readFormText(Buffer.from(field('SELECT 1').slice(0, -3)), 'b').isCutOff);
});

test('texts are taken out and nothing else', (t) => {
  const form = Buffer.from(field('SELECT ') + table + field('1') + END);
  t.is(withoutFormText(form, readFormText(form, 'b')).toString(), field('') + table + field('') + END);
});

test('bytes of any kind are read', (t) => {
  const piece = fc.constantFrom('--b', '\r\n', '\r\n\r\n', 'Content-Disposition: form-data; name="query"', '--b--', ' ', 'x', '\r');
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const form = Buffer.from(pieces.join(''));
        const found = readFormText(form, 'b');
        return withoutFormText(form, found).length === form.length - found.text.length;
      }),
    );
  });
});
