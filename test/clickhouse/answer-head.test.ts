import test from 'ava';
import { readAnswerHead } from '../../src/clickhouse/answer-head.ts';

test('where the body ends is told by length, chunks, the method or the status', (t) => {
  const framing = (headers: string, method = 'GET', status = 200): unknown[] => {
    const { framing, bodyBytes, isKept } = readAnswerHead(`HTTP/1.1 ${status} X${headers}\r\n\r\n`, method);
    return [framing, bodyBytes, isKept];
  };
  t.deepEqual(framing('\r\nCONTENT-LENGTH: 12'), ['length', 12, true]);
  t.deepEqual(framing('\r\ntransfer-encoding: Chunked\r\nConnection: Close'), ['chunks', 0, false]);
  t.deepEqual(framing(''), ['close', 0, false]);
  t.deepEqual(framing('\r\nContent-Length: 12', 'HEAD'), ['none', 12, true]);
  t.deepEqual(framing('', 'GET', 204), ['none', 0, true]);
  t.false(readAnswerHead('HTTP/1.0 200\r\nContent-Length: 1\r\n\r\n', 'GET').isKept);
});

test('how long the connection is kept is told', (t) => {
  const { keepAlive } = readAnswerHead('HTTP/1.1 200 OK\r\nX: a:b\r\nKeep-Alive: timeout=30, max=1\r\n\r\n', 'GET');
  t.is(keepAlive, 'timeout=30, max=1');
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
    t.throws(() => readAnswerHead(`${text}\r\n\r\n`, 'GET'), { message: /^Parse Error/ }, text);
  }
});
