import test from 'ava';
import { WireBody, withoutChunks } from '../../src/clickhouse/wire-body.ts';

const CHUNKED = '5\r\nhello\r\n1a;x=1\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX-Trailer: 1\r\n\r\n';

/** Where the body ended, in bytes from its beginning, when it comes in pieces of `pieceBytes`. */
function endOf(body: WireBody, text: string, pieceBytes: number): number | undefined {
  for (let at = 0; at < text.length; at += pieceBytes) {
    const end = body.findEnd(Buffer.from(text.slice(at, at + pieceBytes), 'latin1'));
    if (end !== undefined) return at + end;
  }
  return undefined;
}

test('a chunked body ends behind its trailers, wherever it is cut', (t) => {
  for (let pieceBytes = 1; pieceBytes <= CHUNKED.length + 4; pieceBytes += 1) {
    t.is(endOf(new WireBody('chunks', 0), `${CHUNKED}HTTP`, pieceBytes), CHUNKED.length, `pieces of ${pieceBytes}`);
  }
});

test('a body with a length ends there', (t) => {
  for (const pieceBytes of [1, 3, 10, 11, 12]) t.is(endOf(new WireBody('length', 10), '0123456789x', pieceBytes), 10);
  t.true(new WireBody('length', 0).isEmpty);
  t.true(new WireBody('none', 10).isEmpty);
});

test('a body without length or chunks ends with its connection', (t) => {
  t.is(endOf(new WireBody('close', 0), '0\r\n\r\n', 2), undefined);
});

test('what a body carries is told piece by piece, without the chunks around it', (t) => {
  for (let pieceBytes = 1; pieceBytes <= CHUNKED.length + 4; pieceBytes += 1) {
    t.is(carriedBy(new WireBody('chunks', 0), `${CHUNKED}HTTP`, pieceBytes), 'helloabcdefghijklmnopqrstuvwxyz', `pieces of ${pieceBytes}`);
  }
  t.is(carriedBy(new WireBody('length', 10), '0123456789x', 3), '0123456789');
  t.is(carriedBy(new WireBody('close', 0), '0123456789x', 3), '0123456789x');
});

function carriedBy(body: WireBody, text: string, pieceBytes: number): string {
  let carried = '';
  for (let at = 0; at < text.length; at += pieceBytes) {
    const piece = text.slice(at, at + pieceBytes);
    const end = body.findEnd(Buffer.from(piece, 'latin1'), (from, to) => {
      carried += piece.slice(from, to);
    });
    if (end !== undefined) break;
  }
  return carried;
}

test('a chunk without a size is no chunk', (t) => {
  for (const text of ['\r\n', 'x\r\n', '-1\r\n', '0x5\r\nhello', `${'1'.repeat(14)}\r\n`, 'a'.repeat(70_000)]) {
    t.throws(() => endOf(new WireBody('chunks', 0), text, text.length), { message: /^Parse Error/ }, text.slice(0, 20));
  }
});

test('what a chunked body carries is read as far as it has come', (t) => {
  const chunked = '4;x=y\r\nWiki\r\nA\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n';
  t.is(withoutChunks(Buffer.from(chunked)).toString(), 'Wiki0123456789');
  for (const [bytes, expected] of [
    [3, ''],
    [10, 'Wik'],
    [13, 'Wiki'],
    [17, 'Wiki0'],
  ] as const) {
    t.is(withoutChunks(Buffer.from(chunked.slice(0, bytes))).toString(), expected, String(bytes));
  }
  t.is(withoutChunks(Buffer.from('no chunk\r\n')).toString(), '');
});
