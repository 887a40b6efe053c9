import test from 'ava';
import { readAnswerHead } from '../../src/clickhouse/answer-head.ts';

test("a head's headers are those of the wire, in order and spelling", (t) => {
  const head = readAnswerHead('HTTP/1.1 200 Very OK\r\nx-A: 1\r\nX-a:  2 \r\nX-Empty:\r\nX-Latin: \xe9', 'GET');
  t.is(head.status, 200);
  t.is(head.reason, 'Very OK');
  t.deepEqual(head.rawHeaders, ['x-A', '1', 'X-a', '2', 'X-Empty', '', 'X-Latin', '\xe9']);
});

test('where the body ends is told by length, chunks, the method or the status', (t) => {
  const framing = (headers: string, method = 'GET', status = 200): unknown[] => {
    const { framing, bodyBytes, isKept } = readAnswerHead(`HTTP/1.1 ${status} X${headers}`, method);
    return [framing, bodyBytes, isKept];
  };
  t.deepEqual(framing('\r\nCONTENT-LENGTH: 12'), ['length', 12, true]);
  t.deepEqual(framing('\r\ntransfer-encoding: Chunked\r\nConnection: Close'), ['chunks', 0, false]);
  t.deepEqual(framing(''), ['close', 0, false]);
  t.deepEqual(framing('\r\nContent-Length: 12', 'HEAD'), ['none', 12, true]);
  t.deepEqual(framing('', 'GET', 204), ['none', 0, true]);
  t.false(readAnswerHead('HTTP/1.0 200 OK\r\nContent-Length: 1', 'GET').isKept);
});

test('a head that is none, or that can be read in two ways, is refused', (t) => {
  for (const text of [
    'SSH-2.0',
    'HTTP/2 200',
    'HTTP/1.1 20',
    'HTTP/1.1 200 OK\r\nno colon',
    'HTTP/1.1 200 OK\r\n folded: x\r\n: y',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2',
    'HTTP/1.1 200 OK\r\nContent-Length: -1',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked',
  ]) {
    t.throws(() => readAnswerHead(text, 'GET'), { message: /^Parse Error/ }, text);
  }
});
